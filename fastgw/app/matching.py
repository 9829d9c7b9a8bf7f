"""Which rules a row of the ledger counts for, and whom it counts for in each: what workers decide for a call, done again for rows.

Invariant: for the same rules and the same facts the answer is the one that the call got.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import tzinfo
from typing import Final, Generic, NamedTuple, TypeVar

from fastgw._native.rule_program import members
from fastgw.domain.rule import RuleRow
from fastgw.limits.table import Entity
from fastgw.limits.windows import minute_of_week
from fastgw.rules.table import Fixed, RuleTable, governing, value_of

MAX_REMEMBERED: Final = 8192
"""Answers; a full memo is emptied."""
_FIXED: Final = len(Fixed.__struct_fields__)
_METADATA: Final = "metadata."
_NS_PER_MINUTE: Final = 60_000_000_000
R = TypeVar("R", bound=RuleRow)


class Counted(NamedTuple, Generic[R]):
    """A rule that a call counts for. ``governs``: no rule of its group comes before it."""

    row: R
    governs: bool
    entity: Entity


class Matching(Generic[R]):
    """The rules of a configuration, for rows of the ledger."""

    def __init__(self, rows: Sequence[R], zone: tzinfo) -> None:
        self._rows = tuple(rows)
        self._rules = RuleTable(rows)
        self._zone = zone
        self._reads_metadata = bool(self._rules.names) or any(
            name.startswith(_METADATA) for row in rows for name in row.per
        )
        self.timed: Final = self._rules.program.timed
        """Whether any rule speaks of the time of day."""
        self._remembered: dict[tuple[tuple[str, ...], str | None, int], tuple[Counted[R], ...]] = {}

    def of(self, dimension: Sequence[str], metadata: str | None, minute: int) -> tuple[Counted[R], ...]:
        """``dimension`` begins with the fields of ``Fixed``; ``metadata`` is JSON; ``minute`` is that of the Unix clock
        in which the call came."""
        fixed = tuple(dimension[:_FIXED])
        key = (fixed, metadata if self._reads_metadata else None, minute if self.timed else 0)
        found = self._remembered.get(key)
        if found is None:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            found = self._remembered[key] = self._find(Fixed(*fixed), key[1], minute if self.timed else None)
        return found

    def _find(self, fixed: Fixed, metadata: str | None, minute: int | None) -> tuple[Counted[R], ...]:
        tags: dict[str, str] = json.loads(metadata) if metadata else {}
        of_week = None if minute is None else minute_of_week(minute * _NS_PER_MINUTE, self._zone)
        matched = members(self._rules.program.match(self._rules.base(fixed), tags or None, of_week))
        return tuple(
            Counted(self._rows[index], governs, tuple(value_of(name, fixed, tags) for name in self._rows[index].per))
            for index, governs in governing(self._rows, matched)
        )
