"""The table and the struct are the same thing."""

from __future__ import annotations

import sqlite3

import msgspec
import pytest

from fastgw.domain.entry import LedgerEntry
from fastgw.ledger.schema import COLUMNS, PUT_SETTLED, PUT_UNKNOWN, entry_of, first_id, settled_row, unknown_row
from fastgw.storage.migrate import load_migrations, migrate
from tests.model.calls import entry, settled

FULL = settled(
    5,
    streaming=True,
    metadata={"project_id": 'a"b', "ä": "雪"},
    other_usage={"web_search_calls": 3},
    cost_nano_usd=None,
    fingerprint=-(2**63),
)


@pytest.fixture
def connection() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, load_migrations("fastgw.ledger"))
    return connection


def put(connection: sqlite3.Connection, statement: str, call: LedgerEntry) -> None:
    row = settled_row(msgspec.msgpack.encode(call))
    connection.execute(statement, row)


def stored(connection: sqlite3.Connection) -> list[LedgerEntry]:
    return [entry_of(row) for row in connection.execute(f"SELECT {', '.join(COLUMNS)} FROM entries")]


def test_columns_are_the_fields_in_their_order(connection: sqlite3.Connection) -> None:
    found = [row[1] for row in connection.execute("PRAGMA table_info(entries)")]
    assert tuple(found) == COLUMNS == LedgerEntry.__struct_fields__
    connection.close()


def test_an_entry_survives_the_way_to_a_row_and_back(connection: sqlite3.Connection) -> None:
    put(connection, PUT_SETTLED, FULL)
    assert stored(connection) == [FULL]
    put(connection, PUT_SETTLED, settled(6))
    assert stored(connection)[1] == settled(6)
    connection.close()


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ((PUT_UNKNOWN, entry(1)), (PUT_SETTLED, settled(1, cost_nano_usd=7)), ("settled", 7)),
        ((PUT_SETTLED, settled(1, cost_nano_usd=7)), (PUT_UNKNOWN, entry(1)), ("settled", 7)),
        ((PUT_SETTLED, settled(1, cost_nano_usd=7)), (PUT_SETTLED, settled(1, cost_nano_usd=8)), ("settled", 7)),
        ((PUT_UNKNOWN, entry(1, cost_nano_usd=7)), (PUT_UNKNOWN, entry(1, cost_nano_usd=8)), ("unknown", 7)),
    ],
)
def test_only_a_settlement_replaces_and_only_an_unknown_row(
    connection: sqlite3.Connection,
    first: tuple[str, LedgerEntry],
    second: tuple[str, LedgerEntry],
    kept: tuple[str, int],
) -> None:
    put(connection, *first)
    put(connection, *second)
    (row,) = stored(connection)
    assert (row.outcome, row.cost_nano_usd) == kept
    if kept == ("settled", 7):
        assert row == settled(1, cost_nano_usd=7)
    connection.close()


def test_an_entry_of_an_older_build_has_its_missing_fields_at_their_defaults() -> None:
    shorter = msgspec.msgpack.decode(msgspec.msgpack.encode(FULL))[:20]
    row = dict(zip(COLUMNS, settled_row(msgspec.msgpack.encode(shorter)), strict=True))
    assert row["input_tokens"] == FULL.input_tokens
    assert (row["metadata"], row["worker"], row["price_version"]) == (None, 0, "")


def test_the_row_knows_the_worker_by_its_id() -> None:
    call = msgspec.structs.replace(settled(5, 37), worker=0)  # as a worker records it
    assert dict(zip(COLUMNS, settled_row(msgspec.msgpack.encode(call)), strict=True))["worker"] == 37


def test_what_is_no_entry_is_an_error() -> None:
    for payload in (b"", b"\xc1", msgspec.msgpack.encode([1, 2]), msgspec.msgpack.encode({"id": 1})):
        with pytest.raises(msgspec.MsgspecError):
            settled_row(payload)


def test_an_unknown_row_is_unknown_whatever_was_recorded() -> None:
    row = dict(zip(COLUMNS, unknown_row(msgspec.msgpack.encode(FULL)), strict=True))
    assert row["outcome"] == "unknown"
    assert row["metadata"] == '{"project_id":"a\\"b","ä":"雪"}'


def test_first_id_cuts_at_the_microsecond() -> None:
    call = entry(3, worker=5)
    assert first_id(call.started_ns) <= call.id < first_id(call.started_ns + 1000)
    assert first_id(call.started_ns + 1) > call.id
