"""How a counter stands, for operators."""

from __future__ import annotations

from typing import Any

import msgspec

from fastgw.domain.money import format_usd
from fastgw.limits.config import BudgetRow, RateLimitRow
from fastgw.limits.windows import NEVER_NS


class BudgetState(msgspec.Struct, frozen=True, kw_only=True):
    """One counter. ``ledger_nano_usd`` is the sum of the rows that it counts, which is ``used_nano_usd`` once the journal is
    drained and no call is under way."""

    row: BudgetRow
    entity: tuple[str, ...]
    until_ns: int
    ledger_nano_usd: int
    used_nano_usd: int
    reserved_nano_usd: int

    def shown(self) -> dict[str, Any]:
        """As JSON has it: sums in USD, exact, as text."""
        return {
            "id": self.row.id,
            "group": self.row.group,
            "mode": self.row.mode,
            "window": self.row.window,
            "scope": dict(zip(self.row.per, self.entity, strict=True)),
            "limit_usd": format_usd(self.row.limit_nano_usd),
            "used_usd": format_usd(self.used_nano_usd),
            "reserved_usd": format_usd(self.reserved_nano_usd),
            "ledger_usd": format_usd(self.ledger_nano_usd),
            "resets_ns": None if self.until_ns == NEVER_NS else self.until_ns,
        }


class RateLimitState(msgspec.Struct, frozen=True, kw_only=True):
    """One bucket, or the slots of one limit. ``used``: gone from the bucket, or taken."""

    row: RateLimitRow
    entity: tuple[str, ...]
    used: int

    def shown(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "id": self.row.id,
            "group": self.row.group,
            "mode": self.row.mode,
            "unit": self.row.unit,
            "scope": dict(zip(self.row.per, self.entity, strict=True)),
            "limit": self.row.limit,
            "burst": self.row.burst or self.row.limit,
            "used": self.used,
        }
