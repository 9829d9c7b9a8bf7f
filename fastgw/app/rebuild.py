"""The counters of budgets and the ledger: what was spent in the windows that hold now, and what calls of dead workers came to.

Invariant: afterwards a counter is the sum of the rows of the ledger that its budget counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import gcd
from typing import Final, NamedTuple

import msgspec

from fastgw._native.counter_map import CounterMap
from fastgw._native.limit_set import COUNTS, LimitSet, WorkerCounters
from fastgw.app.matching import Matching
from fastgw.config.root import Settings
from fastgw.domain.entry import LedgerEntry
from fastgw.ledger.journal_drain import JournalDrain
from fastgw.ledger.reader import LedgerReader
from fastgw.ledger.schema import decode_any
from fastgw.limits.config import BudgetRow
from fastgw.limits.table import Entity, budget_key, check_of
from fastgw.limits.windows import Span, rolling_slice_ns, window_at
from fastgw.rules.table import Fixed
from fastgw.telemetry.clock import unix_ns_of

_MINUTE_NS: Final = 60_000_000_000


class Spent(NamedTuple):
    """In one window, or one slice of a window that rolls."""

    budget: BudgetRow
    entity: Entity
    span: Span
    nano_usd: int


async def rebuild(counters: CounterMap, reader: LedgerReader, settings: Settings, now_ns: int) -> int:
    """Count what was spent in the windows that hold ``now_ns``; before any worker runs. Returns how many counters there are.

    Raises:
        MemoryError: they do not fit into the map.
    """
    sums = await spent_by_counter(reader, settings, now_ns)
    for key, spent in sums.items():
        if not counters.put(key, spent.nano_usd, spent.span.counts_until_ns, now_ns):
            raise MemoryError(f"{len(sums)} counters of budgets do not fit")
    return len(sums)


def hold_open(
    counters: CounterMap, open_calls: Mapping[str, Mapping[int, bytes]], settings: Settings, now_ns: int
) -> int:
    """Hold what calls of workers that a killed supervisor left behind may still cost; before any worker of ours runs. They end as
    those of dead workers do: ``resolve_orphans`` settles them once their journal is drained. Returns how many calls there are.

    Calls of a worker whose number is not among ours are left out.
    """
    zone, held = settings.server.zone, 0
    matching = Matching(settings.budgets, zone)
    for life, calls in open_calls.items() if settings.budgets else ():
        number, _, token = life.partition("-")
        if int(number) >= counters.workers:
            continue
        hand = WorkerCounters(counters, int(number), int(token, 16))
        for call, payload in calls.items():
            entry = _entry(payload)
            if entry is None:
                continue
            at_ns = unix_ns_of(call)
            fixed = [getattr(entry, name) for name in Fixed.__struct_fields__]
            metadata = json.dumps(entry.metadata) if entry.metadata else None
            for row, _, entity in matching.of(fixed, metadata, at_ns // _MINUTE_NS):
                check, _ = check_of(row, entity, COUNTS, 0, at_ns, zone)
                hand.reserve(LimitSet([check]), call, 0, entry.cost_nano_usd or 0, now_ns)
            held += 1
        counters.begin_life(int(number), 0)
    return held


async def spent_by_counter(
    reader: LedgerReader, settings: Settings, now_ns: int, before: Mapping[int, int] | None = None
) -> dict[bytes, Spent]:
    """What the ledger says of every budget and entity in the windows that hold ``now_ns``, by the digest of its counter.
    ``before``: of the calls of each worker, only those with lower ids."""
    zone = settings.server.zone
    sums: dict[bytes, Spent] = {}
    for window in sorted({row.window for row in settings.budgets}):
        matching = Matching([row for row in settings.budgets if row.window == window], zone)
        now = window_at(window, now_ns, zone)
        slice_ns = gcd(rolling_slice_ns(window), _MINUTE_NS if matching.timed else 0)
        for row in await reader.spent(min((now.start_ns, *now.earlier)), slice_ns, before):
            *fixed, metadata, at_ns, nano_usd = row
            span = window_at(window, at_ns, zone) if now.earlier else now
            for budget, _, entity in matching.of(fixed, metadata, at_ns // _MINUTE_NS):
                key = budget_key(budget, entity, span.start_ns)
                so_far = sums[key].nano_usd if key in sums else 0
                sums[key] = Spent(budget, entity, span, so_far + nano_usd)
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
