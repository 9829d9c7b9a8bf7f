"""The counters of budgets and the ledger: what was spent in the windows that hold now, and what calls of dead workers came to.

Invariant: afterwards a counter is the sum of the rows of the ledger that its budget counts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from fastgw._native.counter_map import CounterMap
from fastgw.app.build import limiter_of
from fastgw.config.root import Settings
from fastgw.ledger.journal_drain import JournalDrain
from fastgw.ledger.reader import LedgerReader
from fastgw.limits.config import BudgetRow
from fastgw.limits.state import BudgetState
from fastgw.limits.table import Entity, budget_key
from fastgw.limits.windows import window_at
from fastgw.rules.table import Fixed

_NS_PER_MINUTE: Final = 60_000_000_000
_FIXED: Final = len(Fixed.__struct_fields__)


class _Spent(NamedTuple):
    budget: BudgetRow
    entity: Entity
    until_ns: int
    nano_usd: int


async def rebuild(counters: CounterMap, reader: LedgerReader, settings: Settings, now_ns: int) -> int:
    """Count what was spent in the windows that hold ``now_ns``; before any worker runs. Returns how many counters there are.

    Raises:
        MemoryError: they do not fit into the map.
    """
    sums = await _sums(reader, settings, now_ns)
    for key, spent in sums.items():
        if not counters.put(key, spent.nano_usd, spent.until_ns, now_ns):
            raise MemoryError(f"{len(sums)} counters of budgets do not fit")
    return len(sums)


async def budget_states(
    counters: CounterMap, reader: LedgerReader, settings: Settings, now_ns: int
) -> list[BudgetState]:
    """How every counter stands that the ledger knows something of."""
    found: list[BudgetState] = []
    for key, spent in (await _sums(reader, settings, now_ns)).items():
        used_nano_usd, reserved_nano_usd = counters.get(key) or (0, 0)
        state = BudgetState(
            row=spent.budget,
            entity=spent.entity,
            until_ns=spent.until_ns,
            ledger_nano_usd=spent.nano_usd,
            used_nano_usd=used_nano_usd,
            reserved_nano_usd=reserved_nano_usd,
        )
        found.append(state)
    return sorted(found, key=lambda state: (state.row.id, state.entity))


async def _sums(reader: LedgerReader, settings: Settings, now_ns: int) -> dict[bytes, _Spent]:
    limiter = limiter_of(settings)
    if limiter is None:
        return {}
    zone = settings.server.zone
    sums: dict[bytes, _Spent] = {}
    for window in sorted({row.window for row in settings.budgets}):
        start_ns, until_ns = window_at(window, now_ns, zone)
        for row in await reader.spent(start_ns, by_minute=limiter.timed):
            fixed, metadata, at_ns, nano_usd = _read(row)
            for budget, entity in limiter.budgets_of(fixed, metadata, at_ns):
                if budget.window == window:
                    key = budget_key(budget, entity, start_ns)
                    before = sums[key].nano_usd if key in sums else 0
                    sums[key] = _Spent(budget, entity, until_ns, before + nano_usd)
    return sums


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
