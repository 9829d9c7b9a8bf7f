"""The view and the struct are the same thing, whatever way a call takes into the tables."""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec
import pytest

from fastgw.domain.entry import LedgerEntry
from fastgw.ledger.dimensions import Dimensions
from fastgw.ledger.schema import (
    COLUMNS,
    DIMENSION_COLUMNS,
    PUT_PLAIN,
    PUT_SETTLED,
    PUT_UNKNOWN,
    as_unknown,
    call_values,
    decode_any,
    entry_of,
    first_id,
    full_values,
    json_of,
    own_request_id,
)
from fastgw.storage.migrate import load_migrations, migrate
from tests.model.calls import call_id, entry, settled

FULL = settled(
    5,
    streaming=True,
    metadata={"project_id": 'a"b', "ä": "雪"},
    other_usage={"web_search_calls": 3},
    cost_nano_usd=None,
    fingerprint=-(2**63),
)
NULLABLE = {"cost_nano_usd", "metadata", "other_usage"}


@pytest.fixture
def connection() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, load_migrations("fastgw.ledger"))
    return connection


def put(connection: sqlite3.Connection, statement: str, call: LedgerEntry) -> None:
    row = decode_any(msgspec.msgpack.encode(call))
    dimension = Dimensions(connection, {}).find(row, None)
    values = (*call_values(row), dimension) if statement == PUT_PLAIN else full_values(row, dimension)
    connection.execute(statement, values)


def plain(number: int, worker: int = 0, **fields: Any) -> LedgerEntry:
    return settled(number, worker, request_id=own_request_id(call_id(number, worker)), **fields)


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
    "call",
    [
        plain(1),
        plain(1, metadata={}),
        settled(1, request_id=""),
        settled(1, request_id="fgw_"),
        plain(1, input_audio_tokens=1),
        plain(1, output_audio_tokens=2, input_image_tokens=3, output_image_tokens=4),
        plain(1, other_usage={}),
        plain(1, other_usage={"ä": 2**64 - 1, "input_audio_tokens": 5}),
        plain(1, outcome="unknown"),
        plain(1, cost_nano_usd=None, streaming=True),
    ],
)
def test_what_is_left_out_or_packed_comes_back(connection: sqlite3.Connection, call: LedgerEntry) -> None:
    put(connection, PUT_SETTLED, call)
    assert stored(connection) == [call]
    connection.close()


def test_every_field_of_a_plain_call_is_in_its_place(connection: sqlite3.Connection) -> None:
    numbers = {
        name: 100 + place
        for place, name in enumerate(COLUMNS)
        if (name.endswith(("_tokens", "_ns", "_usd")) and "audio" not in name and "image" not in name)
        or name in {"status", "attempts", "fingerprint"}
    }
    texts = {name: name for name in COLUMNS if name in DIMENSION_COLUMNS} | {"usage_source": "clamped"}
    call = plain(7, 9, **(texts | numbers | {"streaming": True}))
    put(connection, PUT_PLAIN, call)
    assert stored(connection) == [call]
    connection.close()


def test_a_request_id_that_is_ours_takes_no_room(connection: sqlite3.Connection) -> None:
    put(connection, PUT_SETTLED, plain(1))
    put(connection, PUT_SETTLED, settled(2, request_id=own_request_id(call_id(1))))
    assert connection.execute("SELECT request_id FROM calls").fetchall() == [(None,), (own_request_id(call_id(1)),)]
    connection.close()


def test_a_call_without_its_dimension_is_still_counted(connection: sqlite3.Connection) -> None:
    put(connection, PUT_SETTLED, settled(1))
    connection.execute("DELETE FROM dimensions")
    assert connection.execute("SELECT count(*), sum(cost_nano_usd), min(key) FROM entries").fetchone() == (
        1,
        1000,
        None,
    )
    connection.close()


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ((PUT_UNKNOWN, entry(1)), (PUT_SETTLED, settled(1, cost_nano_usd=7)), ("settled", 7)),
        ((PUT_SETTLED, settled(1, cost_nano_usd=7)), (PUT_UNKNOWN, entry(1)), ("settled", 7)),
        ((PUT_SETTLED, settled(1, cost_nano_usd=7)), (PUT_SETTLED, settled(1, cost_nano_usd=8)), ("settled", 7)),
        ((PUT_UNKNOWN, entry(1)), (PUT_PLAIN, plain(1, cost_nano_usd=7)), ("settled", 7)),
        ((PUT_PLAIN, plain(1, cost_nano_usd=7)), (PUT_UNKNOWN, entry(1)), ("settled", 7)),
        ((PUT_PLAIN, plain(1, cost_nano_usd=7)), (PUT_PLAIN, plain(1, cost_nano_usd=8)), ("settled", 7)),
        ((PUT_PLAIN, plain(1, cost_nano_usd=7)), (PUT_SETTLED, settled(1, cost_nano_usd=8)), ("settled", 7)),
        ((PUT_SETTLED, settled(1, cost_nano_usd=7)), (PUT_PLAIN, plain(1, cost_nano_usd=8)), ("settled", 7)),
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
        settlement = next(call for _, call in (first, second) if (call.outcome, call.cost_nano_usd) == kept)
        assert row == settlement
    connection.close()


