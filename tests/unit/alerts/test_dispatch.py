"""Alerts reach each channel at least once, and a dead channel is nobody else's trouble. The clock is the test's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pytest

from fastgw.alerts import dispatch
from fastgw.alerts.channel import DeliveryError
from fastgw.alerts.dispatch import GIVE_UP_NS, Dispatcher
from fastgw.domain.alert import Alert
from tests.unit.domain.test_alert import alert

S = 1_000_000_000


class Waiting(NamedTuple):
    alert: Alert
    at_ns: int
    attempts: int


class Box:
    """An outbox in memory, for channels that all get every alert."""

    def __init__(self, channels: Sequence[str]) -> None:
        self.waiting: dict[str, dict[str, tuple[Waiting, int]]] = {name: {} for name in channels}
        self.settled: list[tuple[str, str, int, str]] = []
        self.broken = 0
        self.on_failure: Callable[[], None] = lambda: None

    def put(self, name: str, now_ns: int) -> None:
        for waiting in self.waiting.values():
            waiting[name] = (Waiting(alert(id=name), now_ns, 0), now_ns)

    async def due(self, channel: str, now_ns: int, limit: int) -> tuple[Sequence[Waiting], int | None]:
        self._fail()
        waiting = self.waiting[channel].values()
        found = [each for each, next_ns in waiting if next_ns <= now_ns][:limit]
        return found, min((next_ns for _, next_ns in waiting), default=None)

    async def settle(self, delivery: Waiting, state: str, next_ns: int, problem: str) -> None:
        self._fail()
        self.settled.append((delivery.alert.id, state, next_ns, problem))
        for waiting in self.waiting.values():
            if waiting.get(delivery.alert.id, (None,))[0] is delivery:
                del waiting[delivery.alert.id]
                if state == "pending":
                    waiting[delivery.alert.id] = (delivery._replace(attempts=delivery.attempts + 1), next_ns)

    def _fail(self) -> None:
        if self.broken:
            self.broken -= 1
            self.on_failure()
            raise OSError("disk full")


class Receiver:
    """A channel that refuses the first ``refusals`` attempts, or hangs."""

    def __init__(self, refusals: int = 0, *, hangs: bool = False) -> None:
        self.refusals = refusals
        self.hangs = hangs
        self.got: list[str] = []
        self.attempts = 0
        self.closed = False

    async def deliver(self, each: Alert) -> None:
        self.attempts += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.attempts <= self.refusals:
            raise DeliveryError("it answered 500")
        self.got.append(each.id)

    async def close(self) -> None:
        self.closed = True


class Clock:
    """Runs as fast as the dispatcher sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ns = 1_790_000_000 * S
        self.slept_s: list[float] = []
        real = asyncio.timeout

        def timeout(delay_s: float) -> asyncio.Timeout:
            self.slept_s.append(delay_s)
            self.now_ns += int(delay_s * S)
            return real(0.001)

        monkeypatch.setattr("fastgw.alerts.dispatch.asyncio.timeout", timeout)
        monkeypatch.setattr(dispatch, "TROUBLE_S", 0.001)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not come about")


def test_an_alert_is_sent_until_it_is_accepted(clock: Clock) -> None:
    receiver, box = Receiver(refusals=11), Box(["hook"])
    box.put("a", clock.now_ns)

    async def main() -> None:
        dispatcher = Dispatcher({"hook": receiver}, box, lambda: clock.now_ns)
        await until(lambda: bool(receiver.got))
        await until(lambda: len(box.settled) == 12)
        await dispatcher.stop()

    began_ns = clock.now_ns
    asyncio.run(main())
    assert receiver.got == ["a"]
    waits_s = [(next_ns - began_ns) // S for _, state, next_ns, _ in box.settled if state == "pending"]
    waits_s = [later - before for before, later in zip([0, *waits_s], waits_s, strict=False)]
    assert waits_s == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert box.settled[-1] == ("a", "delivered", 0, "")
    assert receiver.closed


def test_after_a_day_it_is_given_up(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    receiver, box = Receiver(refusals=10**6), Box(["hook"])
    began_ns = clock.now_ns
    box.put("a", began_ns)

    async def main() -> None:
        dispatcher = Dispatcher({"hook": receiver}, box, lambda: clock.now_ns)
        await until(lambda: bool(box.settled) and box.settled[-1][1] == "failed")
        await dispatcher.stop()

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert 23 * 3600 * S < clock.now_ns - began_ns <= GIVE_UP_NS
    assert box.settled[-1][3] == "it answered 500"
    assert "alert a to hook: failed" in caplog.text


def test_a_dead_channel_holds_up_no_other() -> None:
    dead, live = Receiver(hangs=True), Receiver()
    box = Box(["dead", "live"])

    async def main() -> None:
        dispatcher = Dispatcher({"dead": dead, "live": live}, box, lambda: 5)
        for name in "abc":
            box.put(name, 5)
            dispatcher.notify()
            await until(lambda name=name: name in live.got)  # type: ignore[misc] # the loop's own value
        await dispatcher.stop()

    asyncio.run(main())
    assert live.got == ["a", "b", "c"]
    assert dead.attempts == 1
    assert dead.closed


def test_news_wake_a_channel_that_sleeps() -> None:
    receiver, box = Receiver(), Box(["hook"])

    async def main() -> None:
        dispatcher = Dispatcher({"hook": receiver}, box, lambda: 5)
        await asyncio.sleep(0.02)
        box.put("a", 5)
        dispatcher.notify()
        async with asyncio.timeout(5):
            await until(lambda: receiver.got)
        await dispatcher.stop()

    asyncio.run(main())
    assert receiver.got == ["a"]


def test_nothing_more_is_sent_while_receipts_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "TROUBLE_S", 0.001)
    box, sent = Box(["hook"]), list[int]()

    class Breaking(Receiver):
        async def deliver(self, each: Alert) -> None:  # type: ignore[explicit-override] # typing.override is 3.12
            await super().deliver(each)
            box.broken = 5 if each.id == "a" else 0

    receiver = Breaking()
    box.on_failure = lambda: sent.append(len(receiver.got))
    for name in "abc":
        box.put(name, 5)

    async def main() -> None:
        dispatcher = Dispatcher({"hook": receiver}, box, lambda: 5)
        await until(lambda: len(box.settled) == 3)
        await dispatcher.stop()

    asyncio.run(main())
    assert sent == [1] * 5
    assert receiver.got == ["a", "b", "c"]


def test_a_database_that_cannot_be_read_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "TROUBLE_S", 0.001)
    receiver, box = Receiver(), Box(["hook"])
    box.put("a", 5)
    box.broken = 3

    async def main() -> None:
        dispatcher = Dispatcher({"hook": receiver}, box, lambda: 5)
        await until(lambda: receiver.got)
        await dispatcher.stop()

    asyncio.run(main())
    assert receiver.got == ["a"]
