"""The two clocks, for compiled callers that must not pay for a Python number at each look, and the moment a request id names."""

from typing import Final

ID_SLOT_BITS: Final[int]
"""Low bits of a request id that hold the worker's number, so that two workers never give the same one."""

def monotonic_ns() -> int:
    """Nanoseconds of ``CLOCK_BOOTTIME``: a clock that only rises, also while a machine sleeps."""

def wall_ns() -> int:
    """Unix nanoseconds, of a clock that may jump: the same as ``time.time_ns``."""

def unix_ns_of(request_id: int) -> int:
    """When the call with this id came, in Unix nanoseconds: whole microseconds."""
