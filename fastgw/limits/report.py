"""How limits stand, for whoever asks: callers and operators.

Invariant: sums are exact, as text in USD; moments are RFC 3339 in UTC.
"""

from __future__ import annotations

from typing import Any

from fastgw._native.counter_map import CounterMap
from fastgw._native.limit_set import levels
from fastgw.domain.moment import rfc3339
from fastgw.domain.money import format_usd
from fastgw.limits.config import AnomalyRow, BudgetRow
from fastgw.limits.table import Applied, Governing, unit_text
from fastgw.limits.windows import NEVER_NS


def limit_rows(governing: Governing, counter_map: CounterMap, now_ns: int) -> list[dict[str, Any]]:
    """Every rule that matches a kind of call, with its counter. Takes nothing."""
    found = levels(counter_map, governing.limits, now_ns)
    return [_shown(applied, used, held, now_ns) for applied, (used, held) in zip(governing.applied, found, strict=True)]


def _shown(applied: Applied, used: int, held: int, now_ns: int) -> dict[str, Any]:
    row = applied.row
    shown: dict[str, Any] = {
        "id": row.id,
        "group": row.group,
        "governs": applied.governs,
        "mode": row.mode,
        "unit": unit_text(row),
        "scope": dict(zip(row.per, applied.entity, strict=True)),
    }
    if isinstance(row, BudgetRow):
        left_nano_usd = max(row.limit_nano_usd - used - held, 0)
        return {
            **shown,
            "limit_usd": format_usd(row.limit_nano_usd),
            "used_usd": format_usd(used),
            "reserved_usd": format_usd(held),
            "remaining_usd": format_usd(left_nano_usd),
            "resets_at": None if applied.until_ns == NEVER_NS else rfc3339(applied.until_ns),
        }
    if isinstance(row, AnomalyRow):
        return {**shown, "paused": used > 0, "paused_until": rfc3339(now_ns + used) if used else None}
    return {**shown, "limit": row.limit, "used": used, "remaining": max((row.burst or row.limit) - used, 0)}
