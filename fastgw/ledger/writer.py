"""The owner's side of the database: batches in, one transaction each.

Owns the write connection. The one invariant: a batch is applied whole or not at all, and applying it again changes
nothing. Does not know where records come from.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from fastgw._native.journal import OPENED, SETTLED
from fastgw.ledger.schema import PUT_SETTLED, PUT_UNKNOWN, Row, first_id, settled_row, unknown_row
from fastgw.storage.migrate import load_migrations, migrate
from fastgw.storage.sqlite import OwnedDatabase

Record = tuple[int, bytes]
"""A request id and the msgpack of its entry."""

# What SQLite and its binding say when the *value* is at fault: trying again would fail for ever.
_VALUE_ERRORS = (
    OverflowError,
    UnicodeError,
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)


@dataclass(slots=True)
class Batch:
    """What one transaction changes.

    ``opened`` (id, life of the writer, payload) are calls whose opening segment goes although they are not settled;
    ``closed`` are ids of such calls that are over. ``durable``: the commit must be on disk before anything is
    unlinked.
    """

    settled: list[Record] = field(default_factory=list)
    unknown: list[Record] = field(default_factory=list)
    opened: list[tuple[int, str, bytes]] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)
    rejected: list[tuple[int, int, str, bytes]] = field(default_factory=list)
    durable: bool = False

    def __bool__(self) -> bool:
        return bool(self.settled or self.unknown or self.opened or self.closed or self.rejected)


class LedgerWriter:
    """Writes ``path``, as its one owner; brings it to this build's version first.

    To be used by one thread at a time. ``observe`` is told the rows of each batch once it is committed (a batch that is read again
    after a crash is told again). Raises what ``OwnedDatabase`` and ``migrate`` raise.
    """

    def __init__(self, path: str | Path, observe: Callable[[list[Row]], None] | None = None) -> None:
        self._observe = observe
        self._database = OwnedDatabase(path)
        try:
            migrate(self._database.connection, load_migrations("fastgw.ledger"))
        except BaseException:
            self._database.close()
            raise
        self.rejected_records = 0

    def apply(self, batch: Batch) -> None:
        """Write ``batch`` in one transaction. Raises ``sqlite3.Error`` with nothing of it written: keep it and try
        again.

        A record that is no entry, or that does not fit the table, goes to ``rejected_records`` and holds nobody up.
        """
        rejected = list(batch.rejected)
        settled = _rows(batch.settled, settled_row, SETTLED, rejected)
        unknown = _rows(batch.unknown, unknown_row, OPENED, rejected)
        connection = self._database.connection
        try:
            self._database.begin(durable=batch.durable)
            connection.executemany(
                "INSERT OR REPLACE INTO open_entries (id, writer, payload) VALUES (?, ?, ?)", batch.opened
            )
            rejected += self._put(PUT_SETTLED, settled, batch.settled, SETTLED)
            rejected += self._put(PUT_UNKNOWN, unknown, batch.unknown, OPENED)
            connection.executemany("DELETE FROM open_entries WHERE id = ?", [(closed,) for closed in batch.closed])
            connection.executemany(
                "INSERT OR IGNORE INTO rejected_records (id, kind, problem, payload) VALUES (?, ?, ?, ?)", rejected
            )
            connection.execute("COMMIT")
        except sqlite3.Error:
            self._database.rollback()
            raise
        self.rejected_records += len(rejected)
        if self._observe is not None:
            self._observe(settled)
            self._observe(unknown)

    def last_id(self) -> int:
        """The largest request id that was ever written, 0 when there is none."""
        newest = "SELECT max(id) FROM (SELECT max(id) AS id FROM entries UNION ALL SELECT max(id) FROM open_entries)"
        (found,) = self._database.connection.execute(newest).fetchone()
        return found or 0

    def _put(
        self, statement: str, rows: list[Row], records: list[Record], kind: int
    ) -> list[tuple[int, int, str, bytes]]:
        connection = self._database.connection
        try:
            connection.executemany(statement, rows)
        except _VALUE_ERRORS:
            payloads = dict(records)
            rejected = []
            # Rows before the bad one are in already; writing them again changes nothing.
            for row in rows:
                try:
                    connection.execute(statement, row)
                except _VALUE_ERRORS as error:
                    rejected.append((row[0], kind, str(error), payloads[row[0]]))
            return rejected
        return []

    def open_entries(self) -> list[tuple[int, str, bytes]]:
        """The calls that were open when their segment went: (id, life of the writer, payload)."""
        return self._database.connection.execute("SELECT id, writer, payload FROM open_entries").fetchall()

    def expire(self, before_ns: int, max_rows: int = 1000) -> int:
        """Delete the oldest rows of calls that started before ``before_ns``, at most ``max_rows``; returns how many."""
        cursor = self._database.connection.execute(
            "DELETE FROM entries WHERE id IN (SELECT id FROM entries WHERE id < ? ORDER BY id LIMIT ?)",
            (first_id(before_ns), max_rows),
        )
        return cursor.rowcount

    def close(self) -> None:
        """Checkpoint, close, and give the file free."""
        self._database.close()


def _rows(
    records: Iterable[Record],
    convert: Callable[[bytes], Row],
    kind: int,
    rejected: list[tuple[int, int, str, bytes]],
) -> list[Row]:
    rows = []
    for record_id, payload in records:
        try:
            row = convert(payload)
        except (msgspec.MsgspecError, UnicodeError) as error:
            rejected.append((record_id, kind, str(error), payload))
            continue
        if row[0] == record_id:
            rows.append(row)
        else:
            rejected.append((record_id, kind, f"its entry has the id {row[0]}", payload))
    return rows
