"""A page of counters that all processes of a gateway share: each writes its own row, anybody adds the rows up.

Made before the processes are forked; memory only, so it starts at zero with the gateway. No locks: a cell has one writer.
"""

from __future__ import annotations

import mmap
from typing import Final

CELL_BYTES: Final = 8
GAUGES: Final = (
    "connections",
    "in_flight",
    "journal_buffered",
    "journal_problem",
    "ledger_problem",
    "ready",
    "tasks",
)
COUNTERS: Final = (
    "client_gone",
    "journal_lost",
    "malformed",
    "missing_key",
    "unknown_key",
    "refused_by_policy",
    "refused_request",
    "provider_failed",
    "internal_error",
    "reloads",
    "reloads_refused",
)
MARKS: Final = ("snapshot_us", "snapshot_digest")
"""What processes tell each other alone: since when, by the clock of request ids, a worker has served which configuration."""
FIELDS: Final = (*GAUGES, *COUNTERS, *MARKS)
_INDEX: Final = {name: index for index, name in enumerate(FIELDS)}


class StatsPage:
    """Rows of int64 cells, one row a process."""

    def __init__(self, rows: int) -> None:
        self.rows: Final = rows
        self._memory = mmap.mmap(-1, rows * len(FIELDS) * CELL_BYTES)
        self._cells = memoryview(self._memory).cast("q")

    def row(self, index: int) -> StatsRow:
        """The row that one process writes."""
        if not 0 <= index < self.rows:
            raise IndexError(f"row: expected 0..{self.rows - 1}, got {index}")
        start = index * len(FIELDS)
        return StatsRow(self._cells[start : start + len(FIELDS)])

    def total(self, name: str) -> int:
        """The sum over all rows."""
        return sum(self._cells[_INDEX[name] :: len(FIELDS)])


class StatsRow:
    """One process's cells."""

    __slots__ = ("_cells",)

    def __init__(self, cells: memoryview) -> None:
        self._cells = cells

    def add(self, name: str, count: int = 1) -> None:
        """Count something of :data:`COUNTERS`."""
        self._cells[_INDEX[name]] += count

    def put(self, name: str, value: int) -> None:
        """Set something of :data:`GAUGES`, or a counter that is kept elsewhere."""
        self._cells[_INDEX[name]] = value

    def get(self, name: str) -> int:
        """Read a cell."""
        value: int = self._cells[_INDEX[name]]
        return value


def readiness(stats: StatsPage) -> dict[str, object]:
    """``ok`` or ``degraded``: degraded still serves, but records wait in memory or in the journal."""
    reasons = []
    if stats.total("journal_problem"):
        reasons.append(f"the journal cannot be written; {stats.total('journal_buffered')} records wait in memory")
    if stats.total("ledger_problem"):
        reasons.append("the ledger database cannot be written; records wait in the journal")
    if stats.total("journal_lost"):
        reasons.append(f"{stats.total('journal_lost')} records were lost because no buffer was left")
    return {"status": "degraded" if reasons else "ok", "workers_ready": stats.total("ready"), "reasons": reasons}
