"""Which row of ``dimensions`` a call belongs to, remembered between batches.

Owns the table ``dimensions``. The one invariant: what is remembered is in the table, and no call with an id of
``until_id`` or more refers to a dimension. The first is why a transaction that is rolled back must be told; the second
lets a dimension be removed without a look at the calls, once all those that could refer to it are gone.

Does not begin or end transactions.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from fastgw.ledger.schema import DIMENSION_COLUMNS, Row, dimension_of
from fastgw.telemetry.clock import ID_SLOT_BITS

MAX_REMEMBERED: Final = 2048
"""About 1 KiB each. Beyond it, all are forgotten between two batches: looking one up again costs some 15 us."""
SPAN_IDS: Final = 3_600_000_000 << ID_SLOT_BITS
"""An hour of ids: how far ``until_id`` is ahead, so that it is written once an hour and not once a call."""

_NAMES = ", ".join(DIMENSION_COLUMNS)
_PLACES = ", ".join("?" * (len(DIMENSION_COLUMNS) + 1))
_FIND = (
    f"INSERT INTO dimensions ({_NAMES}, until_id) VALUES ({_PLACES}) "  # noqa: S608 - constants
    f"ON CONFLICT ({_NAMES}) DO UPDATE SET until_id = max(until_id, excluded.until_id) RETURNING id"
)
_RAISE = "UPDATE dimensions SET until_id = max(until_id, ?) WHERE id = ?"
_EXPIRE = "DELETE FROM dimensions WHERE id IN (SELECT id FROM dimensions WHERE until_id <= ? LIMIT ?)"


class Dimensions:
    """The dimensions in the database of ``connection``, to be used inside its owner's transactions.

    ``shapes`` is where it keeps the ids of shapes (``RowReader.shape``), for others to look up. ``names`` has the values of each
    dimension that a call was given since the last ``trim``.
    """

    def __init__(self, connection: sqlite3.Connection, shapes: dict[bytes, int]) -> None:
        self._connection = connection
        self._until_id = 0
        self._swept_id = 0
        self._shapes = shapes
        self._ids: dict[Row, int] = {}
        self.names: dict[int, Row] = {}

    def trim(self) -> None:
        """To be called before each batch. Not within one: ``cover`` must know all that the batch used."""
        if max(len(self._shapes), len(self._ids)) > MAX_REMEMBERED:
            self.forget()

    def find(self, row: Row, shape: bytes | None) -> int:
        """The id of the dimension of a decoded entry, and from now on of its shape, if it has one; makes it if there is none.

        Raises ``OverflowError`` and ``sqlite3.Error`` for values that do not fit the table.
        """
        values = dimension_of(row)
        known = self._ids.get(values)
        if known is None:
            ((known,),) = self._connection.execute(_FIND, (*values, self._until_id)).fetchall()
            self._ids[values] = known
            self.names[known] = values
        if shape is not None:
            self._shapes[shape] = known
        return known

    def cover(self, newest_id: int) -> None:
        """To be called in each transaction, after its calls, with the largest id that is in the table."""
        if newest_id >= self._until_id:
            self._until_id = newest_id + SPAN_IDS
            self._connection.executemany(_RAISE, [(self._until_id, id_) for id_ in self.names])
            # Who is not used in the coming hour is not raised again, and ages.
            self.forget()

    def forget(self) -> None:
        """To be called after a rollback: what was made in that transaction is not there."""
        self._shapes.clear()
        self._ids.clear()
        self.names.clear()

    def expire(self, before_id: int, max_rows: int) -> None:
        """Remove at most ``max_rows`` dimensions that only calls before ``before_id`` had, which must all be gone.

        Looks only when that has moved an hour since nothing more was found.
        """
        if before_id < self._swept_id + SPAN_IDS:
            return
        removed = self._connection.execute(_EXPIRE, (before_id, max_rows)).rowcount
        if removed:
            self.forget()
        if removed < max_rows:
            self._swept_id = before_id
