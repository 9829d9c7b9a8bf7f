"""Limits that govern one kind of call, taken all or none, and given back once. See docs/adr/0015.

Times are in ns of the clock that request ids are made with. Buckets are exact: a level is kept in units times the period.
"""

from collections.abc import Sequence
from typing import Any, Final, final

from fastgw._native.counter_map import CounterMap

REQUESTS: Final[int]
TOKENS: Final[int]
CONCURRENT: Final[int]
MONEY: Final[int]
PAUSE: Final[int]
COUNTS: Final[int]
ENFORCES: Final[int]
SOFT: Final[int]

@final
class LimitSet:
    """Rows of (digest of 16 bytes, kind, mode, group, limit, period_ns, burst, until_ns, *digests), at most 64.

    ``limit``: units a period, slots, or nano-USD. ``period_ns`` and ``burst``: of a bucket; ``until_ns``: of money, when what is
    spent now may be forgotten. A bucket refills ``limit`` units in ``period_ns`` and holds at most ``burst``. The digests are the
    earlier slices of a window of money that rolls. A pause holds until what ``CounterMap.put`` says of it, for all calls or, with a
    ``period_ns``, for all but one in each. ``ValueError`` for anything out of range.
    """

    def __new__(cls, rows: Sequence[tuple[Any, ...]]) -> LimitSet: ...
    @property
    def checks(self) -> int:
        """How many rows."""

@final
class Refusal:
    """Why nothing was taken."""

    @property
    def index(self) -> int:
        """The first row that refuses."""

    @property
    def full(self) -> bool:
        """Whether it refuses only because there is no memory left to count in."""

    @property
    def used(self) -> int:
        """Of that row: units gone from the bucket, slots taken, nano-USD spent, or ns of a pause that are left."""

    @property
    def held(self) -> int:
        """Nano-USD reserved by calls that are under way."""

    @property
    def wait_ns(self) -> int:
        """How long until the buckets and pauses that refuse would allow this call, at most 2**63 - 1; -1: never, it is larger
        than a bucket. 0 for money and slots."""

    @property
    def room_nano_usd(self) -> int:
        """What every budget that refuses has left; -1 when something else than money refuses."""

@final
class Reservation:
    """What a call has taken. Dropped without being settled, it stays held until its worker's life is over."""

    @property
    def settled(self) -> bool: ...
    @property
    def nano_usd(self) -> int:
        """What was reserved."""

    @property
    def requests_limit(self) -> int:
        """Of the bucket of requests with the least left that refuses calls; 0 when there is none."""

    @property
    def requests_remaining(self) -> int: ...
    @property
    def requests_reset_ns(self) -> int:
        """Until it is full again."""

    @property
    def tokens_limit(self) -> int:
        """The same for tokens."""

    @property
    def tokens_remaining(self) -> int: ...
    @property
    def tokens_reset_ns(self) -> int: ...
    def grow(self, nano_usd: int, now_ns: int) -> bool:
        """Reserve so much more in every budget, or nothing; whether it fitted. False for a reservation that is settled."""

    def settle(self, tokens: int, nano_usd: int, now_ns: int) -> None:
        """Give back what was taken and count what was used. A second time does nothing."""

@final
class WorkerCounters:
    """One worker's hand in the shared map. ``life`` is not 0 and tells it from earlier workers of the same number."""

    def __new__(cls, counter_map: CounterMap, worker: int, life: int) -> WorkerCounters: ...
    @property
    def life(self) -> int: ...
    @property
    def counters(self) -> CounterMap:
        """What it counts in."""

    def reserve(self, limits: LimitSet, call: int, tokens: int, nano_usd: int, now_ns: int) -> Reservation | Refusal:
        """Take one request, the tokens, a slot and the money from every row, or nothing. ``call`` is not 0."""

def levels(counter_map: CounterMap, limits: LimitSet, now_ns: int) -> list[tuple[int, int]]:
    """What is used of each row, as ``Refusal.used`` has it, and the nano-USD held. Takes nothing, creates no counter."""
