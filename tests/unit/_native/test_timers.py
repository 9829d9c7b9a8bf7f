"""The timer wheel, its time moved by the test."""

from __future__ import annotations

import gc
from collections.abc import Callable
from time import monotonic_ns

import pytest

from fastgw._native.timers import CallbackTimer, TimerWheel
from tests.model.transport import FakeLoop

TICK = 20_000_000
SLOTS = 1024


class Clock:
    """A wheel that is advanced tick by tick, and when each named timer fired."""

    def __init__(self) -> None:
        self.wheel = TimerWheel(TICK)
        self.start_ns = self.now_ns = monotonic_ns() // TICK * TICK + TICK
        self.fired: list[tuple[str, int]] = []
        self.wheel.advance(self.now_ns)

    def timer(self, name: str, also: Callable[[], object] | None = None) -> CallbackTimer:
        def fire(now_ns: int) -> None:
            assert now_ns == self.now_ns
            self.fired.append((name, now_ns - self.start_ns))
            if also is not None:
                also()

        return CallbackTimer(fire)

    def run(self, ticks: int) -> list[tuple[str, int]]:
        for _ in range(ticks):
            self.now_ns += TICK
            self.wheel.advance(self.now_ns)
        return self.fired


@pytest.mark.parametrize(
    ("after_ns", "ticks"),
    [
        (-5 * TICK, 1),
        (0, 1),
        (1, 1),
        (TICK - 1, 1),
        (TICK, 2),
        (10 * TICK + 1, 11),
        ((SLOTS - 3) * TICK, SLOTS - 2),
        (SLOTS * TICK, SLOTS + 1),
        (5 * SLOTS * TICK + 7, 5 * SLOTS + 1),
    ],
)
def test_fires_at_the_first_tick_after_its_deadline(after_ns: int, ticks: int) -> None:
    clock = Clock()
    timer = clock.timer("a")
    timer.arm_at(clock.wheel, clock.start_ns + after_ns)
    assert clock.run(ticks - 1) == []
    assert clock.run(1) == [("a", ticks * TICK)]
    assert clock.wheel.listed == 0
    assert len(clock.run(2 * SLOTS)) == 1


@pytest.mark.parametrize("deadline_ns", [0, 1, -1, -(2**62)])
def test_a_deadline_at_the_beginning_of_time_is_overdue(deadline_ns: int) -> None:
    clock = Clock()
    timer = clock.timer("a")
    timer.arm_at(clock.wheel, deadline_ns)
    assert clock.run(1) == [("a", TICK)]


def test_moved_later_it_fires_then_only() -> None:
    clock = Clock()
    timer = clock.timer("a")
    timer.arm_at(clock.wheel, clock.now_ns + 3 * TICK)
    timer.arm_at(clock.wheel, clock.now_ns + 9 * TICK)
    assert clock.run(9) == []
    assert clock.run(1) == [("a", 10 * TICK)]


def test_moved_earlier_it_fires_then() -> None:
    clock = Clock()
    timer = clock.timer("a")
    timer.arm_at(clock.wheel, clock.now_ns + 900 * TICK)
    timer.arm_at(clock.wheel, clock.now_ns + 3 * TICK)
    assert clock.wheel.listed == 1
    assert clock.run(4) == [("a", 4 * TICK)]


def test_cancelled_it_does_not_fire_and_leaves_at_its_slot() -> None:
    clock = Clock()
    timer = clock.timer("a")
    timer.arm_at(clock.wheel, clock.now_ns + 3 * TICK)
    timer.cancel()
    assert clock.wheel.listed == 1
    assert clock.run(4) == []
    assert clock.wheel.listed == 0
    timer.arm_at(clock.wheel, clock.now_ns)
    assert len(clock.run(1)) == 1


@pytest.mark.parametrize("rest_ticks", [SLOTS - 2, SLOTS - 1, SLOTS, SLOTS + 1, SLOTS + 500, 100_000])
@pytest.mark.parametrize("after_ticks", [0, 5, 600, 1500])
def test_on_time_after_a_rest_without_ticks(rest_ticks: int, after_ticks: int) -> None:
    # A wheel without timers does not tick; the first one after a long rest must not wait for the wheel to come round.
    clock = Clock()
    clock.now_ns += rest_ticks * TICK
    timer = clock.timer("a")
    timer.arm_at(clock.wheel, clock.now_ns + after_ticks * TICK)
    assert clock.run(after_ticks) == []
    assert clock.run(1) == [("a", (rest_ticks + after_ticks + 1) * TICK)]


def test_a_wheel_that_was_held_up_fires_all_that_is_due_at_once() -> None:
    clock = Clock()
    timers = [clock.timer(str(number)) for number in range(3000)]
    for number, timer in enumerate(timers):
        timer.arm_at(clock.wheel, clock.now_ns + number * TICK)
    clock.now_ns += 2500 * TICK
    assert clock.wheel.advance(clock.now_ns) == 2501
    assert clock.run(500) == clock.fired
    assert len(clock.fired) == 3000


