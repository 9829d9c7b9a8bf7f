"""What a caller is told when a limit refuses: which rule, how much, and until when.

Invariant: only what the caller may know about itself: the rule that refuses, and whom it counts for. Names come from configuration
and from the caller; what goes into a header is ASCII.
"""

from __future__ import annotations

from typing import Final

from fastgw._native.limit_lines import level_lines
from fastgw._native.limit_set import Refusal
from fastgw.domain.errors import GatewayError
from fastgw.domain.moment import rfc3339
from fastgw.domain.money import format_usd
from fastgw.domain.operation import Dialect
from fastgw.domain.text import show
from fastgw.limits.config import AnomalyRow, BudgetRow
from fastgw.limits.table import Applied, Governing, scope_text, unit_text

SLOT_WAIT_NS: Final = 1_000_000_000
"""Nobody knows when a call ends; a second is what clients may try again after."""
_NS_PER_S: Final = 1_000_000_000


def refusal_error(
    governing: Governing, refusal: Refusal, dialect: Dialect, needed_nano_usd: int, now_ns: int
) -> GatewayError:
    """The error for a call that limits refuse."""
    if not governing.applied:
        return _no_room("all rules")
    applied = governing.applied[refusal.index]
    if refusal.full:
        return _no_room(f"rule `{applied.row.id}`")
    if isinstance(applied.row, BudgetRow):
        return _budget_error(applied, applied.row, refusal, needed_nano_usd)
    if isinstance(applied.row, AnomalyRow):
        return _pause_error(applied, applied.row, refusal, now_ns)
    row = applied.row
    wait_ns = refusal.wait_ns if row.counts != "concurrent" else SLOT_WAIT_NS
    used = f"limit {row.limit} {row.unit}, used {refusal.used}{_of(applied)}"
    if wait_ns < 0:
        problem = (
            f"rule `{row.id}` can never allow this call: it alone is larger than {row.burst or row.limit} ({used})"
        )
        return GatewayError("request_exceeds_limit", problem, status=429, source="policy", lines=_rule_line(applied))
    lines = _rule_line(applied)
    if row.counts != "concurrent":
        lines += level_lines(dialect == "anthropic", row.counts == "tokens", row.limit, 0, wait_ns, now_ns)
    return GatewayError(
        "rate_limit_exceeded",
        f"rule `{row.id}` refuses this call: {used}; try again in {wait_ns / 1e9:.3f} s",
        status=429,
        source="policy",
        retry="after",
        retry_after_ns=wait_ns,
        lines=lines,
    )


def _budget_error(applied: Applied, row: BudgetRow, refusal: Refusal, needed_nano_usd: int) -> GatewayError:
    resets = "" if row.window == "lifetime" else f"; resets at {rfc3339(applied.until_ns)}"
    problem = (
        f"budget `{row.id}` refuses this call: limit {format_usd(row.limit_nano_usd)} USD a {row.window}"
        f"{_of(applied)}, used {format_usd(refusal.used)}, reserved by calls under way {format_usd(refusal.held)}, "
        f"this call may cost {format_usd(needed_nano_usd)}{resets}"
    )
    return GatewayError("budget_exceeded", problem, status=429, source="policy", lines=_rule_line(applied))


def _pause_error(applied: Applied, row: AnomalyRow, refusal: Refusal, now_ns: int) -> GatewayError:
    ends = rfc3339(now_ns + refusal.used)
    problem = (
        f"anomaly `{row.id}` has {'slowed' if row.period_ns else 'stopped'} these calls{_of(applied)} until {ends}"
    )
    return GatewayError(
        "spending_spike",
        f"{problem}: what was spent, or the same call again and again, was far from usual",
        status=429,
        source="policy",
        # Who is stopped must not come again by itself: a loop that waits is still a loop.
        retry="after" if row.period_ns else "never",
        retry_after_ns=refusal.wait_ns,
        lines=_rule_line(applied),
    )


def _no_room(what: str) -> GatewayError:
    problem = f"{what}: no memory is left to count this call in, and money is not spent uncounted"
    return GatewayError(
        "counters_full", problem, status=503, source="internal", retry="after", retry_after_ns=_NS_PER_S
    )


def _rule_line(applied: Applied) -> bytes:
    return f"x-fastgw-rules: {applied.row.id};refused\r\nx-fastgw-limit-unit: {unit_text(applied.row)}\r\n".encode()


def _of(applied: Applied) -> str:
    scope = scope_text(applied)
    return f" for {show(scope)}" if scope else ""
