"""Limits that govern one kind of call, taken all or none, and given back once. See docs/adr/0015.

Times are in ns of the clock that request ids are made with. Buckets are exact: a level is kept in units times the period.
"""

from collections.abc import Sequence
from typing import Final, final

from fastgw._native.counter_map import CounterMap

REQUESTS: Final[int]
TOKENS: Final[int]
CONCURRENT: Final[int]
MONEY: Final[int]
COUNTS: Final[int]
ENFORCES: Final[int]
SOFT: Final[int]

@final
class LimitSet:
    """Rows of (digest of 16 bytes, kind, mode, group, limit, period_ns, burst, until_ns), at most 64.

    ``limit``: units a period, slots, or nano-USD. ``period_ns`` and ``burst``: of a bucket; ``until_ns``: of money. A bucket
    refills ``limit`` units in ``period_ns`` and holds at most ``burst``. ``ValueError`` for anything out of range.
    """

    def __new__(cls, rows: Sequence[tuple[bytes, int, int, int, int, int, int, int]]) -> LimitSet: ...
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
        """Of that row: units gone from the bucket, slots taken, or nano-USD spent."""

    @property
    def held(self) -> int:
        """Nano-USD reserved by calls that are under way."""

    @property
    def wait_ns(self) -> int:
        """How long until the buckets that refuse would allow this call, at most 2**63 - 1; -1: never, it is larger than a bucket.
        0 for money and slots."""

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
    def settle(self, tokens: int, nano_usd: int, now_ns: int) -> None:
        """Give back what was taken and count what was used. A second time does nothing."""

@final
class WorkerCounters:
    """One worker's hand in the shared map. ``life`` is not 0 and tells it from earlier workers of the same number."""

    def __new__(cls, counter_map: CounterMap, worker: int, life: int) -> WorkerCounters: ...
    @property
    def life(self) -> int: ...
    def reserve(self, limits: LimitSet, call: int, tokens: int, nano_usd: int, now_ns: int) -> Reservation | Refusal:
        """Take one request, the tokens, a slot and the money from every row, or nothing. ``call`` is not 0."""