def test_an_unknown_row_has_nothing_left_of_it_when_a_plain_call_settles_it(connection: sqlite3.Connection) -> None:
    put(connection, PUT_UNKNOWN, entry(1, metadata={"a": "b"}, other_usage={"x": 1}, input_audio_tokens=3))
    put(connection, PUT_PLAIN, plain(1))
    assert stored(connection) == [plain(1)]
    connection.close()


def test_an_entry_of_an_older_build_has_its_missing_fields_at_their_defaults() -> None:
    shorter = msgspec.msgpack.encode(msgspec.msgpack.decode(msgspec.msgpack.encode(FULL))[:20])
    row = dict(zip(COLUMNS, decode_any(shorter), strict=True))
    assert row["input_tokens"] == FULL.input_tokens
    assert (row["metadata"], row["worker"], row["price_version"]) == (None, 0, "")


def test_fields_of_a_newer_build_are_left_out() -> None:
    longer = msgspec.msgpack.encode([*msgspec.msgpack.decode(msgspec.msgpack.encode(FULL)), "new"])
    assert decode_any(longer) == decode_any(msgspec.msgpack.encode(FULL)) == msgspec.structs.astuple(FULL)


def test_the_row_knows_the_worker_by_its_id(connection: sqlite3.Connection) -> None:
    put(connection, PUT_SETTLED, msgspec.structs.replace(settled(5, 37), worker=0))  # as a worker records it
    assert stored(connection) == [settled(5, 37)]
    connection.close()


def test_what_is_no_entry_is_an_error() -> None:
    for payload in (b"", b"\xc1", msgspec.msgpack.encode([1, 2]), msgspec.msgpack.encode({"id": 1})):
        with pytest.raises(msgspec.MsgspecError):
            decode_any(payload)


@pytest.mark.parametrize("place", range(len(COLUMNS)))
def test_a_value_of_another_type_is_an_error(place: int) -> None:
    for wrong in ("5", 5, 5.0, None, True, [5], {"a": 5.0}):
        values = msgspec.msgpack.decode(msgspec.msgpack.encode(FULL))
        if type(wrong) is type(values[place]) or (wrong is None and COLUMNS[place] in NULLABLE):
            continue
        values[place] = wrong
        if COLUMNS[place] == "cost_nano_usd" and type(wrong) is int:
            continue
        with pytest.raises(msgspec.MsgspecError):
            decode_any(msgspec.msgpack.encode(values))


def test_an_unknown_row_is_unknown_whatever_was_recorded() -> None:
    row = as_unknown(decode_any(msgspec.msgpack.encode(FULL)))
    assert row == (*row[: COLUMNS.index("outcome")], "unknown", *row[COLUMNS.index("outcome") + 1 :])
    assert full_values(row, 7)[len(call_values(row)) :] == (
        7,
        0,
        "req-5",
        '{"project_id":"a\\"b","ä":"雪"}',
        '{"other_usage":{"web_search_calls":3}}',
    )


def test_packed_texts_as_json() -> None:
    assert json_of(msgspec.msgpack.encode({"ä": '"', "b": ""})) == '{"ä":"\\"","b":""}'
    for wrong in (b"", b"\x80\x80", msgspec.msgpack.encode({"a": 1}), msgspec.msgpack.encode([])):
        with pytest.raises(msgspec.MsgspecError):
            json_of(wrong)


def test_first_id_cuts_at_the_microsecond() -> None:
    call = entry(3, worker=5)
    assert first_id(call.started_ns) <= call.id < first_id(call.started_ns + 1000)
    assert first_id(call.started_ns + 1) > call.id


def test_first_id_of_a_time_that_no_id_can_tell() -> None:
    assert first_id(-1) == first_id(-(10**30)) == 0
    assert first_id(10**19) == first_id(10**30) == 2**63 - 1
