"""The counters of budgets and the ledger: what was spent in the windows that hold now, and what calls of dead workers came to.

Invariant: afterwards a counter is the sum of the rows of the ledger that its budget counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from fastgw._native.counter_map import CounterMap
from fastgw._native.limit_set import COUNTS, LimitSet, WorkerCounters
from fastgw.app.build import limiter_of
from fastgw.config.root import Settings
from fastgw.domain.entry import LedgerEntry
from fastgw.ledger.journal_drain import JournalDrain
from fastgw.ledger.reader import LedgerReader
from fastgw.ledger.schema import decode_any
from fastgw.limits.config import BudgetRow
from fastgw.limits.state import BudgetState
from fastgw.limits.table import Entity, budget_key, check_of
from fastgw.limits.windows import window_at
from fastgw.rules.table import Fixed
from fastgw.telemetry.clock import ID_SLOT_BITS

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


def hold_open(
    counters: CounterMap, open_calls: Mapping[str, Mapping[int, bytes]], settings: Settings, now_ns: int
) -> int:
    """Hold what calls of workers that a killed supervisor left behind may still cost; before any worker of ours runs. They end as
    those of dead workers do: ``resolve_orphans`` settles them once their journal is drained. Returns how many calls there are.

    Calls of a worker whose number is not among ours are left out.
    """
    limiter, zone, held = limiter_of(settings), settings.server.zone, 0
    for life, calls in open_calls.items() if limiter is not None else ():
        number, _, token = life.partition("-")
        if int(number) >= counters.workers:
            continue
        hand = WorkerCounters(counters, int(number), int(token, 16))
        for call, payload in calls.items():
            entry = _entry(payload)
            if entry is None or limiter is None:
                continue
            at_ns = (call >> ID_SLOT_BITS) * 1000
            fixed = Fixed(*(getattr(entry, name) for name in Fixed.__struct_fields__))
            for row, entity in limiter.budgets_of(fixed, entry.metadata, at_ns):
                check, _ = check_of(row, entity, COUNTS, 0, at_ns, zone)
                hand.reserve(LimitSet([check]), call, 0, entry.cost_nano_usd or 0, now_ns)
            held += 1
        counters.begin_life(int(number), 0)
    return held


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


def _entry(payload: bytes) -> LedgerEntry | None:
    try:
        return LedgerEntry(*decode_any(payload))
    except msgspec.MsgspecError:
        return None  # the drain rejects it too


def _read(row: Sequence[Any]) -> tuple[Fixed, dict[str, str] | None, int, int]:
    *texts, metadata, minute, nano_usd = row
    return Fixed(*texts[:_FIXED]), json.loads(metadata) if metadata else None, minute * _NS_PER_MINUTE, nano_usd
