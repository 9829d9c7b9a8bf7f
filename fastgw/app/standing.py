"""How every limit stands, for operators: the counters that the ledger knows a caller of."""

from __future__ import annotations

from typing import Final

from fastgw._native.counter_map import CounterMap
from fastgw._native.limit_set import COUNTS, LimitSet, levels
from fastgw.app.matching import Matching
from fastgw.app.rebuild import spent_by_counter
from fastgw.config.root import Settings
from fastgw.ledger.reader import LedgerReader
from fastgw.limits.config import BudgetRow, RateLimitRow
from fastgw.limits.state import BudgetState, RateLimitState
from fastgw.limits.table import Entity, budget_keys, check_of
from fastgw.limits.windows import Span, window_at

_MINUTE_NS: Final = 60_000_000_000
SLOT_LOOKBACK_NS: Final = 3_600_000_000_000
"""Who held a slot is looked for among the callers of the last hour; of a bucket, among those of its period."""


async def budget_states(
    counters: CounterMap, reader: LedgerReader, settings: Settings, now_ns: int
) -> list[BudgetState]:
    """Every budget and entity that something was spent on in its window."""
    zone = settings.server.zone
    ledger: dict[tuple[str, Entity], int] = {}
    rows: dict[str, BudgetRow] = {}
    for spent in (await spent_by_counter(reader, settings, now_ns)).values():
        place = spent.budget.id, spent.entity
        rows[spent.budget.id] = spent.budget
        ledger[place] = ledger.get(place, 0) + spent.nano_usd
    found: list[BudgetState] = []
    for (name, entity), nano_usd in sorted(ledger.items()):
        span = window_at(rows[name].window, now_ns, zone)
        used_nano_usd, reserved_nano_usd = spent_and_held(counters, rows[name], entity, span)
        state = BudgetState(
            row=rows[name],
            entity=entity,
            until_ns=span.end_ns,
            ledger_nano_usd=nano_usd,
            used_nano_usd=used_nano_usd,
            reserved_nano_usd=reserved_nano_usd,
        )
        found.append(state)
    return found


async def rate_limit_states(
    counters: CounterMap, reader: LedgerReader, settings: Settings, now_ns: int
) -> list[RateLimitState]:
    """Every rate limit and entity that called in its period."""
    if not settings.rate_limits:
        return []
    matching = Matching(settings.rate_limits, settings.server.zone)
    since_ns = now_ns - max(row.period_ns or SLOT_LOOKBACK_NS for row in settings.rate_limits)
    met: dict[tuple[str, Entity], RateLimitRow] = {}
    for *fixed, metadata in await reader.callers(since_ns):
        for row, _, entity in matching.of(fixed, metadata, now_ns // _MINUTE_NS):
            met[row.id, entity] = row
    found: list[RateLimitState] = []
    for (_, entity), row in sorted(met.items(), key=lambda each: each[0]):
        check, _ = check_of(row, entity, COUNTS, 0, now_ns, settings.server.zone)
        ((used, _),) = levels(counters, LimitSet([check]), now_ns)
        found.append(RateLimitState(row=row, entity=entity, used=used))
    return found


def spent_and_held(counters: CounterMap, row: BudgetRow, entity: Entity, span: Span) -> tuple[int, int]:
    """What a budget's counters say of a window, in nano-USD."""
    found = [counters.get(key) or (0, 0) for key in budget_keys(row, entity, span)]
    return sum(spent for spent, _ in found), sum(held for _, held in found)
