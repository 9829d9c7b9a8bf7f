"""Budgets that a reload adds, and what was spent before."""

from __future__ import annotations

import asyncio
from datetime import UTC
from pathlib import Path

import msgspec
import pytest

from fastgw._native.counter_map import CounterMap
from fastgw._native.journal import OPENED, SETTLED, JournalWriter
from fastgw.app.adoption import GIVE_UP_NS, LOOK_EVERY_NS, Adoption, added_budgets
from fastgw.app.launch import WORKER_ROWS
from fastgw.ledger.journal_drain import JournalDrain
from fastgw.ledger.reader import LedgerReader
from fastgw.ledger.writer import Batch, LedgerWriter
from fastgw.limits.table import budget_key
from fastgw.limits.windows import window_at
from fastgw.telemetry.stats_page import StatsPage
from tests.model.calls import entry, settled
from tests.unit.app.test_rebuild import LIMITS, at_ns, settings

NEW = 77
TWO = "[server]\nworkers = 2\n"


@pytest.mark.parametrize(
    ("old", "new", "ids"),
    [
        ("", LIMITS, ["each-user", "customers"]),
        (LIMITS, LIMITS, []),
        (LIMITS, LIMITS.replace("limit_usd = 1", "limit_usd = 2"), []),
        (LIMITS, LIMITS.replace('window = "day"', 'window = "week"'), ["each-user"]),
        (LIMITS, LIMITS.replace('per = ["user"]', 'per = ["key"]'), ["each-user"]),
        (LIMITS, '[server]\ntimezone = "Asia/Tokyo"\n' + LIMITS, ["each-user", "customers"]),
    ],
)
def test_which_counters_are_new(old: str, new: str, ids: list[str]) -> None:
    assert [row.id for row in added_budgets(settings(old), settings(new))] == ids


def test_what_earlier_configurations_served_is_counted_once(tmp_path: Path) -> None:
    """Calls 1 to 4 began before their workers took the budget up, calls 5 and 6 after; call 3 ends later."""
    found = settings(TWO + LIMITS)
    stats, counters = StatsPage(WORKER_ROWS + 2), CounterMap(64, 2, 4)
    now_ns = at_ns(9)
    key = budget_key(found.budgets[0], ("ada",), window_at("day", now_ns, UTC).start_ns)
    adoption = Adoption(found, found.budgets, NEW, now_ns)

    async def main() -> list[tuple[bool, tuple[int, int] | None]]:
        writer = LedgerWriter(tmp_path / "ledger.db")
        drain = JournalDrain(tmp_path / "journal", writer)
        reader = await LedgerReader.open(tmp_path / "ledger.db")
        journal = JournalWriter(str(tmp_path / "journal"), 1, 0xABC, 4096)
        running = entry(3, 1, user="ada", cost_nano_usd=900)
        assert journal.append(OPENED, running.id, msgspec.msgpack.encode(running))
        await drain.drain_all()
        calls = [settled(1, 0), settled(2, 1), settled(4, 1), settled(5, 0), settled(6, 1)]
        rows = [msgspec.structs.replace(call, user="ada", cost_nano_usd=10**at) for at, call in enumerate(calls)]
        writer.apply(Batch(settled=[(row.id, msgspec.msgpack.encode(row)) for row in rows]))

        async def look(at: int) -> tuple[bool, tuple[int, int] | None]:
            is_done = await adoption.look(counters, reader, drain, stats, now_ns + at * LOOK_EVERY_NS)
            return is_done, counters.get(key)

        try:
            seen = [await look(0)]
            for worker, since in ((0, settled(5).started_ns), (1, settled(6).started_ns)):
                row = stats.row(WORKER_ROWS + worker)
                row.put("snapshot_us", since // 1000)
                row.put("snapshot_digest", NEW)
            # What the workers counted meanwhile stays.
            assert counters.add(key, 5, 2**62, now_ns)
            seen += [await look(0), await look(0), await look(1)]
            over = settled(3, 1, user="ada", cost_nano_usd=700_000)
            assert journal.append(SETTLED, over.id, msgspec.msgpack.encode(over))
            await drain.drain_all()
            seen.append(await look(2))
            return seen
        finally:
            journal.close()
            drain.close()
            await reader.close()
            writer.close()

    assert asyncio.run(main()) == [
        (False, None),
        (False, (116, 0)),
        (False, (116, 0)),
        (False, (116, 0)),
        (True, (700_116, 0)),
    ]


def test_a_worker_that_never_takes_it_up_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    found = settings(LIMITS)
    adoption = Adoption(found, found.budgets, NEW, 0)

    async def main() -> list[bool]:
        writer = LedgerWriter(tmp_path / "ledger.db")
        drain = JournalDrain(tmp_path / "journal", writer)
        reader = await LedgerReader.open(tmp_path / "ledger.db")
        try:
            counters, stats = CounterMap(64, 1, 1), StatsPage(WORKER_ROWS + 1)
            return [await adoption.look(counters, reader, drain, stats, at_ns) for at_ns in (1, GIVE_UP_NS + 2)]
        finally:
            drain.close()
            await reader.close()
            writer.close()

    assert asyncio.run(main()) == [False, True]