def test_armed_again_while_it_fires() -> None:
    clock = Clock()

    def again() -> None:
        if len(clock.fired) < 5:
            timer.arm_at(clock.wheel, clock.now_ns - 1)

    timer = clock.timer("a", again)
    timer.arm_at(clock.wheel, clock.now_ns)
    assert clock.run(1) == [("a", TICK)], "an overdue timer waits for the next tick, or firing would never end"
    assert len(clock.run(20)) == 5


def test_a_callback_that_raises_delays_nobody() -> None:
    clock = Clock()

    def crash() -> None:
        raise KeyError("a callback")

    timers = [clock.timer("crashing", crash), clock.timer("a"), clock.timer("crashing too", crash), clock.timer("b")]
    for timer in timers:
        timer.arm_at(clock.wheel, clock.now_ns)
    clock.now_ns += TICK
    for _ in range(2):
        with pytest.raises(KeyError):
            clock.wheel.advance(clock.now_ns)
    clock.wheel.advance(clock.now_ns)
    assert sorted(name for name, _ in clock.fired) == ["a", "b", "crashing", "crashing too"]
    assert clock.wheel.listed == 0


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_a_freed_timer_takes_itself_out(order: tuple[int, ...]) -> None:
    clock = Clock()
    timers: dict[int, CallbackTimer] = {number: clock.timer(str(number)) for number in range(3)}
    for timer in timers.values():
        timer.arm_at(clock.wheel, clock.now_ns)
    del timer
    for left, number in zip((2, 1, 0), order, strict=True):
        del timers[number]
        assert clock.wheel.listed == left
    assert clock.run(2) == []


def test_freed_by_another_that_fires() -> None:
    clock = Clock()
    victims: list[CallbackTimer] = []
    killer = clock.timer("killer", victims.clear)
    victims += [clock.timer("before"), clock.timer("after")]
    victims[0].arm_at(clock.wheel, clock.now_ns)
    killer.arm_at(clock.wheel, clock.now_ns)
    victims[1].arm_at(clock.wheel, clock.now_ns + 5 * TICK)
    clock.run(10)
    assert ("after", 6 * TICK) not in clock.fired
    assert clock.wheel.listed == 0


def test_the_wheel_may_go_first() -> None:
    clock = Clock()
    timer = clock.timer("a")
    timer.arm_at(clock.wheel, clock.now_ns + 3 * TICK)
    clock.wheel = TimerWheel(TICK)
    gc.collect()
    timer.cancel()
    timer.arm_at(clock.wheel, clock.now_ns + 3 * TICK)
    clock.wheel.advance(clock.now_ns)
    assert clock.run(4) == [("a", 4 * TICK)]


def test_a_timer_moves_to_another_wheel() -> None:
    clock = Clock()
    other = TimerWheel(TICK)
    timer = clock.timer("a")
    timer.arm_at(other, clock.now_ns)
    timer.arm_at(clock.wheel, clock.now_ns + 2 * TICK)
    assert other.listed == 0
    assert clock.run(3) == [("a", 3 * TICK)]


@pytest.mark.parametrize("tick_ns", [0, -1])
def test_a_tick_has_a_length(tick_ns: int) -> None:
    with pytest.raises(ValueError, match="tick_ns"):
        TimerWheel(tick_ns)


def test_ticks_only_with_a_loop_and_a_timer() -> None:
    loop = FakeLoop()
    wheel = TimerWheel(TICK)
    fired: list[int] = []
    timer = CallbackTimer(fired.append)
    timer.arm_at(wheel, monotonic_ns())
    assert loop.timers == []
    wheel.start(loop)  # type: ignore[arg-type]
    assert [delay_s for delay_s, _ in loop.timers] == [TICK / 1e9]
    while wheel.listed:
        loop.timers.pop()[1]()
    assert len(fired) == 1
    assert loop.timers == [], "nothing is listed: it rests"
    timer.arm_at(wheel, monotonic_ns() + 5 * TICK)
    assert len(loop.timers) == 1
    wheel.stop()
    assert loop.timers == []
    wheel.call_soon(fired.clear)
    assert loop.ready == []


def test_armed_before_the_wheel_starts() -> None:
    clock = Clock()
    clock.now_ns -= 600 * TICK
    wheel = TimerWheel(TICK)
    wheel.advance(clock.now_ns)
    timer = clock.timer("a")
    timer.arm_at(wheel, clock.now_ns + 10 * TICK)
    wheel.start(FakeLoop())  # type: ignore[arg-type]
    clock.wheel = wheel
    clock.now_ns += 600 * TICK
    assert len(clock.run(1)) == 1


def test_ticks_on_after_a_callback_that_raises() -> None:
    loop = FakeLoop()
    wheel = TimerWheel(TICK)
    wheel.start(loop)  # type: ignore[arg-type]
    crashing = CallbackTimer(lambda now_ns: now_ns // 0)
    crashing.arm_at(wheel, monotonic_ns() - 1)
    other = CallbackTimer(lambda now_ns: None)
    other.arm_at(wheel, monotonic_ns() + 3600 * 1_000_000_000)
    raised = 0
    while wheel.listed == 2:
        try:
            loop.timers.pop()[1]()
        except ZeroDivisionError:
            raised += 1
    assert raised == 1
    assert len(loop.timers) == 1
    assert wheel.listed == 1
