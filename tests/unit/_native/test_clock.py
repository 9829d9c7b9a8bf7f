from __future__ import annotations

import time

from fastgw._native.clock import ID_SLOT_BITS, monotonic_ns, unix_ns_of, wall_ns


def test_they_are_the_clocks_of_the_standard_library() -> None:
    for ours, theirs in ((monotonic_ns, lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME)), (wall_ns, time.time_ns)):
        before = theirs()
        seen = ours()
        assert before <= seen <= theirs()


def test_the_moment_that_a_request_id_names() -> None:
    assert unix_ns_of(1_700_000_000_123_456 << ID_SLOT_BITS | 5) == 1_700_000_000_123_456_000
