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
from fastgw.ledger.dimensions import MAX_REMEMBERED
from fastgw.ledger.schema import COLUMNS, DIMENSION_COLUMNS, PLAIN_ROWS, entry_of
from fastgw.ledger.writer import LATENCY_BOUNDS_NS, Batch, LedgerWriter, Observed
from fastgw.storage.migrate import NewerDatabaseError
from fastgw.storage.sqlite import OwnedElsewhereError, open_reader
from tests.model.calls import START_US, call_id, entry, settled


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


def plain(number: int, **fields: Any) -> LedgerEntry:
    return settled(number, request_id=f"fgw_{call_id(number):016x}", **fields)


def test_usual_and_unusual_calls_share_a_batch_and_a_dimension(tmp_path: Path, writer: LedgerWriter) -> None:
    for start in (0, 10):
        calls = [
            plain(start),
            plain(start + 1, output_tokens=5),
            settled(start + 2),
            plain(start + 3, metadata={"a": "b"}),
            plain(start + 4, other_usage={"searches": 2}),
            plain(start + 5, input_audio_tokens=7),
            plain(start + 6, outcome="unknown"),
            plain(start + 7, cost_nano_usd=None),
        ]
        writer.apply(Batch(settled=[record(call) for call in calls]))
        columns = ", ".join(COLUMNS)
        found = ask(tmp_path, f"SELECT {columns} FROM entries WHERE id >= {call_id(start)} ORDER BY id")
        assert [entry_of(row) for row in found] == calls
    assert ask(tmp_path, "SELECT count(*), count(DISTINCT dimension) FROM calls") == [(16, 1)]
    assert ask(tmp_path, "SELECT count(*) FROM dimensions") == [(1,)]


def test_many_usual_calls_are_written_like_one(tmp_path: Path, writer: LedgerWriter) -> None:
    """Whole statements of rows, what is left of them, and calls among them that were unknown or written before."""
    count = 2 * PLAIN_ROWS + 3
    calls = [
        plain(number, input_tokens=number, cost_nano_usd=None if number % 7 else number) for number in range(count)
    ]
    writer.apply(Batch(settled=[record(calls[5])], unknown=[record(entry(PLAIN_ROWS + 1)), record(entry(count - 1))]))
    for _ in range(2):
        writer.apply(Batch(settled=[record(call) for call in calls]))
        found = ask(tmp_path, f"SELECT {', '.join(COLUMNS)} FROM entries ORDER BY id")
        assert [entry_of(row) for row in found] == calls


