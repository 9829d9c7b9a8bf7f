"""The TOML of limits: ``[[budgets]]``, ``[[rate_limits]]`` and ``[[anomalies]]``. Whom they speak of is ``domain.rule``'s.

Invariant: a number that is written is counted exactly or refused.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, Literal

from msgspec import Meta

from fastgw.domain.money import NANO_PER_USD
from fastgw.domain.rule import MAX_PER, Per, RuleRow
from fastgw.limits.windows import Window

MAX_USD: Final = 1_000_000_000
MAX_LIMIT: Final = 1_000_000_000_000
MAX_ALERTS: Final = 20
Usd = (
    Annotated[int, Meta(ge=0, le=MAX_USD)]
    | Annotated[float, Meta(ge=0, le=MAX_USD)]
    | Annotated[str, Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9})?\Z")]
)
Unit = Literal[
    "requests_per_second",
    "requests_per_minute",
    "requests_per_hour",
    "requests_per_day",
    "tokens_per_second",
    "tokens_per_minute",
    "tokens_per_hour",
    "tokens_per_day",
    "concurrent_requests",
]
PERIODS_NS: Final = {
    "second": 1_000_000_000,
    "minute": 60_000_000_000,
    "hour": 3_600_000_000_000,
    "day": 86_400_000_000_000,
}


class BudgetRow(RuleRow, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[budgets]]``. A ``strict`` one reserves for the most that a call can cost: a token a byte of its text, and all the output
    that it may ask for. ``clamp``: a call that asks for more output than is left gets as much as that buys. ``cut``: a stream
    that has used up what was reserved for it, when nothing is left to reserve, is ended as if it had reached its length.
    ``alerts``: fractions of the limit at which operators are told."""

    limit_usd: Usd
    window: Window
    strict: bool = False
    clamp: bool = True
    cut: bool = False
    alerts: Annotated[tuple[Annotated[float, Meta(gt=0, le=10)], ...], Meta(max_length=MAX_ALERTS)] = ()

    @property
    def limit_nano_usd(self) -> int:
        """The limit as money is counted."""
        return nano_usd_of(self.limit_usd)


class RateLimitRow(RuleRow, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[rate_limits]]``. ``burst``: how much may come at once after a quiet time, the limit itself unless said."""

    limit: Annotated[int, Meta(ge=1, le=MAX_LIMIT)]
    unit: Unit
    burst: Annotated[int, Meta(ge=1, le=MAX_LIMIT)] | None = None

    @property
    def counts(self) -> str:
        """``requests``, ``tokens`` or ``concurrent``."""
        return self.unit.partition("_")[0]

    @property
    def period_ns(self) -> int:
        """Of a bucket; 0 for slots."""
        return PERIODS_NS.get(self.unit.rpartition("_")[2], 0)


class AnomalyRow(RuleRow, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[anomalies]]``: who spends ``max_multiple`` times as fast as in the ``recent_s`` before, and at least ``min_usd`` in
    ``window_s``, or makes the same call ``repeats`` times in it, is paused for ``for_s``."""

    per: Annotated[tuple[Per, ...], Meta(max_length=MAX_PER)] = ("key",)
    max_multiple: Annotated[float, Meta(gt=1, le=1_000_000)] | None = None
    recent_s: Annotated[int, Meta(ge=60, le=604_800)] = 3600
    window_s: Annotated[int, Meta(ge=10, le=86_400)] = 60
    min_usd: Usd = 1.0
    repeats: Annotated[int, Meta(ge=2, le=1_000_000)] | None = None
    action: Literal["stop", "slow"] = "stop"
    for_s: Annotated[int, Meta(ge=1, le=86_400)] = 300
    slow_to_per_minute: Annotated[int, Meta(ge=1, le=60_000)] = 6

    @property
    def min_nano_usd(self) -> int:
        """As money is counted."""
        return nano_usd_of(self.min_usd)

    @property
    def period_ns(self) -> int:
        """Of the calls that a slow pause lets through; 0 for one that stops all."""
        return PERIODS_NS["minute"] // self.slow_to_per_minute if self.action == "slow" else 0


LimitRow = BudgetRow | RateLimitRow | AnomalyRow


def nano_usd_of(usd: Usd) -> int:
    """A sum that was written, in nano-USD; parts of one are cut off."""
    return int(Decimal(str(usd)) * NANO_PER_USD)
