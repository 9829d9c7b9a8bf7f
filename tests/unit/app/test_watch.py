"""From rows that are written to alerts that are delivered, over the real ledger and counters."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fastgw._native.counter_map import CounterMap
from fastgw.alerts.channel import LogChannel
from fastgw.alerts.config import AlertChannelRow
from fastgw.alerts.mail import MailChannel
from fastgw.alerts.webhook import WebhookChannel
from fastgw.app.watch import Books, StoredOutbox, Watch, channel_of
from fastgw.config.load import load
from fastgw.config.root import Settings
from fastgw.domain.entry import LedgerEntry
from fastgw.identity.secret import SecretText
from fastgw.ledger.journal_drain import JournalDrain
from fastgw.ledger.reader import LedgerReader
from fastgw.ledger.writer import Batch, LedgerWriter
from fastgw.limits.table import budget_key, pause_key
from fastgw.limits.windows import window_at
from tests.model.calls import START_US, settled
from tests.unit.app.settings_text import ENV, PROVIDER_AND_KEY

NOW_NS = START_US * 1000
USD = 10**9
S = 10**9
BUDGET = '[[budgets]]\nid = "each"\nlimit_usd = 10\nwindow = "day"\nper = ["user"]\nalerts = [0.5, 0.9]\n'
LOG = '[[alert_channels]]\nname = "first"\nkind = "log"\n'


def settings(text: str) -> Settings:
    return load(PROVIDER_AND_KEY + text, ENV, Path())


class Play:
    """A watch over a ledger in a folder, and the counters that workers would keep."""

    def __init__(self, books: Books, watch: Watch) -> None:
        self.books = books
        self.watch = watch
        self._calls = 0

    async def spend(self, settings: Settings, user: str, nano_usd: int) -> None:
        """A call is counted and written."""
        self._calls += 1
        start_ns, until_ns, *_ = window_at("day", NOW_NS, settings.server.zone)
        for row in settings.budgets:
            key = budget_key(row, (user,), start_ns)
            used = (self.books.counters.get(key) or (0, 0))[0]
            self.books.counters.put(key, used + nano_usd, until_ns, NOW_NS)
        await self.write(settled(self._calls, user=user, cost_nano_usd=nano_usd))

    async def write(self, *calls: LedgerEntry) -> None:
        batch = Batch(settled=[(call.id, msgspec.msgpack.encode(call)) for call in calls])
        await self.books.drain.between_steps(partial(self.books.writer.apply, batch))

    async def alerts(self) -> list[tuple[str, float]]:
        shown = await self.books.reader.alerts(1000)
        return [(each["scope"]["user"], each["threshold"]) for each in reversed(shown)]

    async def states(self) -> list[tuple[str, str]]:
        """(channel, state) of the latest alert, once nothing is pending on channels that are served."""
        while True:
            latest = (await self.books.reader.alerts(1))[0]["deliveries"]
            if all(each["state"] != "pending" for each in latest):
                return [(each["channel"], each["state"]) for each in latest]
            await asyncio.sleep(0.002)


@contextlib.asynccontextmanager
async def playing(folder: Path, counters: CounterMap) -> AsyncIterator[Play]:
    writer = LedgerWriter(folder / "x.db")
    drain = JournalDrain(folder / "segments", writer)
    reader = await LedgerReader.open(folder / "x.db")
    books = Books(counters, writer, drain, reader)
    watch = Watch(books, lambda: NOW_NS)
    try:
        yield Play(books, watch)
    finally:
        await watch.stop()
        await reader.close()
        drain.close()
        writer.close()


def play(folder: Path, use: Callable[[Play], Awaitable[None]], counters: CounterMap | None = None) -> None:
    async def main() -> None:
        async with asyncio.timeout(30), playing(folder, counters or CounterMap(256, 1, 8)) as found:
            await use(found)

    asyncio.run(main())


def test_without_alerts_nobody_watches(tmp_path: Path) -> None:
    async def use(found: Play) -> None:
        quiet = settings(BUDGET.replace("alerts = [0.5, 0.9]\n", ""))
        await found.watch.look(quiet)
        assert found.books.writer.watcher is None
        await found.spend(quiet, "ada", 100 * USD)
        await found.watch.look(quiet)
        assert await found.alerts() == []

    play(tmp_path, use)


def test_an_alert_is_written_delivered_and_not_said_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    limits, counters = settings(BUDGET), CounterMap(256, 1, 8)

    async def use(found: Play) -> None:
        await found.watch.look(limits)
        for nano_usd in (4 * USD, USD, USD):
            await found.spend(limits, "ada", nano_usd)
            await found.watch.look(limits)
        assert await found.alerts() == [("ada", 0.5)]
        assert await found.states() == [("log", "delivered")]

    async def again(found: Play) -> None:
        await found.watch.look(limits)
        assert await found.alerts() == [("ada", 0.5)]
        await found.write(settled(100, user="ada"))
        await found.watch.look(limits)
        assert await found.alerts() == [("ada", 0.5)]

    with caplog.at_level(logging.WARNING, "fastgw.alerts"):
        play(tmp_path, use, counters)
        play(tmp_path, again, counters)
    assert len(caplog.records) == 1
    assert "budget `each` for user=ada passed 50% of 10 USD a day: 5 USD used" in caplog.text


def test_what_was_spent_before_it_watched_is_seen_at_the_start_and_at_a_reload(tmp_path: Path) -> None:
    limits = settings(BUDGET)

    async def use(found: Play) -> None:
        await found.spend(limits, "ada", 9 * USD)
        await found.watch.look(settings(""))
        assert await found.alerts() == []
        await found.watch.look(limits)
        assert await found.alerts() == [("ada", 0.9)]
        await found.spend(limits, "bob", 6 * USD)
        await found.watch.look(settings(BUDGET.replace("0.5, 0.9", "0.6, 0.7")))
        assert await found.alerts() == [("ada", 0.9), ("bob", 0.6)]

    play(tmp_path, use)


def test_the_last_rows_are_looked_at_before_it_ends(tmp_path: Path) -> None:
    limits, counters = settings(BUDGET + LOG), CounterMap(256, 1, 8)

    async def use(found: Play) -> None:
        await found.watch.look(limits)
        await found.spend(limits, "ada", 5 * USD)

    async def again(found: Play) -> None:
        assert await found.alerts() == [("ada", 0.5)]
        await found.watch.look(limits)
        assert await found.states() == [("first", "delivered")]

    play(tmp_path, use, counters)
    play(tmp_path, again, counters)


def test_while_the_database_cannot_be_written_findings_wait(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    limits = settings(BUDGET)

    async def use(found: Play) -> None:
        await found.watch.look(limits)
        await found.spend(limits, "ada", 5 * USD)
        intruder = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
        intruder.execute("ALTER TABLE alert_marks RENAME TO elsewhere")
        for _ in range(20):
            await found.watch.look(limits)
        assert await found.alerts() == []
        intruder.execute("ALTER TABLE elsewhere RENAME TO alert_marks")
        intruder.close()
        await found.watch.look(limits)
        assert await found.alerts() == [("ada", 0.5)]

    with caplog.at_level(logging.ERROR):
        play(tmp_path, use)
    assert [record.name for record in caplog.records] == ["fastgw.watch"]


def test_channels_change_with_a_reload(tmp_path: Path) -> None:
    hook = '[[alert_channels]]\nname = "hook"\nkind = "webhook"\nurl = "env:HOOK"\n'
    env = {**ENV, "HOOK": "http://127.0.0.1:1/s3cret"}
    both = load(PROVIDER_AND_KEY + BUDGET + LOG + hook, env, Path())

    async def use(found: Play) -> None:
        await found.watch.look(both)
        await found.spend(both, "ada", 5 * USD)
        await found.watch.look(both)
        while (await found.books.reader.alerts(1))[0]["deliveries"][1]["attempts"] == 0:
            await asyncio.sleep(0.002)
        (shown,) = await found.books.reader.alerts(1)
        assert shown["deliveries"][1] == {
            "channel": "hook",
            "state": "pending",
            "attempts": 1,
            "problem": "ClientConnectorError: Connection refused",
        }
        await found.watch.look(settings(BUDGET + LOG))
        assert await found.states() == [("first", "delivered"), ("hook", "dropped")]

    play(tmp_path, use)


def test_a_database_in_trouble_is_an_os_error_for_the_dispatcher(tmp_path: Path) -> None:
    async def use(found: Play) -> None:
        outbox = StoredOutbox(found.books.writer.alerts, found.books.drain)
        assert await outbox.due("c", NOW_NS, 1) == ([], None)
        intruder = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
        intruder.execute("ALTER TABLE alert_deliveries RENAME TO elsewhere")
        with pytest.raises(OSError, match="alert_deliveries"):
            await outbox.due("c", NOW_NS, 1)
        intruder.execute("ALTER TABLE elsewhere RENAME TO alert_deliveries")
        intruder.close()

    play(tmp_path, use)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("log", LogChannel), ("smtp", MailChannel), ("webhook", WebhookChannel), ("slack", WebhookChannel)],
)
def test_channels_by_kind(kind: Any, expected: type) -> None:
    url = SecretText("http://h/", "env:U") if kind in ("webhook", "slack") else None
    assert type(channel_of(AlertChannelRow(name="n", kind=kind, url=url))) is expected


ANOMALY = '[[anomalies]]\nid = "runaway"\nmax_multiple = 10\nper = ["user"]\n'


async def anomalies(found: Play) -> list[tuple[str, int]]:
    shown = await found.books.reader.alerts(1000)
    return [(each["scope"]["user"], each["times"]) for each in shown if each["kind"] == "anomaly"]


def pause_of(found: Play, limits: Settings, user: str) -> int:
    (row,) = limits.anomalies
    return (found.books.counters.get(pause_key(row, (user,))) or (0, 0))[0]


def test_a_pause_is_found_told_once_and_kept_over_a_restart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    limits = settings(ANOMALY + BUDGET)

    async def use(found: Play) -> None:
        await found.watch.look(limits)
        await found.spend(limits, "ada", 2 * USD)
        await found.watch.look(limits)
        assert pause_of(found, limits, "ada") == NOW_NS + 300 * S
        await found.spend(limits, "ada", 2 * USD)
        await found.watch.look(limits)
        assert await anomalies(found) == [("ada", 1)]
        assert await found.states() == [("log", "delivered")]

    async def again(found: Play) -> None:
        assert pause_of(found, limits, "ada") == 0
        await found.watch.look(limits)
        assert pause_of(found, limits, "ada") == NOW_NS + 300 * S
        await found.write(settled(100, user="ada", cost_nano_usd=5 * USD))
        await found.watch.look(limits)
        assert await anomalies(found) == [("ada", 1)]

    with caplog.at_level(logging.WARNING, "fastgw.alerts"):
        play(tmp_path, use)
        play(tmp_path, again)
    assert len(caplog.records) == 1
    assert "anomaly `runaway` for user=ada: 2 USD in 60 s, where 0 is usual; stopped until" in caplog.text


def test_what_the_ledger_knows_is_usual_and_not_counted_twice(tmp_path: Path) -> None:
    limits, wide = settings(ANOMALY), settings(ANOMALY.replace("10", "12"))

    async def use(found: Play) -> None:
        minute_us = 60_000_000
        calls = [settled(-ago * minute_us, user="ada", cost_nano_usd=USD) for ago in range(2, 62)]
        await found.write(*calls)
        await found.watch.look(limits)
        await found.write(settled(1, user="ada", cost_nano_usd=6 * USD))
        await found.watch.look(wide)  # a reload, which finds the call in the ledger
        await found.write(settled(2, user="ada", cost_nano_usd=5 * USD))
        await found.watch.look(wide)
        assert await anomalies(found) == []
        await found.write(settled(3, user="ada", cost_nano_usd=2 * USD))
        await found.watch.look(wide)
        assert await anomalies(found) == [("ada", 1)]

    play(tmp_path, use)


def test_prompts_are_told_apart_only_where_a_rule_asks(tmp_path: Path) -> None:
    loops = settings('[[anomalies]]\nid = "loop"\nrepeats = 3\nper = ["user"]\n')

    async def use(found: Play) -> None:
        await found.watch.look(settings(ANOMALY))
        assert found.books.writer.watcher is not None
        assert found.books.writer.watcher.fingerprints is False
        await found.watch.look(loops)
        assert found.books.writer.watcher.fingerprints is True
        await found.write(*[settled(number, user="ada", fingerprint=7) for number in (1, 2)])
        await found.write(*[settled(number, user="ada", fingerprint=number) for number in (3, 4)])
        await found.watch.look(loops)
        assert await anomalies(found) == []
        await found.write(settled(5, user="ada", fingerprint=7))
        await found.watch.look(loops)
        assert await anomalies(found) == [("ada", 1)]
        await found.watch.look(settings(""))
        assert found.books.writer.watcher is None

    play(tmp_path, use)


def test_a_pause_does_not_wait_for_the_database(tmp_path: Path) -> None:
    limits = settings(ANOMALY)

    async def use(found: Play) -> None:
        await found.watch.look(limits)
        intruder = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
        intruder.execute("ALTER TABLE alert_marks RENAME TO elsewhere")
        await found.write(settled(1, user="ada", cost_nano_usd=2 * USD))
        await found.watch.look(limits)
        assert pause_of(found, limits, "ada") == NOW_NS + 300 * S
        assert await anomalies(found) == []
        intruder.execute("ALTER TABLE elsewhere RENAME TO alert_marks")
        intruder.close()
        await found.watch.look(limits)
        assert await anomalies(found) == [("ada", 1)]

    play(tmp_path, use)
