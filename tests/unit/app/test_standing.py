"""How limits stand, for operators."""

from __future__ import annotations

import asyncio
from datetime import UTC
from pathlib import Path

from fastgw._native.counter_map import CounterMap
from fastgw._native.limit_set import COUNTS, LimitSet, WorkerCounters
from fastgw.app.standing import budget_states, rate_limit_states
from fastgw.ledger.reader import LedgerReader
from fastgw.ledger.writer import Batch, LedgerWriter
from fastgw.limits.state import RateLimitState
from fastgw.limits.table import budget_key, check_of
from fastgw.limits.windows import window_at
from tests.unit.app.test_rebuild import HOUR_NS, at_ns, rebuilt, row, settings

LIMITS = """
[[rate_limits]]
id = "each-user"
limit = 5
unit = "requests_per_hour"
per = ["user"]
[[rate_limits]]
id = "slots"
limit = 3
unit = "concurrent_requests"
"""


def test_states_show_counter_and_ledger_side_by_side(tmp_path: Path) -> None:
    rows = [row(1, user="ada", cost_nano_usd=5), row(2, user="bob", cost_nano_usd=7)]
    _, counters = rebuilt(tmp_path, rows, at_ns(2))
    start_ns = window_at("day", at_ns(2), UTC)[0]
    counters.put(budget_key(settings().budgets[0], ("bob",), start_ns), 8, 2**62, at_ns(2))

    async def main() -> list[tuple[str, tuple[str, ...], int, int]]:
        reader = await LedgerReader.open(tmp_path / "ledger.db")
        try:
            states = await budget_states(counters, reader, settings(), at_ns(2))
        finally:
            await reader.close()
        return [(state.row.id, state.entity, state.ledger_nano_usd, state.used_nano_usd) for state in states]

    assert asyncio.run(main()) == [("each-user", ("ada",), 5, 5), ("each-user", ("bob",), 7, 8)]


def test_buckets_of_those_who_called_in_their_period(tmp_path: Path) -> None:
    found = settings(LIMITS)
    now_ns = at_ns(1)
    counters = CounterMap(64, 1, 8)
    worker = WorkerCounters(counters, 0, 1)
    for number, (limit, entity) in enumerate(((found.rate_limits[0], ("ada",)), (found.rate_limits[1], ()))):
        check, _ = check_of(limit, entity, COUNTS, 0, now_ns, UTC)
        for call in range(2 + number):
            worker.reserve(LimitSet([check]), 1 + call, 0, 0, now_ns)

    async def main() -> list[RateLimitState]:
        writer = LedgerWriter(tmp_path / "ledger.db")
        calls = [row(1, user="ada"), row(2, user="bob"), row(3, user="ada", metadata={"a": "b"})]
        calls.append(row(4, user="old", id=row(4)[0] - (2 * HOUR_NS // 1000 << 10)))
        writer.apply(Batch(settled=calls))
        reader = await LedgerReader.open(tmp_path / "ledger.db")
        try:
            return await rate_limit_states(counters, reader, found, now_ns)
        finally:
            await reader.close()
            writer.close()

    assert [(state.row.id, state.entity, state.used) for state in asyncio.run(main())] == [
        ("each-user", ("ada",), 2),
        ("each-user", ("bob",), 0),
        ("slots", (), 3),
    ]
