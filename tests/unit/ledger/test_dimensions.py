"""The dimensions: what is remembered is there, and none goes that a call still has."""

from __future__ import annotations

import sqlite3

import msgspec
import pytest

from fastgw.ledger.dimensions import MAX_REMEMBERED, SPAN_IDS, Dimensions
from fastgw.ledger.schema import DIMENSION_COLUMNS, Row, decode_any, dimension_of
from fastgw.storage.migrate import load_migrations, migrate
from tests.model.calls import settled


@pytest.fixture
def connection() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, load_migrations("fastgw.ledger"))
    return connection


def row(team: str = "a", **fields: object) -> Row:
    return decode_any(msgspec.msgpack.encode(settled(1, team=team, **fields)))


def remember(connection: sqlite3.Connection) -> Dimensions:
    return Dimensions(connection, {})


def stored(connection: sqlite3.Connection) -> dict[str, int]:
    return dict(connection.execute("SELECT team, until_id FROM dimensions ORDER BY id"))


def test_what_is_found_is_one_row_and_remembered(connection: sqlite3.Connection) -> None:
    shapes: dict[bytes, int] = {}
    dimensions = Dimensions(connection, shapes)
    first, second = dimensions.find(row("a"), None), dimensions.find(row("b"), None)
    assert first != second
    assert dimensions.find(row("a", output_tokens=5, metadata={"x": "y"}, input_audio_tokens=3), None) == first
    assert dimensions.names == {first: dimension_of(row("a")), second: dimension_of(row("b"))}
    assert shapes == {}
    assert dimensions.find(row("a"), b"shape of a") == first
    assert shapes == {b"shape of a": first}
    again = remember(connection)
    assert again.names == {}
    assert (again.find(row("b"), None), again.find(row("a"), None)) == (second, first)
    assert list(stored(connection)) == ["a", "b"]
    connection.close()


def test_each_column_makes_another_dimension(connection: sqlite3.Connection) -> None:
    dimensions = remember(connection)
    names = [name for name in DIMENSION_COLUMNS if name not in {"streaming", "usage_source"}]
    others = [row(**{name: "other"}) for name in names]
    others += [row(streaming=True), row(usage_source="clamped")]
    assert len({dimensions.find(other, None) for other in [row(), *others]}) == 14
    assert connection.execute("SELECT count(*) FROM dimensions").fetchone() == (14,)
    connection.close()


def test_values_that_do_not_fit_are_an_error_and_not_remembered(connection: sqlite3.Connection) -> None:
    dimensions = remember(connection)
    with pytest.raises(OverflowError):
        dimensions.find(tuple(2**63 if value is False else value for value in row()), None)
    assert dimensions.names == {}
    connection.close()


def test_more_than_the_bound_is_forgotten_between_batches_only(connection: sqlite3.Connection) -> None:
    dimensions = remember(connection)
    known = dimensions.names
    connection.execute("BEGIN")
    for number in range(MAX_REMEMBERED):
        dimensions.find(row(f"{number}"), None)
    dimensions.trim()
    assert len(known) == MAX_REMEMBERED
    dimensions.find(row("one more"), None)
    assert len(known) == MAX_REMEMBERED + 1
    connection.execute("COMMIT")
    dimensions.trim()
    assert dimensions.names is known
    assert known == {}
    assert dimensions.find(row("7"), None) == 8
    connection.close()


def test_what_a_batch_used_is_covered_for_an_hour_and_then_ages(connection: sqlite3.Connection) -> None:
    dimensions = remember(connection)
    dimensions.find(row("a"), None)
    dimensions.find(row("b"), None)
    dimensions.cover(1000)
    assert stored(connection) == {"a": 1000 + SPAN_IDS, "b": 1000 + SPAN_IDS}
    dimensions.find(row("a"), None)
    dimensions.cover(999 + SPAN_IDS)
    assert stored(connection) == {"a": 1000 + SPAN_IDS, "b": 1000 + SPAN_IDS}
    assert len(dimensions.names) == 1
    dimensions.find(row("a"), None)
    dimensions.find(row("c"), None)
    assert stored(connection)["c"] == 1000 + SPAN_IDS
    dimensions.cover(1000 + SPAN_IDS)
    assert dimensions.names == {}
    assert stored(connection) == {"a": 1000 + 2 * SPAN_IDS, "b": 1000 + SPAN_IDS, "c": 1000 + 2 * SPAN_IDS}
    connection.close()


def test_a_restart_never_takes_cover_away(connection: sqlite3.Connection) -> None:
    dimensions = remember(connection)
    dimensions.find(row("a"), None)
    dimensions.cover(10 * SPAN_IDS)
    late = remember(connection)
    late.find(row("a"), None)
    late.cover(5)  # calls of long ago
    assert stored(connection) == {"a": 11 * SPAN_IDS}
    connection.close()


def test_what_was_rolled_back_is_forgotten(connection: sqlite3.Connection) -> None:
    dimensions = remember(connection)
    connection.execute("BEGIN")
    dimensions.find(row("a"), None)
    dimensions.cover(1000)
    dimensions.find(row("b"), None)
    dimensions.forget()
    connection.execute("ROLLBACK")
    assert dimensions.names == {}
    assert dimensions.find(row("b"), None) == 1
    dimensions.cover(1000)
    assert stored(connection) == {"b": 1000 + SPAN_IDS}
    connection.close()


def test_expiry_takes_what_is_not_covered_in_small_batches_and_rarely(connection: sqlite3.Connection) -> None:
    dimensions = remember(connection)
    for team in "abcde":
        dimensions.find(row(team), None)
    dimensions.cover(0)
    dimensions.find(row("a"), None)
    dimensions.find(row("f"), None)
    dimensions.cover(SPAN_IDS)
    dimensions.find(row("b"), None)
    dimensions.expire(SPAN_IDS - 1, 3)
    assert len(stored(connection)) == 6
    dimensions.expire(SPAN_IDS, 3)
    assert list(stored(connection)) == ["a", "b", "f"]  # b is used again: its cover was raised when it was looked up
    assert dimensions.names == {}
    dimensions.expire(SPAN_IDS, 3)
    dimensions.find(row("g"), None)
    connection.execute("UPDATE dimensions SET until_id = 1 WHERE team = 'g'")
    dimensions.expire(2 * SPAN_IDS - 1, 3)
    assert list(stored(connection)) == ["a", "b", "f", "g"]
    for _ in range(2):
        dimensions.expire(2 * SPAN_IDS, 3)
    assert stored(connection) == {}
    connection.close()


def test_the_columns_are_those_of_the_table(connection: sqlite3.Connection) -> None:
    found = connection.execute("SELECT * FROM dimensions").description
    assert tuple(column[0] for column in found)[1:-1] == DIMENSION_COLUMNS
    connection.close()
