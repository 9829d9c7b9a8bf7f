"""A child's frame: what makes it stop, and what does not."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator

import pytest

from fastgw.app.launch import Control
from fastgw.app.process import run
from fastgw.domain.errors import ConfigError


class Recorded:
    """A role that notes what happens to it; ``at_start`` is what the test does once it runs."""

    def __init__(self, at_start: Callable[[], None] = lambda: None) -> None:
        self.events: list[str] = []
        self._at_start = at_start

    async def start(self) -> dict[str, object]:
        self.events.append("start")
        asyncio.get_running_loop().call_soon(self._at_start)
        return {"last_id": 4}

    def reload(self, text: str) -> None:
        if text == "bad":
            raise ConfigError("server", "no")
        self.events.append(f"reload {text}")

    async def stop(self) -> None:
        await asyncio.sleep(0)
        self.events.append("stop")


@pytest.fixture
def line() -> Iterator[tuple[Control, Control]]:
    ours, theirs = Control.pair()
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.fixture
def signals_ignored() -> Iterator[None]:
    """As the supervisor leaves them to a child."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, action in before.items():
        signal.signal(number, action)


def test_it_tells_that_it_is_ready_and_obeys(line: tuple[Control, Control]) -> None:
    ours, theirs = line
    ours.send(reload="a")
    ours.send(reload="bad")
    ours.send(reload="b")
    ours.send(stop=True)
    role = Recorded()
    assert run(lambda: role, theirs) == 0
    assert role.events == ["start", "reload a", "reload b", "stop"]
    assert ours.receive(1) == [{"ready": True, "last_id": 4}]


def test_a_refused_reload_is_told_in_the_log(line: tuple[Control, Control], caplog: pytest.LogCaptureFixture) -> None:
    ours, theirs = line
    ours.send(reload="bad")
    ours.send(stop=True)
    assert run(Recorded, theirs) == 0
    assert [record.getMessage() for record in caplog.records] == ["reload refused: server: no"]


def test_it_stops_in_order_when_the_supervisor_is_gone(line: tuple[Control, Control]) -> None:
    ours, theirs = line
    role = Recorded(at_start=ours.close)
    assert run(lambda: role, theirs) == 0
    assert role.events == ["start", "stop"]


@pytest.mark.usefixtures("signals_ignored")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_role_that_heeds_signals_stops(line: tuple[Control, Control], number: signal.Signals) -> None:
    role = Recorded(at_start=lambda: os.kill(os.getpid(), number))
    assert run(lambda: role, line[1], heeds_signals=True) == 0
    assert role.events == ["start", "stop"]


@pytest.mark.usefixtures("signals_ignored")
def test_a_role_that_does_not_waits_for_the_word(line: tuple[Control, Control]) -> None:
    ours, theirs = line

    def signal_first() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        ours.send(reload="still here")
        ours.send(stop=True)

    role = Recorded(at_start=signal_first)
    assert run(lambda: role, theirs) == 0
    assert role.events == ["start", "reload still here", "stop"]


def test_what_the_operator_must_mend_is_told_to_the_supervisor(line: tuple[Control, Control]) -> None:
    ours, theirs = line

    def refuse() -> Recorded:
        raise ConfigError("ledger.url", "the database cannot be used")

    assert run(refuse, theirs) == 1
    assert ours.receive(1) == [{"failed": "ledger.url: the database cannot be used"}]
