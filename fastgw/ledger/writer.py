"""The owner's side of the database: batches in, one transaction each.

Owns the write connection. The one invariant: a batch is applied whole or not at all, and applying it again changes
nothing. Does not know where records come from.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Final

import msgspec

from fastgw._native.call_groups import CallGroup, group_calls
from fastgw._native.journal import OPENED, SETTLED
from fastgw._native.ledger_rows import RowReader
from fastgw.ledger.alert_store import AlertStore
from fastgw.ledger.dimensions import Dimensions
from fastgw.ledger.drained import Watcher, group_drained
from fastgw.ledger.schema import (
    PLAIN_ROWS,
    PUT_PLAIN,
    PUT_PLAIN_ROWS,
    PUT_SETTLED,
    PUT_UNKNOWN,
    Row,
    as_unknown,
    decode_any,
    first_id,
    full_values,
    json_of,
)
from fastgw.storage.migrate import load_migrations, migrate
from fastgw.storage.sqlite import OwnedDatabase

Record = tuple[int, bytes]
"""A request id and the msgpack of its entry."""
Rejected = tuple[int, int, str, bytes]
"""Id, kind, why, payload."""
Observed = Mapping[tuple[Row, int], CallGroup]
"""Calls by the values of their dimension, in the order of ``DIMENSION_COLUMNS``, and their status. Latencies are counted up to
each of ``LATENCY_BOUNDS_NS``."""

LATENCY_BOUNDS_NS: Final = tuple(10_000_000 << doubling for doubling in range(14))
_NEW_SHAPES_EVERY: Final = 250

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
    rejected: list[Rejected] = field(default_factory=list)
    durable: bool = False

    def __bool__(self) -> bool:
        return bool(self.settled or self.unknown or self.opened or self.closed or self.rejected)


class LedgerWriter:
    """Writes ``path``, as its one owner; brings it to this build's version first.

    To be used by one thread at a time. ``observe`` is told the calls of each batch once it is committed (a batch that is
    read again after a crash is told again), and so is ``watcher``, which may be changed at any time. ``alerts`` are other tables of
    the same database. Raises what ``OwnedDatabase`` and ``migrate`` raise.
    """

    def __init__(self, path: str | Path, observe: Callable[[Observed], None] | None = None) -> None:
        self._observe = observe
        self._database = OwnedDatabase(path)
        try:
            migrate(self._database.connection, load_migrations("fastgw.ledger"))
        except BaseException:
            self._database.close()
            raise
        self._reader = RowReader(json_of)
        self._dimensions = Dimensions(self._database.connection, self._reader.shapes)
        self.alerts: Final = AlertStore(self._database)
        self.watcher: Watcher | None = None
        self.rejected_records = 0

    def apply(self, batch: Batch) -> None:
        """Write ``batch`` in one transaction. Raises ``sqlite3.Error`` with nothing of it written: keep it and try
        again.

        A record that is no entry, or that does not fit the table, goes to ``rejected_records`` and holds nobody up.
        """
        rejected = list(batch.rejected)
        watcher = self.watcher
        connection = self._database.connection
        self._dimensions.trim()
        try:
            self._database.begin(durable=batch.durable)
            connection.executemany(
                "INSERT OR REPLACE INTO open_entries (id, writer, payload) VALUES (?, ?, ?)", batch.opened
            )
            rows = self._put_settled(batch.settled, rejected)
            rows += self._put_unknown(batch.unknown, rejected)
            observed = self._observed(rows)
            drained = group_drained(rows, self._dimensions.names, fingerprints=watcher.fingerprints) if watcher else []
            connection.executemany("DELETE FROM open_entries WHERE id = ?", [(closed,) for closed in batch.closed])
            connection.executemany(
                "INSERT OR IGNORE INTO rejected_records (id, kind, problem, payload) VALUES (?, ?, ?, ?)", rejected
            )
            self._dimensions.cover(self._newest_call_id())
            connection.execute("COMMIT")
        except BaseException:
            self._dimensions.forget()
            self._database.rollback()
            raise
        self.rejected_records += len(rejected)
        if self._observe is not None:
            self._observe(observed)
        if watcher is not None and drained:
            watcher.take(drained)

    def costs(self, calls: Sequence[int]) -> dict[int, int]:
        """What calls cost in nano-USD, 0 for those that are not there or have no price."""
        ask = self._database.connection.execute
        found = {call: ask("SELECT cost_nano_usd FROM calls WHERE id = ?", (call,)).fetchone() for call in calls}
        return {call: (row[0] or 0) if row else 0 for call, row in found.items()}

    def last_id(self) -> int:
        """The largest request id that was ever written, 0 when there is none."""
        (opened,) = self._database.connection.execute("SELECT max(id) FROM open_entries").fetchone()
        return max(self._newest_call_id(), opened or 0)

    def open_entries(self) -> list[tuple[int, str, bytes]]:
        """The calls that were open when their segment went: (id, life of the writer, payload)."""
        return self._database.connection.execute("SELECT id, writer, payload FROM open_entries").fetchall()

    def expire(self, before_ns: int, max_rows: int = 1000) -> int:
        """Delete the oldest rows of calls that started before ``before_ns``, at most ``max_rows``; returns how many.

        When none is left, as many of the dimensions that only they had.
        """
        before_id = first_id(before_ns)
        deleted = self._database.connection.execute(
            "DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE id < ? ORDER BY id LIMIT ?)",
            (before_id, max_rows),
        ).rowcount
        if deleted < max_rows:
            self._dimensions.expire(before_id, max_rows)
        return deleted

    def close(self) -> None:
        """Checkpoint, close, and give the file free."""
        self._database.close()

    def _newest_call_id(self) -> int:
        (found,) = self._database.connection.execute("SELECT max(id) FROM calls").fetchone()
        return found or 0

    def _observed(self, rows: list[Row]) -> Observed:
        # Before ``cover`` forgets the names.
        if self._observe is None:
            return {}
        names = self._dimensions.names
        return {(names[id_], status): group for (id_, status), group in group_calls(rows, LATENCY_BOUNDS_NS).items()}

    def _put_settled(self, records: list[Record], rejected: list[Rejected]) -> list[Row]:
        # The way of nearly every call: what is done here a record is most of what the bookkeeper costs.
        plain: list[Row] = []
        full: list[Row] = []
        read = self._reader.read
        for start in range(0, len(records), _NEW_SHAPES_EVERY):
            # In parts, for a shape that is new is known to the rest once one record has been taken slowly.
            for record in read(records[start : start + _NEW_SHAPES_EVERY], plain, full):
                self._take_slowly(record, SETTLED, full, rejected)
        refused = self._put(PUT_PLAIN, plain, records, SETTLED)
        refused += self._put(PUT_SETTLED, full, records, SETTLED)
        return _without(plain + full, refused, rejected)

    def _put_unknown(self, records: list[Record], rejected: list[Rejected]) -> list[Row]:
        full: list[Row] = []
        for record in records:
            self._take_slowly(record, OPENED, full, rejected)
        return _without(full, self._put(PUT_UNKNOWN, full, records, OPENED), rejected)

    def _take_slowly(self, record: Record, kind: int, full: list[Row], rejected: list[Rejected]) -> None:
        record_id, payload = record
        try:
            row = decode_any(payload)
            if row[0] != record_id:
                rejected.append((record_id, kind, f"its entry has the id {row[0]}", payload))
                return
            if kind == OPENED:
                row = as_unknown(row)
            full.append(full_values(row, self._dimensions.find(row, self._reader.shape(payload))))
        except (msgspec.MsgspecError, *_VALUE_ERRORS) as error:
            rejected.append((record_id, kind, str(error), payload))

    def _put_many(self, plain: list[Row]) -> list[Row]:
        """Returns the rest, too few for the statement of many rows."""
        full = len(plain) // PLAIN_ROWS * PLAIN_ROWS
        groups = (chain.from_iterable(plain[start : start + PLAIN_ROWS]) for start in range(0, full, PLAIN_ROWS))
        self._database.connection.executemany(PUT_PLAIN_ROWS, map(tuple, groups))
        return plain[full:]

    def _put(self, statement: str, values: list[Row], records: list[Record], kind: int) -> list[Rejected]:
        """Returns what SQLite does not take."""
        connection = self._database.connection
        try:
            connection.executemany(statement, self._put_many(values) if statement is PUT_PLAIN else values)
        except _VALUE_ERRORS:
            payloads = dict(records)
            refused = []
            # Rows before the bad one are in already; writing them again changes nothing.
            for value in values:
                try:
                    connection.execute(statement, value)
                except _VALUE_ERRORS as error:
                    refused.append((value[0], kind, str(error), payloads[value[0]]))
            return refused
        return []


def _without(rows: list[Row], refused: list[Rejected], rejected: list[Rejected]) -> list[Row]:
    if not refused:
        return rows
    rejected += refused
    bad = {record_id for record_id, *_ in refused}
    return [row for row in rows if row[0] not in bad]
