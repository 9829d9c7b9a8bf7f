"""From rows of limits that match a call to the counters that it must get through.

Invariant: which counter is meant depends on the rule's id, its unit or window, and whom it counts for, so a reload that renames
nothing keeps every count; a window of a budget is a counter of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import tzinfo
from hashlib import blake2b
from typing import Any, Final

import msgspec

from fastgw._native.limit_set import CONCURRENT, COUNTS, ENFORCES, MONEY, PAUSE, REQUESTS, SOFT, TOKENS, LimitSet
from fastgw.limits.config import AnomalyRow, BudgetRow, LimitRow
from fastgw.limits.windows import NEVER_NS, Span, window_at

_MODES: Final = {"enforce": ENFORCES, "soft": SOFT, "audit": COUNTS}
_KINDS: Final = {"requests": REQUESTS, "tokens": TOKENS, "concurrent": CONCURRENT}
Entity = tuple[str, ...]
Check = tuple[Any, ...]
"""A row of a ``LimitSet``."""


class Applied(msgspec.Struct, frozen=True):
    """One rule on one call. ``entity``: the values of its ``per``; ``until_ns``: the end of a budget's window."""

    row: LimitRow
    governs: bool
    entity: Entity
    until_ns: int


class Governing(msgspec.Struct, frozen=True, kw_only=True):
    """What a kind of call must get through until ``until_ns``. ``has_money``: a budget counts; ``strict``: one of them strictly;
    ``clamps``, ``cuts``: what may be done to the output of a call; ``rules_line``: the header that names them."""

    limits: LimitSet
    applied: tuple[Applied, ...]
    until_ns: int
    has_money: bool
    strict: bool
    clamps: bool
    cuts: bool
    rules_line: bytes


def governing_limits(
    rows: Sequence[LimitRow],
    matched: Iterable[tuple[int, bool]],
    value_of: Callable[[str], str],
    now_ns: int,
    zone: tzinfo,
) -> Governing:
    """``matched``: places in ``rows``, and whether each governs. ``value_of`` gives the value of a name that ``per`` may have."""
    applied: list[Applied] = []
    checks: list[Check] = []
    groups: dict[tuple[type, str | int], int] = {}
    for index, governs in matched:
        row = rows[index]
        entity = tuple(value_of(name) for name in row.per)
        group = groups.setdefault((type(row), index if row.group is None else row.group), len(groups))
        mode = _MODES[row.mode] if governs else COUNTS
        check, until_ns = check_of(row, entity, mode, group, now_ns, zone)
        checks.append(check)
        applied.append(Applied(row, governs, entity, until_ns))
    enforced = [
        each.row for each in applied if isinstance(each.row, BudgetRow) and each.governs and each.row.mode != "audit"
    ]
    names = ", ".join(each.row.id + ("" if each.governs else ";tracked") for each in applied)
    return Governing(
        limits=LimitSet(checks),
        applied=tuple(applied),
        until_ns=min([each.until_ns for each in applied], default=NEVER_NS),
        has_money=any(isinstance(each.row, BudgetRow) for each in applied),
        strict=any(row.strict for row in enforced),
        clamps=bool(enforced) and all(row.clamp for row in enforced),
        cuts=any(row.cut for row in enforced),
        rules_line=f"x-fastgw-rules: {names}\r\n".encode(),
    )


def check_of(row: LimitRow, entity: Entity, mode: int, group: int, now_ns: int, zone: tzinfo) -> tuple[Check, int]:
    """A row of a :class:`LimitSet`, and until when it holds."""
    if isinstance(row, BudgetRow):
        span = window_at(row.window, now_ns, zone)
        key, *earlier = budget_keys(row, entity, span)
        return (key, MONEY, mode, group, row.limit_nano_usd, 0, 0, span.counts_until_ns, *earlier), span.end_ns
    if isinstance(row, AnomalyRow):
        return (pause_key(row, entity), PAUSE, mode, group, 0, row.period_ns, 0, 0), NEVER_NS
    key = _key(row.id, row.unit, entity)
    return (key, _KINDS[row.counts], mode, group, row.limit, row.period_ns, row.burst or row.limit, 0), NEVER_NS


def budget_keys(row: BudgetRow, entity: Entity, span: Span) -> list[bytes]:
    """The digests of a budget's counters: the one that is counted in, and those of the earlier slices that count besides."""
    return [budget_key(row, entity, start_ns) for start_ns in (span.start_ns, *span.earlier)]


def budget_key(row: BudgetRow, entity: Entity, start_ns: int) -> bytes:
    """The digest of a budget's counter in the window or slice that begins at ``start_ns``."""
    return _key(row.id, f"{row.window} from {start_ns}", entity)


def pause_key(row: AnomalyRow, entity: Entity) -> bytes:
    """The digest of what says until when whom an anomaly was found of is paused."""
    return _key(row.id, "pause", entity)


def _key(*parts: str | Entity) -> bytes:
    return blake2b(msgspec.json.encode(parts), digest_size=16, person=b"fastgw counter").digest()


def scope_text(applied: Applied) -> str:
    """Whom a rule counts for, to be shown: ``user=ada model=main/gpt``; empty for a counter that all share."""
    return " ".join(f"{name}={value}" for name, value in zip(applied.row.per, applied.entity, strict=True))


def unit_text(row: LimitRow) -> str:
    """What a rule counts, to be shown."""
    if isinstance(row, AnomalyRow):
        return "pause"
    return f"usd_per_{row.window}" if isinstance(row, BudgetRow) else row.unit
