"""Client and provider connections under random events keep the promises of ``tests/model/connection_play``."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.connection_play import alive, play


@pytest.mark.parametrize("mutated", [0.0, 0.3])
def test_promises_hold_whatever_happens(mutated: float) -> None:
    @settings(max_examples=100, deadline=None)
    @given(st.integers(0, 1 << 48))
    def run(seed: int) -> None:
        play(random.Random(seed), mutated)

    before = alive()
    run()
    assert alive() == before, "a connection or an exchange is kept alive"


def test_the_plays_reach_what_they_are_about() -> None:
    seen: Counter[str] = Counter()
    for number in range(150):
        seen += play(random.Random(number), 0.3)
    expected = {"ended echo", "ended wait", "ended early", "ended pieces", "ended abort", "ended relay", "gone"}
    assert {name for name, times in seen.items() if times >= 5} >= expected | {
        "ConnectionLost",
        "DeadlineExceeded",
        "HttpSyntaxError",
    }
