"""Which limits govern a call: rules matched, counters found, remembered for the next call like it.

Invariant: for the same snapshot and the same facts the answer is the same until a window of a budget ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Final

from fastgw._native.rule_program import members
from fastgw.domain.errors import GatewayError
from fastgw.limits.config import LimitRow
from fastgw.limits.table import Governing, governing_limits
from fastgw.limits.windows import minute_of_week
from fastgw.rules.table import Fixed, RuleTable, governing, value_of

MAX_REMEMBERED: Final = 8192
"""Plans, of all callers; with one more all are forgotten."""
_METADATA: Final = "metadata."
_NS_PER_MINUTE: Final = 60_000_000_000


class Remembered:
    """What is known of calls with the same fixed facts: the rules that these facts allow, and a plan for each set of rules and tags
    that was met."""

    __slots__ = ("base", "plans")

    def __init__(self, base: bytes) -> None:
        self.base = base
        self.plans: dict[tuple[bytes, tuple[str, ...]], Governing] = {}


class Limiter:
    """The limits of a snapshot."""

    __slots__ = ("_memo", "_minute", "_minute_at", "_names", "_plans", "_rows", "_rules", "_varies", "_zone")

    def __init__(self, rows: Sequence[LimitRow], zone: tzinfo) -> None:
        self._rows = tuple(rows)
        self._rules = RuleTable(rows)
        self._zone = zone
        self._names = tuple(
            sorted({name.removeprefix(_METADATA) for row in rows for name in row.per if name.startswith(_METADATA)})
        )
        self._varies = bool(self._rules.names) or self._rules.program.timed
        self._memo: dict[Fixed, Remembered] = {}
        self._plans = 0
        self._minute = 0
        self._minute_at = -1

    def governing(self, fixed: Fixed, metadata: dict[str, str] | None, now_ns: int) -> Governing:
        """What a call must get through.

        Raises:
            GatewayError: more rules match it than can be counted at once.
        """
        known = self._memo.get(fixed)
        if known is None:
            known = self._memo[fixed] = Remembered(self._rules.base(fixed))
        row = known.base
        if self._varies:
            row = self._rules.program.match(row, metadata, self._minute_of(now_ns))
        tags = tuple([metadata.get(name, "") for name in self._names]) if self._names and metadata else ()
        plan = known.plans.get((row, tags))
        if plan is None or now_ns >= plan.until_ns:
            plan = self._plan(fixed, row, metadata, now_ns)
            known.plans[row, tags] = plan
            self._bound()
        return plan

    def _bound(self) -> None:
        self._plans += 1
        if self._plans >= MAX_REMEMBERED:
            self._memo.clear()
            self._plans = 0

    def _plan(self, fixed: Fixed, row: bytes, metadata: dict[str, str] | None, now_ns: int) -> Governing:
        matched = governing(self._rows, members(row))
        try:
            return governing_limits(
                self._rows, matched, lambda name: value_of(name, fixed, metadata), now_ns, self._zone
            )
        except ValueError as error:
            raise GatewayError(
                "too_many_rules",
                f"more limits match this call than can be counted: {error}",
                status=500,
                source="internal",
            ) from None

    def _minute_of(self, now_ns: int) -> int | None:
        if not self._rules.program.timed:
            return None
        minute_at = now_ns // _NS_PER_MINUTE
        if minute_at != self._minute_at:
            self._minute_at = minute_at
            self._minute = minute_of_week(now_ns, self._zone)
        return self._minute
