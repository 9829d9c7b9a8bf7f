"""The counters of budgets, from the ledger: what was spent in the windows that hold now, and what calls of dead workers came to.

Invariant: afterwards a counter is the sum of the rows of the ledger that its budget counts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from fastgw._native.counter_map import CounterMap
from fastgw.app.build import limiter_of
from fastgw.config.root import Settings
from fastgw.ledger.journal_drain import JournalDrain
from fastgw.ledger.reader import LedgerReader
from fastgw.limits.table import budget_key
from fastgw.limits.windows import window_at, zone_of
from fastgw.rules.table import Fixed

_NS_PER_MINUTE: Final = 60_000_000_000
_FIXED: Final = len(Fixed.__struct_fields__)


async def rebuild(counters: CounterMap, reader: LedgerReader, settings: Settings, now_ns: int) -> int:
    """Count what was spent in the windows that hold ``now_ns``; before any worker runs. Returns how many counters there are.

    Raises:
        MemoryError: they do not fit into the map.
    """
    limiter = limiter_of(settings)
    if limiter is None:
        return 0
    zone = zone_of(settings.server.timezone)
    sums: dict[bytes, tuple[int, int]] = {}
    for window in sorted({row.window for row in settings.budgets}):
        start_ns, until_ns = window_at(window, now_ns, zone)
        for row in await reader.spent(start_ns, by_minute=limiter.timed):
            fixed, metadata, at_ns, nano_usd = _read(row)
            for budget, entity in limiter.budgets_of(fixed, metadata, at_ns):
                if budget.window == window:
                    key = budget_key(budget, entity, start_ns)
                    sums[key] = sums.get(key, (0, 0))[0] + nano_usd, until_ns
    for key, (nano_usd, until_ns) in sums.items():
        if not counters.put(key, nano_usd, until_ns, now_ns):
            raise MemoryError(f"{len(sums)} counters of budgets do not fit")
    return len(sums)


async def resolve_orphans(counters: CounterMap, drain: JournalDrain) -> int:
    """Settle what calls of dead workers hold, as far as the journal of those has been drained. Returns how many holds went."""
    resolved = 0
    for worker in range(counters.workers):
        orphans = counters.orphans(worker)
        if orphans:
            lives = {call: f"{worker:04d}-{life:016x}" for life, call in orphans}
            costs = await drain.resolved_costs(lives)
            resolved += sum(counters.resolve(worker, call, nano_usd) for call, nano_usd in costs.items())
    return resolved


def _read(row: Sequence[Any]) -> tuple[Fixed, dict[str, str] | None, int, int]:
    *texts, metadata, minute, nano_usd = row
    return Fixed(*texts[:_FIXED]), json.loads(metadata) if metadata else None, minute * _NS_PER_MINUTE, nano_usd
