"""Which limits govern a call: rules matched, counters found, remembered for the next call like it.

Invariant: for the same snapshot and the same facts the answer is the same until a window of a budget ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Final

from fastgw._native.rule_program import members
from fastgw.domain.errors import GatewayError
from fastgw.domain.subject import Subject
from fastgw.limits.config import BudgetRow, LimitRow
from fastgw.limits.table import Entity, Governing, governing_limits
from fastgw.limits.windows import minute_of_week
from fastgw.rules.table import Fixed, RuleTable, governing

if TYPE_CHECKING:
    from fastgw.gateway.context import Call
    from fastgw.gateway.snapshot import Route

MAX_REMEMBERED: Final = 8192
Who = tuple[str, str, str, str, str]
"""Key, user, alias, target and operation: with a snapshot they determine all that rules ask about but metadata and time."""
_METADATA: Final = "metadata."
_NS_PER_MINUTE: Final = 60_000_000_000


class Limiter:
    """The limits of a snapshot."""

    __slots__ = ("_bases", "_minute", "_minute_at", "_names", "_remembered", "_rows", "_rules", "_varies", "_zone")

    def __init__(self, rows: Sequence[LimitRow], zone: tzinfo) -> None:
        self._rows = tuple(rows)
        self._rules = RuleTable(rows)
        self._zone = zone
        self._names = tuple(
            sorted({name.removeprefix(_METADATA) for row in rows for name in row.per if name.startswith(_METADATA)})
        )
        self._varies = bool(self._rules.names) or self._rules.program.timed
        self._bases: dict[Who, bytes] = {}
        self._remembered: dict[tuple[bytes, Who, tuple[str, ...]], Governing] = {}
        self._minute = 0
        self._minute_at = -1

    def governing(  # noqa: PLR0913 - these are the facts
        self,
        call: Call,
        subject: Subject,
        user: str,
        alias: str,
        route: Route,
        metadata: dict[str, str] | None,
        now_ns: int,
    ) -> Governing:
        """What a call must get through.

        Raises:
            GatewayError: more rules match it than can be counted at once.
        """
        who = (subject.key, user, alias, route.name, call.operation)
        row = self._bases.get(who)
        if row is None:
            row = self._base(who, call, subject, route)
        if self._varies:
            row = self._rules.program.match(row, metadata, self._minute_of(now_ns))
        tags = tuple([metadata.get(name, "") for name in self._names]) if self._names and metadata else ()
        known = self._remembered.get((row, who, tags))
        if known is not None and now_ns < known.until_ns:
            return known
        return self._found(row, who, tags, call, subject, route, metadata, now_ns)

    def _base(self, who: Who, call: Call, subject: Subject, route: Route) -> bytes:
        row = self._rules.base(_fixed(who, call, subject, route))
        if len(self._bases) >= MAX_REMEMBERED:
            self._bases.clear()
        self._bases[who] = row
        return row

    def _found(  # noqa: PLR0913 - these are the facts
        self,
        row: bytes,
        who: Who,
        tags: tuple[str, ...],
        call: Call,
        subject: Subject,
        route: Route,
        metadata: dict[str, str] | None,
        now_ns: int,
    ) -> Governing:
        fixed = _fixed(who, call, subject, route)
        matched = governing(self._rows, members(row))
        try:
            found = governing_limits(
                self._rows, matched, lambda name: _value(name, fixed, metadata), now_ns, self._zone
            )
        except ValueError as error:
            raise GatewayError(
                "too_many_rules",
                f"more limits match this call than can be counted: {error}",
                status=500,
                source="internal",
            ) from None
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[row, who, tags] = found
        return found

    def budgets_of(self, fixed: Fixed, metadata: dict[str, str] | None, at_ns: int) -> list[tuple[BudgetRow, Entity]]:
        """The budgets that a call counts for, whether they govern it or not, and whom it counts for in each."""
        rows = [self._rows[index] for index in members(self._match(fixed, metadata, at_ns))]
        return [
            (row, tuple([_value(name, fixed, metadata) for name in row.per]))
            for row in rows
            if isinstance(row, BudgetRow)
        ]

    @property
    def timed(self) -> bool:
        """Whether any rule speaks of the time of day."""
        return self._rules.program.timed

    def _match(self, fixed: Fixed, metadata: dict[str, str] | None, now_ns: int) -> bytes:
        return self._rules.program.match(self._rules.base(fixed), metadata, self._minute_of(now_ns))

    def _minute_of(self, now_ns: int) -> int | None:
        if not self._rules.program.timed:
            return None
        minute_at = now_ns // _NS_PER_MINUTE
        if minute_at != self._minute_at:
            self._minute_at = minute_at
            self._minute = minute_of_week(now_ns, self._zone)
        return self._minute


def _fixed(who: Who, call: Call, subject: Subject, route: Route) -> Fixed:
    key, user, alias, target, operation = who
    return Fixed(key, user, subject.team, alias, target, route.provider, route.region, call.dialect, operation)


def _value(name: str, fixed: Fixed, metadata: dict[str, str] | None) -> str:
    if name.startswith(_METADATA):
        return (metadata or {}).get(name.removeprefix(_METADATA), "")
    if name == "model":
        return fixed.target
    value: str = getattr(fixed, "key" if name == "virtualaccount" else name)
    return value
