"""Counters of budgets from the ledger, at a start and after a worker's death."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from fastgw._native.counter_map import CounterMap
from fastgw._native.journal import OPENED, SETTLED, JournalWriter
from fastgw._native.limit_set import ENFORCES, MONEY, LimitSet, WorkerCounters
from fastgw.app.rebuild import hold_open, rebuild, resolve_orphans
from fastgw.app.standing import spent_and_held
from fastgw.config.load import load
from fastgw.config.root import Settings
from fastgw.domain.entry import LedgerEntry
from fastgw.ledger.journal_drain import JournalDrain
from fastgw.ledger.reader import LedgerReader
from fastgw.ledger.writer import Batch, LedgerWriter
from fastgw.limits.table import budget_key
from fastgw.limits.windows import window_at
from fastgw.telemetry.clock import ID_SLOT_BITS
from tests.model.calls import call_id, entry, settled
from tests.unit.app.settings_text import ENV, PROVIDER_AND_KEY

LIMITS = """
[[budgets]]
id = "each-user"
limit_usd = 1
window = "day"
per = ["user"]
[[budgets]]
id = "customers"
limit_usd = 1
window = "month"
per = ["metadata.customer"]
when = { metadata = { customer = "*" } }
"""
HOUR_NS = 3600 * 10**9
Made = TypeVar("Made")


def settings(text: str = LIMITS) -> Settings:
    return load(PROVIDER_AND_KEY + text, ENV, Path())


def row(number: int, **fields: Any) -> tuple[int, bytes]:
    call: LedgerEntry = settled(number, **fields)
    return call.id, msgspec.msgpack.encode(call)


def at_ns(number: int) -> int:
    return (settled(number).id >> ID_SLOT_BITS) * 1000


def rebuilt(
    folder: Path, rows: list[tuple[int, bytes]], now_ns: int, text: str = LIMITS, slots: int = 1024
) -> tuple[int, CounterMap]:
    counters = CounterMap(slots, 1, 1)

    async def main() -> int:
        writer = LedgerWriter(folder / "ledger.db")
        writer.apply(Batch(settled=rows))
        reader = await LedgerReader.open(folder / "ledger.db")
        try:
            return await rebuild(counters, reader, settings(text), now_ns)
        finally:
            await reader.close()
            writer.close()

    return asyncio.run(main()), counters


def spent(counters: CounterMap, place: int, entity: tuple[str, ...], now_ns: int) -> tuple[int, int] | None:
    budget = settings().budgets[place]
    return counters.get(budget_key(budget, entity, window_at(budget.window, now_ns, UTC)[0]))


def test_counters_are_the_sums_of_what_each_budget_counts(tmp_path: Path) -> None:
    rows = [
        row(1, user="ada", cost_nano_usd=5),
        row(2, user="ada", cost_nano_usd=7, metadata={"customer": "acme"}),
        row(3, user="bob", cost_nano_usd=11, metadata={"customer": "acme", "x": "y"}),
        row(4, user="bob", cost_nano_usd=None),
        row(5, user="eve", cost_nano_usd=0),
    ]
    now_ns = at_ns(5)
    count, counters = rebuilt(tmp_path, rows, now_ns)
    assert count == 3
    assert spent(counters, 0, ("ada",), now_ns) == (12, 0)
    assert spent(counters, 0, ("bob",), now_ns) == (11, 0)
    assert spent(counters, 0, ("eve",), now_ns) is None
    assert spent(counters, 1, ("acme",), now_ns) == (18, 0)


def test_what_was_spent_before_the_window_is_left_out(tmp_path: Path) -> None:
    day_later_ns = at_ns(1) + 86_400 * 10**9
    count, counters = rebuilt(tmp_path, [row(1, user="ada", cost_nano_usd=5)], day_later_ns)
    assert (count, spent(counters, 0, ("ada",), day_later_ns)) == (0, None)


def test_rules_of_the_time_of_day_count_what_came_then(tmp_path: Path) -> None:
    timed = LIMITS.replace('per = ["user"]', 'per = ["user"]\nwhen = { hours = ["00:00-24:00"] }', 1)
    _, counters = rebuilt(
        tmp_path, [row(1, user="ada", cost_nano_usd=5), row(2, user="ada", cost_nano_usd=6)], at_ns(2), timed
    )
    assert spent(counters, 0, ("ada",), at_ns(2)) == (11, 0)


def test_a_rolling_window_is_rebuilt_in_its_slices(tmp_path: Path) -> None:
    rolling = LIMITS.replace('window = "day"', 'window = "rolling-24h"', 1)
    hours = [0, 5, 23, 24, 25]
    rows = [
        row(1, user="ada", cost_nano_usd=10**hour_index, id=settled(1).id + (hour * 3_600_000_000 << ID_SLOT_BITS))
        for hour_index, hour in enumerate(hours)
    ]
    now_ns = at_ns(1) + 25 * HOUR_NS
    count, counters = rebuilt(tmp_path, rows, now_ns, rolling)
    budget = settings(rolling).budgets[0]
    span = window_at("rolling-24h", now_ns, UTC)
    assert count == 4
    assert spent_and_held(counters, budget, ("ada",), span) == (11110, 0)
    later = window_at("rolling-24h", now_ns + 5 * HOUR_NS, UTC)
    assert spent_and_held(counters, budget, ("ada",), later) == (11100, 0)


@pytest.mark.parametrize("worker", [1, 7])
def test_what_others_still_have_under_way_is_held_and_then_counted(tmp_path: Path, worker: int) -> None:
    """The workers of a supervisor that was killed finish their calls. One with a number that we do not have is left out."""
    life = 0x1234_5678
    journal_folder = tmp_path / "journal"
    counters = CounterMap(1024, 2, 4)
    now_ns = at_ns(9)

    async def main() -> list[tuple[int, int] | None]:
        writer = LedgerWriter(tmp_path / "ledger.db")
        drain = JournalDrain(journal_folder, writer)
        journal = JournalWriter(str(journal_folder), worker, life, 4096)
        running = entry(1, worker, user="ada", cost_nano_usd=900)
        garbage = call_id(2, worker)
        assert journal.append(OPENED, running.id, msgspec.msgpack.encode(running))
        assert journal.append(OPENED, garbage, b"\xc1")
        await drain.drain_all()
        found = [hold_open(counters, drain.open_calls(), settings(), now_ns)]
        seen = [spent(counters, 0, ("ada",), now_ns)]
        assert await resolve_orphans(counters, drain) == 0, "they run"
        over = settled(1, worker, user="ada", cost_nano_usd=650)
        assert journal.append(SETTLED, over.id, msgspec.msgpack.encode(over))
        journal.close()
        await drain.drain_all()
        await resolve_orphans(counters, drain)
        seen.append(spent(counters, 0, ("ada",), now_ns))
        drain.close()
        writer.close()
        assert found == [1 if worker < 2 else 0]
        assert counters.held() == (0, 0)
        return seen

    assert asyncio.run(main()) == ([(0, 900), (650, 0)] if worker < 2 else [None, None])


def test_without_limits_nothing_is_read(tmp_path: Path) -> None:
    assert rebuilt(tmp_path, [row(1, cost_nano_usd=5)], at_ns(1), "")[0] == 0


def test_more_than_fits_is_an_error(tmp_path: Path) -> None:
    rows = [row(number, user=f"u{number}", cost_nano_usd=1) for number in range(200)]
    with pytest.raises(MemoryError, match="200 counters"):
        rebuilt(tmp_path, rows, at_ns(200), slots=64)


def test_calls_of_a_dead_worker_come_to_what_the_ledger_says(tmp_path: Path) -> None:
    counters = CounterMap(64, 1, 8)
    worker = WorkerCounters(counters, 0, 0xABC)
    limits = LimitSet([(bytes(15) + b"k", MONEY, ENFORCES, 0, 10**9, 0, 0, 2**62)])
    known, unknown = settled(1, cost_nano_usd=9).id, settled(2).id
    for call in (known, unknown):
        worker.reserve(limits, call, 0, 100, at_ns(1))

    async def main(check: Callable[[JournalDrain], Any]) -> None:
        writer = LedgerWriter(tmp_path / "ledger.db")
        writer.apply(Batch(settled=[row(1, cost_nano_usd=9)]))
        drain = JournalDrain(tmp_path / "segments", writer)
        try:
            await check(drain)
        finally:
            drain.close()
            writer.close()

    async def check(drain: JournalDrain) -> None:
        assert await resolve_orphans(counters, drain) == 0  # it lives
        counters.begin_life(0, 0)
        segment = tmp_path / "segments" / f"0000-00000001-{0xABC:016x}.seg"
        segment.touch()
        assert await resolve_orphans(counters, drain) == 0  # its journal is still to be drained
        segment.unlink()
        assert await resolve_orphans(counters, drain) == 2
        assert counters.get(bytes(15) + b"k") == (9, 0)

    asyncio.run(main(check))
