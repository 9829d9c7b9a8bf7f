"""The two clocks, for compiled callers that must not pay for a Python number at each look."""

def monotonic_ns() -> int:
    """Nanoseconds of ``CLOCK_MONOTONIC``: the same as ``time.monotonic_ns``."""

def wall_ns() -> int:
    """Unix nanoseconds, of a clock that may jump: the same as ``time.time_ns``."""
