"""Which counters of budgets have passed a part of their limit that operators want to hear of.

Looks at the counters of what was just drained, never at sums of the ledger. Invariant: what was found comes again until it is known
to be written.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from datetime import tzinfo
from typing import Final, NamedTuple

from fastgw._native.counter_map import CounterMap
from fastgw.app.matching import Matching
from fastgw.app.standing import spent_and_held
from fastgw.domain.alert import PPM, BudgetAlert
from fastgw.domain.moment import rfc3339
from fastgw.domain.money import format_usd
from fastgw.ledger.alert_store import Mark, NewAlert
from fastgw.ledger.drained import Drained
from fastgw.limits.config import BudgetRow
from fastgw.limits.table import Entity, budget_key
from fastgw.limits.thresholds import due, passed
from fastgw.limits.windows import NEVER_NS, SLICES, rolling_slice_ns, window_at

MAX_MARKS: Final = 1 << 16
"""Of counters whose marks are remembered; then all are asked for again."""
LOOKS: Final = 4
"""How often a counter is looked at after a row that it counts. The row is in the journal a moment before its money is in the
counter, and what a dead worker left is settled a little after its rows were read."""
MARKED_NS: Final = 86_400_000_000_000
"""How long the marks of a window are kept at least: its last calls may end when it is over."""
_NS_PER_MINUTE: Final = 60_000_000_000
TopMarks = Callable[[list[bytes]], Awaitable[dict[bytes, int]]]


class Counter(NamedTuple):
    """A budget's counter in one window."""

    row: BudgetRow
    entity: Entity
    start_ns: int
    until_ns: int


Counters = dict[tuple[str, Entity, int], Counter]
"""By the budget's id, the entity, and the start of the window."""


class Found(NamedTuple):
    """What is to be written, and then to be remembered by ``BudgetWatch.wrote``."""

    alerts: list[NewAlert]
    marks: list[Mark]


class BudgetWatch:
    """The budgets with ``alerts`` of one configuration. ``top_marks`` asks the ledger what was said before."""

    def __init__(self, budgets: Iterable[BudgetRow], zone: tzinfo, counters: CounterMap, top_marks: TopMarks) -> None:
        self._matching = Matching([row for row in budgets if row.alerts], zone)
        self._zone = zone
        self._counters = counters
        self._top_marks = top_marks
        self._windows: dict[str, tuple[int, int]] = {}
        self._touched: Counters = {}
        self._before: deque[Counters] = deque(maxlen=LOOKS - 1)
        self._marks: dict[bytes, int] = {}

    def touch(self, groups: Iterable[Drained]) -> None:
        """Rows were written: look at their counters next time."""
        for group in groups:
            for row, _, entity in self._matching.of(group.dimension, group.metadata, group.minute):
                self.touch_counter(row, entity, group.minute * _NS_PER_MINUTE)

    def touch_counter(self, row: BudgetRow, entity: Entity, at_ns: int) -> None:
        """Look at a counter next time."""
        counter = Counter(row, entity, *self._window(row.window, at_ns))
        self._touched[row.id, entity, counter.start_ns] = counter

    async def look(self, now_ns: int) -> Found:
        """What has passed since. The same comes again until ``wrote`` is told."""
        looked = {name: counter for counters in (*self._before, self._touched) for name, counter in counters.items()}
        self._before.append(self._touched)
        self._touched = {}
        over: dict[bytes, tuple[Counter, tuple[int, ...], tuple[int, int]]] = {}
        for name, counter in looked.items():
            key = budget_key(counter.row, counter.entity, counter.start_ns)
            stands = self._stands(counter, now_ns)
            passed_ppm = passed(counter.row, stands[0])
            if passed_ppm and passed_ppm[-1] > self._marks.get(key, 0):
                over[key] = (counter, passed_ppm, stands)
                self._touched[name] = counter
        found = Found([], [])
        if not over:
            return found
        tops = {key: self._marks[key] for key in over if key in self._marks}
        tops |= await self._top_marks([key for key in over if key not in tops])
        for key, top_ppm in tops.items():
            self._remember(key, top_ppm)
        for key, (counter, passed_ppm, stands) in over.items():
            send_ppm, new_ppm = due(passed_ppm, tops.get(key))
            found.marks.extend(Mark(key, ppm, max(counter.until_ns, now_ns + MARKED_NS)) for ppm in new_ppm)
            if send_ppm is not None:
                found.alerts.append(NewAlert(_alert(counter, key, send_ppm, stands, now_ns), now_ns, now_ns))
        return found

    def wrote(self, found: Found) -> None:
        """What ``look`` found is in the ledger."""
        for mark in found.marks:
            self._remember(mark.counter, mark.threshold_ppm)

    def _remember(self, key: bytes, ppm: int) -> None:
        if len(self._marks) >= MAX_MARKS:
            self._marks.clear()
        self._marks[key] = max(ppm, self._marks.get(key, 0))

    def _stands(self, counter: Counter, now_ns: int) -> tuple[int, int]:
        row, entity = counter.row, counter.entity
        if rolling_slice_ns(row.window):
            return spent_and_held(self._counters, row, entity, window_at(row.window, now_ns, self._zone))
        return self._counters.get(budget_key(row, entity, counter.start_ns)) or (0, 0)

    def _window(self, window: str, at_ns: int) -> tuple[int, int]:
        # One that rolls alerts once in each stretch of its length.
        if length_ns := rolling_slice_ns(window) * SLICES:
            start_ns = at_ns // length_ns * length_ns
            return start_ns, start_ns + length_ns
        known = self._windows.get(window)
        if known is None or not known[0] <= at_ns < known[1]:
            known = self._windows[window] = window_at(window, at_ns, self._zone)[:2]
        return known


def _alert(counter: Counter, key: bytes, ppm: int, stands: tuple[int, int], now_ns: int) -> BudgetAlert:
    row = counter.row
    return BudgetAlert(
        id=f"{key.hex()}-{ppm}",
        rule=row.id,
        group=row.group,
        mode=row.mode,
        window=row.window,
        scope=dict(zip(row.per, counter.entity, strict=True)),
        threshold=ppm / PPM,
        limit_usd=format_usd(row.limit_nano_usd),
        used_usd=format_usd(stands[0]),
        reserved_usd=format_usd(stands[1]),
        resets_at=None if counter.until_ns == NEVER_NS else rfc3339(counter.until_ns),
        at=rfc3339(now_ns),
    )