def test_a_row_that_is_refused_among_many_holds_nobody_up(tmp_path: Path, writer: LedgerWriter) -> None:
    refused = call_id(PLAIN_ROWS // 2)
    other = sqlite3.connect(tmp_path / "x.db")
    trigger = f"WHEN NEW.id = {refused} BEGIN SELECT RAISE(ABORT, 'not this one'); END"
    other.execute(f"CREATE TRIGGER refuse BEFORE INSERT ON calls {trigger}")
    other.close()
    calls = [record(plain(number)) for number in range(PLAIN_ROWS + 1)]
    writer.apply(Batch(settled=calls))
    assert ask(tmp_path, "SELECT count(*) FROM entries") == [(PLAIN_ROWS,)]
    assert ask(tmp_path, "SELECT id, problem FROM rejected_records") == [(refused, "not this one")]


def test_records_of_other_builds_and_of_other_types(tmp_path: Path, writer: LedgerWriter) -> None:
    values = msgspec.msgpack.decode(record(plain(2, input_tokens=3))[1])
    broken = {
        2: [*values[:18], "3", *values[19:]],
        3: [*values[:18], None, *values[19:]],
        4: [*values[:3], 5, *values[4:]],
        5: [*values[:18], 2**63, *values[19:]],
    }
    encode = msgspec.msgpack.encode
    wrong = [(call_id(number), encode([call_id(number), *found[1:]])) for number, found in broken.items()]
    older, newer = (call_id(7), encode([call_id(7), *values[1:20]])), (call_id(8), encode([call_id(8), *values[1:], 1]))
    told: list[Observed] = []
    writer._observe = told.append
    for _ in range(2):  # the second time, the shape is known
        told.clear()
        writer.apply(Batch(settled=[record(plain(1)), *wrong, older, newer, record(plain(9))]))
        good = [call_id(number) for number in (1, 7, 8, 9)]
        assert [row[0] for row in ask(tmp_path, "SELECT id FROM entries ORDER BY id")] == good
        assert sum(group.calls for calls in told for group in calls.values()) == len(good)
        assert [row[0] for row in ask(tmp_path, "SELECT id FROM rejected_records ORDER BY id")] == [
            call_id(number) for number in broken
        ]


def test_what_is_told_are_sums_by_dimension_and_status(tmp_path: Path) -> None:
    told: list[Observed] = []
    writer = LedgerWriter(tmp_path / "told.db", observe=told.append)
    a = [
        plain(1, team="a"),
        plain(2, team="a", latency_ns=LATENCY_BOUNDS_NS[0] + 1),
        settled(3, team="a", metadata={"a": "b"}),
    ]
    b = [plain(5, team="b", status=502, cost_nano_usd=None)]
    unknown = settled(4, team="c")
    writer.apply(Batch(settled=[record(call) for call in [*a, *b]], unknown=[record(unknown)]))
    writer.apply(Batch(settled=[record(plain(6, team="a"))]))
    teams = [
        {(name[DIMENSION_COLUMNS.index("team")], status): group for (name, status), group in calls.items()}
        for calls in told
    ]
    assert [{key: group.calls for key, group in calls.items()} for calls in teams] == [
        {("a", 200): 3, ("b", 502): 1, ("c", 200): 1},
        {("a", 200): 1},
    ]
    group = teams[0]["a", 200]
    assert group.nano_usd == sum(call.cost_nano_usd or 0 for call in a)
    assert group.tokens[0] == sum(call.input_tokens for call in a)
    assert group.tokens[4] == sum(call.output_tokens for call in a)
    assert group.latency_ns == sum(call.latency_ns for call in a)
    assert sum(group.buckets) == 3
    assert group.buckets[1] >= 1
    assert (teams[0]["b", 502].unpriced, teams[0]["b", 502].nano_usd) == (1, 0)
    writer.close()


def test_nothing_is_told_of_a_batch_that_failed(tmp_path: Path) -> None:
    told: list[Any] = []
    writer = LedgerWriter(tmp_path / "told.db", observe=told.append)
    with pytest.raises(sqlite3.Error):
        writer.apply(Batch(settled=[record(plain(1))], closed=[object()]))  # type: ignore[list-item]
    assert told == []
    writer.close()


def test_a_rolled_back_dimension_is_made_again(tmp_path: Path, writer: LedgerWriter) -> None:
    writer.apply(Batch(settled=[record(plain(1, team="first"))]))
    batch = Batch(settled=[record(plain(2, team="second")), record(plain(3, team="second"))], closed=[object()])  # type: ignore[list-item]
    with pytest.raises(sqlite3.Error):
        writer.apply(batch)
    writer.apply(Batch(settled=[record(plain(4, team="third")), record(plain(5, team="first"))]))
    batch.closed.clear()
    writer.apply(batch)
    assert ask(tmp_path, "SELECT id, team FROM entries ORDER BY id") == [
        (call_id(1), "first"),
        (call_id(2), "second"),
        (call_id(3), "second"),
        (call_id(4), "third"),
        (call_id(5), "first"),
    ]


def test_a_restart_finds_the_dimensions_that_are_there(tmp_path: Path) -> None:
    for number in range(3):
        writer = LedgerWriter(tmp_path / "x.db")
        writer.apply(Batch(settled=[record(plain(number)), record(plain(number + 10, team="b"))]))
        writer.close()
    assert ask(tmp_path, "SELECT team, count(*) FROM entries GROUP BY 1") == [("", 3), ("b", 3)]
    assert ask(tmp_path, "SELECT count(*) FROM dimensions") == [(2,)]


def test_more_dimensions_than_are_remembered(tmp_path: Path, writer: LedgerWriter) -> None:
    for _ in range(2):
        for start in range(0, 6000, 1000):
            numbers = range(start, start + 1000)
            writer.apply(Batch(settled=[record(plain(number, alias=f"m{number}")) for number in numbers]))
            assert len(writer._dimensions.names) <= MAX_REMEMBERED + 1000
    assert ask(tmp_path, "SELECT count(*), count(DISTINCT alias) FROM entries") == [(6000, 6000)]
    assert ask(tmp_path, f"SELECT count(*) FROM entries WHERE alias = 'm' || ((id >> 10) - {START_US})") == [(6000,)]
    assert ask(tmp_path, "SELECT count(*) FROM dimensions") == [(6000,)]


def test_dimensions_go_with_their_last_call(tmp_path: Path, writer: LedgerWriter) -> None:
    hour = 3_600_000_000
    for number in range(8):
        calls = [plain(number * hour, team=f"of hour {number}"), plain(number * hour + 1, team="always")]
        writer.apply(Batch(settled=[record(call) for call in calls]))
    while writer.expire(settled(4 * hour).started_ns, 3):
        pass
    missing = "SELECT count(*) FROM entries WHERE key IS NULL"
    assert ask(tmp_path, missing) == [(0,)]
    assert ask(tmp_path, "SELECT count(*) FROM entries") == [(8,)]
    kept = [team for (team,) in ask(tmp_path, "SELECT team FROM dimensions ORDER BY id")]
    # One may stay an hour longer than its calls.
    assert kept == ["always", "of hour 3", "of hour 4", "of hour 5", "of hour 6", "of hour 7"]
    writer.apply(Batch(settled=[record(plain(8 * hour, team="of hour 0")), record(plain(8 * hour + 1, team="always"))]))
    assert ask(tmp_path, missing) == [(0,)]
    assert ask(tmp_path, "SELECT team FROM entries ORDER BY id DESC LIMIT 2") == [("always",), ("of hour 0",)]


def test_the_last_id_is_of_calls_of_any_kind(writer: LedgerWriter) -> None:
    assert writer.last_id() == 0
    writer.apply(Batch(settled=[record(plain(2))], unknown=[record(entry(3))]))
    assert writer.last_id() == call_id(3)
    writer.apply(Batch(opened=[(call_id(5), "0001-a", b"")], settled=[record(plain(4))]))
    assert writer.last_id() == call_id(5)


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
from fastgw.ledger.dimensions import MAX_REMEMBERED
from fastgw.ledger.schema import COLUMNS, entry_of
from fastgw.ledger.writer import LedgerWriter
import msgspec
from tests.model.calls import settled
writer = LedgerWriter(sys.argv[1])
writer._database.begin(durable=True)
connection = writer._database.connection
connection.execute("PRAGMA cache_size = 1")  # so that pages of the transaction reach the file before its commit
calls = [settled(number) for number in range(2000)]
writer._put_settled([(call.id, msgspec.msgpack.encode(call)) for call in calls], [])
assert connection.execute("SELECT count(*) FROM entries").fetchone() == (2000,)
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
