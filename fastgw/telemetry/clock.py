"""The only place that reads a clock, apart from the native IO classes.

Durations are differences of :func:`monotonic_ns`; :func:`wall_ns` names a moment for people and prices and may jump.
"""

from __future__ import annotations

from fastgw._native.clock import ID_SLOT_BITS, monotonic_ns, unix_ns_of, wall_ns

__all__ = ["ID_SLOT_BITS", "RequestIds", "id_base_ns", "monotonic_ns", "unix_ns_of", "wall_ns"]

_SLOTS = 1 << ID_SLOT_BITS


class RequestIds:
    """Request ids of one worker: positive int63, rising, Unix microseconds in the upper bits and the worker's number in the lower.

    The time in an id follows the monotonic clock from one base that all workers of a run share: a wall clock that jumps back never
    makes an id come twice.
    """

    __slots__ = ("_base_ns", "_last", "_slot")

    def __init__(self, slot: int, base_ns: int) -> None:
        if not 0 <= slot < _SLOTS:
            raise ValueError(f"slot: expected 0..{_SLOTS - 1}, got {slot}")
        self._slot = slot
        self._base_ns = base_ns
        self._last = 0

    def next(self, now_ns: int) -> int:
        """A new id at a moment of the monotonic clock."""
        new = (now_ns + self._base_ns) // 1000 * _SLOTS + self._slot
        if new <= self._last:
            new = (self._last // _SLOTS + 1) * _SLOTS + self._slot
        self._last = new
        return new


def id_base_ns(last_id: int = 0) -> int:
    """What turns the monotonic clock into Unix time, as of now; or into a later time, if the wall clock was set back since an
    earlier run used ``last_id``: ids are above it from the first on, also those of a worker that is started again later.
    """
    return max(wall_ns(), (last_id // _SLOTS + 1) * 1000) - monotonic_ns()
