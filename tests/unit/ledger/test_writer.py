"""Batches are whole, idempotent, and a bad record holds nobody up."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fastgw.domain.entry import LedgerEntry
from fastgw.ledger.writer import Batch, LedgerWriter
from fastgw.storage.migrate import NewerDatabaseError
from fastgw.storage.sqlite import OwnedElsewhereError, open_reader
from tests.model.calls import call_id, entry, settled


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[LedgerWriter]:
    writer = LedgerWriter(tmp_path / "x.db")
    yield writer
    with contextlib.suppress(sqlite3.Error):
        writer.close()


def record(call: LedgerEntry) -> tuple[int, bytes]:
    return call.id, msgspec.msgpack.encode(call)


def ask(path: Path, statement: str) -> list[tuple[Any, ...]]:
    connection = open_reader(path / "x.db")
    rows = [tuple(row) for row in connection.execute(statement)]
    connection.close()
    return rows


def test_a_batch_twice_is_a_batch_once(tmp_path: Path, writer: LedgerWriter) -> None:
    for _ in range(2):
        writer.apply(
            Batch(
                settled=[record(settled(1, cost_nano_usd=5)), record(settled(2))],
                unknown=[record(entry(2)), record(entry(3))],
                opened=[(call_id(4), "0001-a", b"opaque"), (call_id(5), "0001-a", b"gone")],
                closed=[call_id(5)],
                rejected=[(9, 7, "why", b"what")],
                durable=True,
            )
        )
    assert ask(tmp_path, "SELECT id, outcome, cost_nano_usd FROM entries") == [
        (call_id(1), "settled", 5),
        (call_id(2), "settled", 1000),
        (call_id(3), "unknown", 1000),
    ]
    assert writer.open_entries() == [(call_id(4), "0001-a", b"opaque")]
    assert ask(tmp_path, "SELECT * FROM rejected_records") == [(9, 7, "why", b"what")]


def test_bad_records_are_kept_aside_and_good_ones_written(tmp_path: Path, writer: LedgerWriter) -> None:
    too_large = settled(2, fingerprint=2**64 - 1)
    batch = Batch(
        settled=[
            record(settled(1)),
            record(too_large),
            (call_id(3), b"\xc1"),
            (call_id(4), record(settled(5))[1]),
            record(settled(6)),
        ],
        unknown=[(call_id(7), b""), record(entry(8))],
    )
    writer.apply(batch)
    assert [row[0] for row in ask(tmp_path, "SELECT id FROM entries")] == [call_id(1), call_id(6), call_id(8)]
    rejected = {row[0]: row[1:] for row in ask(tmp_path, "SELECT id, kind, problem, payload FROM rejected_records")}
    assert sorted(rejected) == [call_id(2), call_id(3), call_id(4), call_id(7)]
    assert rejected[call_id(2)][0] == 2
    assert rejected[call_id(2)][2] == record(too_large)[1]
    assert "its entry has the id" in rejected[call_id(4)][1]
    assert rejected[call_id(7)][0] == 1
    assert writer.rejected_records == 4


def test_a_failing_transaction_leaves_nothing(tmp_path: Path, writer: LedgerWriter) -> None:
    other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    other.execute("DROP TABLE rejected_records")
    batch = Batch(settled=[record(settled(1))], rejected=[(1, 1, "", b"")])
    with pytest.raises(sqlite3.OperationalError):
        writer.apply(batch)
    assert ask(tmp_path, "SELECT count(*) FROM entries") == [(0,)]
    other.execute("CREATE TABLE rejected_records (id, kind, problem, payload)")
    other.close()
    writer.apply(batch)
    assert ask(tmp_path, "SELECT count(*) FROM entries") == [(1,)]


def test_expire_takes_the_oldest_and_no_more(tmp_path: Path, writer: LedgerWriter) -> None:
    writer.apply(Batch(settled=[record(settled(number)) for number in range(10)]))
    before_ns = settled(6).started_ns
    assert writer.expire(before_ns, 4) == 4
    assert ask(tmp_path, "SELECT min(id) FROM entries") == [(call_id(4),)]
    assert writer.expire(before_ns, 4) == 2
    assert writer.expire(before_ns, 4) == 0
    assert ask(tmp_path, "SELECT min(id), count(*) FROM entries") == [(call_id(6), 4)]


def test_two_owners_and_newer_files_are_refused(tmp_path: Path, writer: LedgerWriter) -> None:
    with pytest.raises(OwnedElsewhereError):
        LedgerWriter(tmp_path / "x.db")
    writer.close()
    connection = sqlite3.connect(tmp_path / "x.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    for _ in range(2):  # the first refusal gives the lock back
        with pytest.raises(NewerDatabaseError):
            LedgerWriter(tmp_path / "x.db")


KILLED_MID_TRANSACTION = """
import os, sqlite3, sys
from fastgw.ledger.writer import LedgerWriter
from fastgw.ledger.schema import PUT_SETTLED, settled_row
import msgspec
from tests.model.calls import settled
writer = LedgerWriter(sys.argv[1])
writer._database.begin(durable=True)
connection = writer._database.connection
connection.execute("PRAGMA cache_size = 1")  # so that pages of the transaction reach the file before its commit
for number in range(2000):
    connection.execute(PUT_SETTLED, settled_row(msgspec.msgpack.encode(settled(number))))
os.kill(os.getpid(), 9)
"""


def test_an_owner_killed_in_a_transaction_leaves_the_file_whole_and_free(tmp_path: Path) -> None:
    first = LedgerWriter(tmp_path / "x.db")
    first.apply(Batch(settled=[record(settled(1, cost_nano_usd=5))]))
    first.close()
    command = [sys.executable, "-c", KILLED_MID_TRANSACTION, str(tmp_path / "x.db")]
    assert subprocess.run(command, cwd=os.getcwd(), check=False).returncode == -9
    second = LedgerWriter(tmp_path / "x.db")
    assert ask(tmp_path, "SELECT id, cost_nano_usd FROM entries") == [(call_id(1), 5)]
    assert ask(tmp_path, "PRAGMA integrity_check") == [("ok",)]
    second.apply(Batch(settled=[record(settled(2))]))
    second.close()
    assert ask(tmp_path, "SELECT count(*) FROM entries") == [(2,)]
