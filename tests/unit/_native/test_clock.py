from __future__ import annotations

import time

from fastgw._native.clock import monotonic_ns, wall_ns


def test_they_are_the_clocks_of_the_standard_library() -> None:
    for ours, theirs in ((monotonic_ns, time.monotonic_ns), (wall_ns, time.time_ns)):
        before = theirs()
        seen = ours()
        assert before <= seen <= theirs()
