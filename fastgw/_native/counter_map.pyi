"""The memory that the workers of a machine count in: slots, holds, one lock, and a record that makes changes whole.

See docs/adr/0015. Times are in ns of the clock that request ids are made with.
"""

from typing import final

@final
class CounterMap:
    """Made before the workers are forked, and shared by them. Each call takes the lock for less than a microsecond."""

    def __new__(cls, slots: int, workers: int, holds_per_worker: int, fd: int = -1) -> CounterMap:
        """``slots`` is a power of two. Takes 64 bytes a slot and 40 a hold. ``fd``: a file to keep the levels of buckets in through
        a restart, which is made as long as is needed and is nobody else's; without one they go with the processes."""

    @property
    def workers(self) -> int:
        """How many arenas of holds there are."""

    @property
    def holds_per_worker(self) -> int:
        """How many holds a worker can have: a call has one for each budget and each limit on concurrency."""

    def put(self, key: bytes, value: int, until_ns: int, now_ns: int) -> bool:
        """Set what was spent, by the 16 bytes of a digest. False when there is no room."""

    def add(self, key: bytes, value: int, until_ns: int, now_ns: int) -> bool:
        """The same for more than what is counted already."""

    def get(self, key: bytes) -> tuple[int, int] | None:
        """What was spent and what is held; None when nothing is known of it."""

    def begin_life(self, worker: int, life: int) -> None:
        """A worker has started, or, with 0, has died: what other lives of it hold is orphaned."""

    def orphans(self, worker: int) -> list[tuple[int, int]]:
        """Life and call of what is held in a worker's arena by lives that are over."""

    def resolve(self, worker: int, call: int, nano_usd: int) -> int:
        """Settle what a call of a dead worker holds with what the ledger says that it cost. Returns how many holds it had."""

    def held(self) -> tuple[int, int]:
        """The holds of all workers: how many, and the nano-USD in them."""
