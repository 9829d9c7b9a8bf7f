"""Which parts of a budget's limit are passed, and which of them operators have yet to hear of.

Invariant: money is compared exactly; a part that was passed once is never due again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fastgw.domain.alert import PPM
from fastgw.limits.config import BudgetRow

NEARLY_ALL_PPM: Final = 990_000
"""A budget that refuses cannot be overspent, and what is left of it at last is less than the next call needs. So it has passed its
whole limit when no more than a hundredth is left."""


def passed(row: BudgetRow, used_nano_usd: int) -> tuple[int, ...]:
    """The thresholds of ``row.alerts`` that were passed, in millionths, rising. Of nothing spent none is."""
    if used_nano_usd <= 0:
        return ()
    reached = used_nano_usd * PPM
    limit_nano_usd = row.limit_nano_usd
    return tuple(ppm for ppm in thresholds_ppm(row) if reached >= _bar_ppm(row, ppm) * limit_nano_usd)


def thresholds_ppm(row: BudgetRow) -> tuple[int, ...]:
    """``row.alerts`` in millionths, rising, each once."""
    return tuple(sorted({max(round(threshold * PPM), 1) for threshold in row.alerts}))


def due(passed_ppm: Sequence[int], top_mark_ppm: int | None) -> tuple[int | None, tuple[int, ...]]:
    """What to send, if anything, and what to mark as passed: only the highest is sent, and only when it is above the highest mark
    so far. ``passed_ppm`` rises."""
    new = tuple(ppm for ppm in passed_ppm if top_mark_ppm is None or ppm > top_mark_ppm)
    return (new[-1] if new else None), new


def _bar_ppm(row: BudgetRow, threshold_ppm: int) -> int:
    if row.mode != "audit" and NEARLY_ALL_PPM < threshold_ppm <= PPM:
        return NEARLY_ALL_PPM
    return threshold_ppm
