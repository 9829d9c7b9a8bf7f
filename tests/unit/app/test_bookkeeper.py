"""The owner of the database: it takes over what earlier processes left, shows it to operators, and drains to the end."""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import uvloop

from fastgw._native.counter_map import CounterMap
from fastgw._native.journal import OPENED, SETTLED, JournalWriter
from fastgw.app import bookkeeper
from fastgw.app.launch import BOOKKEEPER_ROW, Control, Inheritance
from fastgw.domain.entry import LedgerEntry
from fastgw.limits.config import BudgetRow
from fastgw.storage.sqlite import OwnedDatabase, open_reader
from fastgw.telemetry.clock import monotonic_ns, wall_ns
from tests.model.calls import call_id, entry, settled
from tests.unit.app.conftest import TOKEN, Inherit

STAND_BACK = bookkeeper._stand_back
DAY_NS = 86_400 * 10**9


@pytest.fixture(autouse=True)
def keep_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of the tests stays as quick as it was."""
    monkeypatch.setattr(bookkeeper, "_stand_back", lambda: None)


Ask = Callable[[str], Awaitable[tuple[int, Any]]]


def append(journal: JournalWriter, *calls: LedgerEntry) -> None:
    for call in calls:
        kind = SETTLED if call.outcome == "settled" else OPENED
        assert journal.append(kind, call.id, msgspec.msgpack.encode(call))


def journal_of(inheritance: Inheritance, number: int = 0) -> JournalWriter:
    folder = inheritance.settings.ledger.journal_directory
    folder.mkdir(parents=True, exist_ok=True)
    return JournalWriter(str(folder), number, number + 1, 4096)


def outcomes(path: Path) -> dict[int, str]:
    connection = open_reader(path)
    try:
        return {row[0]: row[1] for row in connection.execute("SELECT id, outcome FROM entries")}
    finally:
        connection.close()


def keeping(inheritance: Inheritance, use: Callable[[dict[str, object], Ask], Awaitable[None]]) -> None:
    """Run a bookkeeper as its process does, ``use`` it, stop it."""

    async def main() -> None:
        keeper = bookkeeper.Bookkeeper(inheritance)
        news = await keeper.start()
        address = inheritance.settings.admin.address
        assert address is not None
        async with asyncio.timeout(30), aiohttp.ClientSession(f"http://127.0.0.1:{address.port}") as session:

            async def ask(path: str) -> tuple[int, Any]:
                async with session.get(path, headers={"authorization": f"Bearer {TOKEN}"}) as answer:
                    if answer.content_type == "application/json":
                        return answer.status, await answer.json()
                    return answer.status, await answer.text()

            try:
                await use(news, ask)
            finally:
                await keeper.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def told_ns(news: dict[str, object]) -> int:
    """The time that it says request ids have now."""
    return int(str(news["id_base_ns"])) + monotonic_ns()


def test_what_the_dead_left_is_in_the_ledger_before_it_is_ready(inherit: Inherit) -> None:
    inheritance = inherit()
    journal = journal_of(inheritance)
    append(journal, entry(1), settled(1, cost_nano_usd=2_000_000_001, team="t"), entry(7, cost_nano_usd=5))
    del journal

    async def use(news: dict[str, object], ask: Ask) -> None:
        assert told_ns(news) > (call_id(7) >> 10) * 1000
        assert outcomes(inheritance.settings.ledger.database_path) == {call_id(1): "settled", call_id(7): "unknown"}
        status, spend = await ask("/admin/api/spend?by=team")
        assert status == 200
        assert [(row["group"], row["cost_usd"]) for row in spend["rows"]] == [
            (["t"], "2.000000001"),
            ([""], "0.000000005"),
        ]
        status, page = await ask("/metrics")
        assert status == 200
        assert "fastgw_cost_usd_total" in page
        assert await ask("/readyz") == (200, {"status": "ok", "workers_ready": 0, "reasons": []})

    keeping(inheritance, use)
    assert list(inheritance.settings.ledger.journal_directory.iterdir()) == []


def test_what_is_spent_is_watched_from_the_start(inherit: Inherit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bookkeeper, "TEND_EVERY_S", 0.01)
    inheritance = inherit()
    inheritance.counters, inheritance.id_base_ns = CounterMap(256, 1, 8), 0  # the first of this gateway
    day = '[[budgets]]\nid = "team"\nlimit_usd = 10\nwindow = "lifetime"\nper = ["team"]\nalerts = [0.5, 0.9]\n'
    inheritance.settings = inheritance.source.settings(inheritance.text + day)
    journal = journal_of(inheritance)
    append(journal, settled(1, cost_nano_usd=5_000_000_000, team="t"))

    async def use(_: dict[str, object], ask: Ask) -> None:
        shown: dict[str, Any] = {"alerts": []}
        while not shown["alerts"]:
            status, shown = await ask("/admin/api/alerts")
            assert status == 200
        (alert,) = shown["alerts"]
        assert (alert["rule"], alert["scope"], alert["threshold"]) == ("team", {"team": "t"}, 0.5)

    keeping(inheritance, use)
    journal.close()


def test_live_workers_are_drained_and_what_comes_last_is_not_forgotten(inherit: Inherit) -> None:
    inheritance = inherit()
    journal = journal_of(inheritance)
    path = inheritance.settings.ledger.database_path

    async def use(news: dict[str, object], _: Ask) -> None:
        assert abs(told_ns(news) - wall_ns()) < 60 * 10**9
        append(journal, settled(1))
        while call_id(1) not in outcomes(path):
            await asyncio.sleep(0.01)
        append(journal, entry(2), settled(2))
        journal.close()

    keeping(inheritance, use)
    assert outcomes(path) == {call_id(1): "settled", call_id(2): "settled"}
    assert list(inheritance.settings.ledger.journal_directory.iterdir()) == []


@pytest.mark.parametrize(("window", "kept"), [("lifetime", [1, 2, 3]), ("month", [2, 3]), (None, [3])])
def test_old_rows_go_unless_a_budget_counts_them(inherit: Inherit, window: str | None, kept: list[int]) -> None:
    now_ns = int(datetime(2031, 1, 15, tzinfo=UTC).timestamp()) * 10**9
    ids = {number: (now_ns - days * DAY_NS) // 1000 << 10 for number, days in ((1, 40), (2, 10), (3, 0))}
    inheritance = inherit()
    settings = inheritance.settings
    path = settings.ledger.database_path
    budgets = (BudgetRow(id="b", limit_usd=1, window=window),) if window else ()  # type: ignore[arg-type] # a literal
    ledger = msgspec.structs.replace(settings.ledger, retention_days=1)
    inheritance.settings = msgspec.structs.replace(settings, budgets=budgets, ledger=ledger)
    inheritance.id_base_ns = now_ns - monotonic_ns()  # years from what the wall clock says
    journal = journal_of(inheritance)
    append(journal, *(settled(number, id=id_) for number, id_ in ids.items()))
    journal.close()

    async def use(_: dict[str, object], __: Ask) -> None:
        await asyncio.sleep(0.2)
        assert set(outcomes(path)) == {ids[number] for number in kept}

    keeping(inheritance, use)


def test_a_database_that_cannot_be_written_is_told(inherit: Inherit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bookkeeper, "TEND_EVERY_S", 0.01)
    inheritance = inherit()
    row = inheritance.stats.row(BOOKKEEPER_ROW)
    row.put("ledger_problem", 1)  # so the supervisor says while there is no bookkeeper
    journal = journal_of(inheritance)
    path = inheritance.settings.ledger.database_path

    async def use(_: dict[str, object], ask: Ask) -> None:
        while row.get("ledger_problem"):
            await asyncio.sleep(0.005)
        intruder = sqlite3.connect(path, isolation_level=None)
        intruder.execute("ALTER TABLE calls RENAME TO elsewhere")
        append(journal, settled(1))
        while not row.get("ledger_problem"):
            await asyncio.sleep(0.005)
        status, ready = await ask("/readyz")
        assert (status, ready["status"]) == (200, "degraded")
        intruder.execute("ALTER TABLE elsewhere RENAME TO calls")
        intruder.close()
        while row.get("ledger_problem"):
            await asyncio.sleep(0.005)
        assert list(outcomes(path)) == [call_id(1)]

    keeping(inheritance, use)


def test_it_waits_for_an_owner_that_is_about_to_end(inherit: Inherit) -> None:
    inheritance = inherit()
    owner = OwnedDatabase(inheritance.settings.ledger.database_path)

    def end() -> None:
        time.sleep(0.2)
        owner.close()

    ending = threading.Thread(target=end)
    ending.start()

    async def use(news: dict[str, object], _: Ask) -> None:
        assert abs(told_ns(news) - wall_ns()) < 60 * 10**9

    keeping(inheritance, use)
    ending.join()


@pytest.mark.parametrize("trouble", ["owned", "newer", "garbage", "folder"])
def test_a_database_that_cannot_be_used_stops_the_start(
    inherit: Inherit, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bookkeeper, "TAKE_OVER_S", 0.06)
    inheritance = inherit()
    path = inheritance.settings.ledger.database_path
    reason = {
        "owned": "another process owns",
        "newer": "newer build",
        "garbage": "not a database",
        "folder": "unable to open",
    }
    owner = OwnedDatabase(path) if trouble == "owned" else None
    if trouble == "newer":
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA user_version = 999")
        connection.close()
    elif trouble == "garbage":
        path.write_bytes(b"no database " * 1000)
    elif trouble == "folder":
        path.mkdir()
    ours, theirs = Control.pair()
    assert bookkeeper.main(inheritance, theirs, -1) == 1
    (message,) = ours.receive(1) or [{}]
    assert str(message["failed"]).startswith(f"ledger.url: the database {path} cannot be used: ")
    assert reason[trouble] in str(message["failed"])
    ours.close()
    theirs.close()
    if owner is not None:
        owner.close()


def test_a_taken_address_stops_the_start_and_gives_the_database_free(inherit: Inherit) -> None:
    inheritance = inherit()
    address = inheritance.settings.admin.address
    assert address is not None
    ours, theirs = Control.pair()
    with socket.socket() as taken:
        taken.bind((address.host, address.port))
        taken.listen()
        assert bookkeeper.main(inheritance, theirs, -1) == 1
    (message,) = ours.receive(1) or [{}]
    assert str(message["failed"]).startswith("admin.listen: expected an address that can be bound, got 127.0.0.1:")
    OwnedDatabase(inheritance.settings.ledger.database_path).close()
    ours.close()
    theirs.close()


def test_its_process_ends_when_told(inherit: Inherit) -> None:
    ours, theirs = Control.pair()
    ours.send(stop=True)
    assert bookkeeper.main(inherit(), theirs, -1) == 0
    messages = ours.receive(1)
    assert messages is not None
    (news,) = messages
    assert news["ready"] is True
    assert abs(told_ns(news) - wall_ns()) < 60 * 10**9
    ours.close()
    theirs.close()


def test_serving_comes_before_bookkeeping() -> None:
    pid = os.fork()
    if pid == 0:
        STAND_BACK()
        niceness, policy = os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0)
        os._exit(int(niceness < bookkeeper.NICENESS or policy != os.SCHED_BATCH))
    assert os.waitpid(pid, 0)[1] == 0
