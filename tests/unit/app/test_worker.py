"""A worker serves, journals what it serves, takes a reload, and tells what it sees of itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import uvloop

from fastgw._native.journal import OPENED, SETTLED, JournalReader
from fastgw.app import worker
from fastgw.app.launch import WORKER_ROWS, Control, Inheritance
from fastgw.domain.errors import ConfigError
from tests.adversity.load import KINDS, one_call
from tests.unit.app.conftest import KEY, Inherit


@pytest.fixture
def quick_tending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "TEND_EVERY_S", 0.01)


def serving(inheritance: Inheritance, use: Callable[[worker.Worker, int], Awaitable[None]]) -> None:
    """Run a worker as its process does, ``use`` it, stop it."""

    async def main() -> None:
        one = worker.Worker(inheritance, 0)
        assert await one.start() == {}
        async with asyncio.timeout(30):
            try:
                await use(one, inheritance.listening[0].getsockname()[1])
            finally:
                await one.stop()  # also after a failure: uvloop does not close before its servers are

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def journaled(folder: Path) -> Iterator[tuple[int, int]]:
    """Kind and id of every record."""
    for path in sorted(folder.glob("*.seg")):
        yield from ((kind, record_id) for kind, record_id, _ in JournalReader(str(path)).read())


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        await asyncio.sleep(0.005)


def test_every_call_is_opened_and_settled_in_the_journal(inherit: Inherit) -> None:
    inheritance = inherit()
    row = inheritance.stats.row(WORKER_ROWS)

    async def use(_: worker.Worker, port: int) -> None:
        assert row.get("ready") == 1
        for number, kind in enumerate(KINDS):
            assert await one_call(port, KEY, f"call-{number}", kind) == "whole"

    serving(inheritance, use)
    records = list(journaled(inheritance.settings.ledger.journal_directory))
    assert [kind for kind, _ in records] == [OPENED, SETTLED] * 4
    ids = [record_id for _, record_id in records[::2]]
    assert ids == sorted(set(ids))
    assert ids == [record_id for _, record_id in records[1::2]]
    assert row.get("ready") == 0


@pytest.mark.usefixtures("quick_tending")
def test_it_counts_refusals_by_kind(inherit: Inherit) -> None:
    inheritance = inherit()
    row = inheritance.stats.row(WORKER_ROWS)
    row.put("malformed", 5)  # counted by a predecessor that was killed

    async def use(_: worker.Worker, port: int) -> None:
        broken = KINDS[0]._replace(model="demo-openai/mock-small+reset=before_head")
        assert await one_call(port, "sk-fgw-nobody-00000000000000000000000000", "x") == "error"
        assert await one_call(port, KEY, "y", KINDS[0]._replace(model="demo-anthropic/mock-small")) == "error"
        assert await one_call(port, KEY, "z", broken) == "error"
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await until(lambda: row.get("connections") == 1)
        writer.write(b"GARBAGE\r\n\r\n")
        assert (await reader.read(100)).startswith(b"HTTP/1.1 400 ")
        writer.close()
        await until(lambda: row.get("malformed") == 6 and row.get("connections") == 0)

    serving(inheritance, use)
    counted = {name: row.get(name) for name in ("unknown_key", "refused_request", "provider_failed", "internal_error")}
    assert counted == {"unknown_key": 1, "refused_request": 1, "provider_failed": 1, "internal_error": 0}


def test_a_reload_changes_who_may_call_and_a_bad_one_nothing(inherit: Inherit) -> None:
    inheritance = inherit()

    async def use(one: worker.Worker, port: int) -> None:
        assert await one_call(port, KEY, "a") == "whole"
        with pytest.raises(ConfigError):
            one.reload("nonsense = 1")
        assert await one_call(port, KEY, "b") == "whole"
        one.reload(inheritance.text.replace('team = "demo"', 'team = "demo"\nmodels = ["none"]', 1))
        assert await one_call(port, KEY, "c") == "error"
        assert inheritance.stats.total("reloads") == 1
        assert inheritance.stats.total("refused_by_policy") == 1

    serving(inheritance, use)


@pytest.mark.usefixtures("quick_tending")
def test_a_journal_that_cannot_grow_is_told_and_calls_go_on(inherit: Inherit) -> None:
    inheritance = inherit()
    folder = inheritance.settings.ledger.journal_directory
    row = inheritance.stats.row(WORKER_ROWS)

    async def use(_: worker.Worker, port: int) -> None:
        folder.rmdir()
        assert await one_call(port, KEY, "a") == "whole"
        await until(lambda: row.get("journal_problem") == 1 and row.get("journal_buffered") == 2)
        folder.mkdir()
        await until(lambda: row.get("journal_problem") == 0 and row.get("journal_buffered") == 0)
        assert len(list(journaled(folder))) == 2

    serving(inheritance, use)
    assert row.get("journal_lost") == 0


def test_what_cannot_be_journaled_until_the_end_is_counted(inherit: Inherit, caplog: pytest.LogCaptureFixture) -> None:
    inheritance = inherit()

    async def use(_: worker.Worker, port: int) -> None:
        inheritance.settings.ledger.journal_directory.rmdir()
        assert await one_call(port, KEY, "a") == "whole"

    serving(inheritance, use)
    assert inheritance.stats.total("journal_lost") == 2
    assert "2 ledger records are lost: the journal could not be written" in caplog.text


def test_its_process_ends_when_told(inherit: Inherit) -> None:
    ours, theirs = Control.pair()
    ours.send(stop=True)
    assert worker.main(inherit(), theirs, 0) == 0
    assert ours.receive(1) == [{"ready": True}]
    ours.close()
    theirs.close()
