"""A budget that a reload adds: what was spent in its window before it was there counts too.

Every worker counts the calls that it began under the new configuration. Invariant: the others, and only they, are added here, from
the ledger: those with ids below the moment at which their worker took the configuration up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from fastgw._native.counter_map import CounterMap
from fastgw.app.launch import WORKER_ROWS
from fastgw.app.rebuild import spent_by_counter
from fastgw.config.root import Settings
from fastgw.ledger.journal_drain import JournalDrain
from fastgw.ledger.reader import LedgerReader
from fastgw.limits.config import BudgetRow
from fastgw.telemetry.clock import ID_SLOT_BITS
from fastgw.telemetry.stats_page import StatsPage

LOOK_EVERY_NS: Final = 2_000_000_000
GIVE_UP_NS: Final = 3_600_000_000_000
"""A call that has been under way for so long since the reload is not waited for any more."""


def added_budgets(old: Settings, new: Settings) -> tuple[BudgetRow, ...]:
    """The budgets whose counters nobody has counted in yet."""
    if old.server.zone != new.server.zone:
        return new.budgets
    known = {(row.id, row.window, row.per) for row in old.budgets}
    return tuple(row for row in new.budgets if (row.id, row.window, row.per) not in known)


class Adoption:
    """Of the budgets that one reload added. ``digest`` is that of its text."""

    def __init__(self, settings: Settings, added: Sequence[BudgetRow], digest: int, now_ns: int) -> None:
        self._settings = msgspec.structs.replace(settings, budgets=tuple(added), rate_limits=(), anomalies=())
        self._digest = digest
        self._since_ns = now_ns
        self._next_ns = 0
        self._bounds: dict[int, int] = {}
        self._counted: dict[bytes, int] = {}

    async def look(
        self, counters: CounterMap, reader: LedgerReader, drain: JournalDrain, stats: StatsPage, now_ns: int
    ) -> bool:
        """Count what is in the ledger by now; whether that was all. Raises sqlite3.Error."""
        if now_ns < self._next_ns:
            return False
        if not self._bounds and not self._are_taken_up(stats):
            return now_ns - self._since_ns > GIVE_UP_NS
        is_first = not self._next_ns
        self._next_ns = now_ns + LOOK_EVERY_NS
        # Asked before the sums: a call that ends in between is in them. What was not drained when we first looked is next time.
        waits = is_first or self._waits(await drain.between_steps(drain.open_calls))
        for key, spent in (await spent_by_counter(reader, self._settings, now_ns, self._bounds)).items():
            more = spent.nano_usd - self._counted.get(key, 0)
            if more and counters.add(key, more, spent.span.counts_until_ns, now_ns):
                self._counted[key] = spent.nano_usd
        return not waits or now_ns - self._since_ns > GIVE_UP_NS

    def _are_taken_up(self, stats: StatsPage) -> bool:
        """Whether every worker serves the configuration; then since when is known."""
        rows = [stats.row(WORKER_ROWS + worker) for worker in range(self._settings.server.workers)]
        if any(row.get("snapshot_digest") != self._digest for row in rows):
            return False
        self._bounds = {worker: row.get("snapshot_us") << ID_SLOT_BITS for worker, row in enumerate(rows)}
        return True

    def _waits(self, open_calls: Mapping[str, Mapping[int, bytes]]) -> bool:
        """Whether a call that began before is not settled yet."""
        slots = (1 << ID_SLOT_BITS) - 1
        return any(call < self._bounds.get(call & slots, 0) for calls in open_calls.values() for call in calls)
