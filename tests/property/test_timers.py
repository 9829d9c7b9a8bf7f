"""The timer wheel equals a list of deadlines: never early, at most a tick late, each once."""

from __future__ import annotations

from functools import partial
from time import monotonic_ns

from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw._native.timers import CallbackTimer, TimerWheel
from tests.model.timer_model import TimerModel

TICK = 1_000_000
TIMERS = 6
distances = st.one_of(
    st.integers(-3 * TICK, 3 * TICK),
    st.integers(0, 1100 * TICK),
    st.integers(1020 * TICK, 1030 * TICK),
    st.integers(0, 5000 * TICK),
)
ADVANCE = st.tuples(st.just("advance"), st.just(0), st.one_of(st.integers(0, 3 * TICK), st.integers(0, 3000 * TICK)))
steps = st.one_of(
    st.tuples(st.just("arm"), st.integers(0, TIMERS - 1), distances),
    st.tuples(st.just("cancel"), st.integers(0, TIMERS - 1), st.just(0)),
    st.tuples(st.just("free"), st.integers(0, TIMERS - 1), st.just(0)),
    ADVANCE,
    ADVANCE,
    st.tuples(st.just("rest"), st.just(0), st.integers(0, 3000 * TICK)),
    st.tuples(st.just("again"), st.integers(0, TIMERS - 1), distances),
)


class Pair:
    """A wheel and its model, told the same."""

    def __init__(self) -> None:
        self.wheel = TimerWheel(TICK)
        self.model = TimerModel(TICK)
        self.now_ns = monotonic_ns()
        self.wheel.advance(self.now_ns)
        self.timers: dict[int, CallbackTimer] = {}
        self.again: dict[int, int] = {}

    def arm(self, name: int, distance_ns: int) -> None:
        if name not in self.timers:
            self.timers[name] = CallbackTimer(partial(self.fire, name))
        self.timers[name].arm_at(self.wheel, self.now_ns + distance_ns)
        self.model.arm(name, self.now_ns + distance_ns, self.now_ns)

    def fire(self, name: int, at_ns: int) -> None:
        assert at_ns == self.now_ns
        self.model.fire(name, at_ns)
        if name in self.again:
            self.arm(name, max(self.again.pop(name), 1))

    def advance(self, by_ns: int) -> None:
        self.now_ns += by_ns
        self.wheel.advance(self.now_ns)
        self.model.check(self.now_ns)

    def cancel(self, name: int, *, free: bool) -> None:
        if name in self.timers:
            self.model.cancel(name)
            self.timers[name].cancel()
            if free:
                del self.timers[name]

    def play(self, what: str, name: int, number: int) -> None:
        if what == "arm":
            self.arm(name, number)
        elif what == "again":
            self.again[name] = number
        elif what == "rest":
            self.now_ns += number
        elif what == "advance":
            self.advance(number)
        else:
            self.cancel(name, free=what == "free")
        assert self.model.armed <= self.wheel.listed <= len(self.timers)


@settings(max_examples=200)
@given(st.lists(steps, min_size=20, max_size=80))
def test_never_early_and_at_most_a_tick_late(script: list[tuple[str, int, int]]) -> None:
    pair = Pair()
    for step in script:
        pair.play(*step)
    pair.advance(6000 * TICK)
    pair.advance(6000 * TICK)
    assert pair.model.armed == 0
    assert pair.wheel.listed == 0
