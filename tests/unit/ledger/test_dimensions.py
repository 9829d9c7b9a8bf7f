"""The dimensions: what is remembered is there, and none goes that a call still has."""

from __future__ import annotations

import sqlite3

import msgspec
import pytest

from fastgw.ledger.dimensions import MAX_REMEMBERED, SPAN_IDS, Dimensions
from fastgw.ledger.schema import DIMENSION_COLUMNS, PLAIN, Row, decode_row, dimension_of, shape_of
from fastgw.storage.migrate import load_migrations, migrate
from tests.model.calls import settled


@pytest.fixture
def connection() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, load_migrations("fastgw.ledger"))
    return connection


def row(team: str = "a", **fields: object) -> Row:
    return decode_row(msgspec.msgpack.encode(settled(1, team=team, **fields)))


def stored(connection: sqlite3.Connection) -> dict[str, int]:
    return dict(connection.execute("SELECT team, until_id FROM dimensions ORDER BY id"))


def test_what_is_found_is_one_row_and_remembered_for_plain_calls(connection: sqlite3.Connection) -> None:
    dimensions = Dimensions(connection)
    first, second = dimensions.find(row("a")), dimensions.find(row("b"))
    assert first != second
    assert dimensions.find(row("a", output_tokens=5, metadata={"x": "y"}, input_audio_tokens=3)) == first
    assert dimensions.by_shape == {shape_of(row("a")): first, shape_of(row("b")): second}
    again = Dimensions(connection)
    assert again.by_shape == {}
    assert (again.find(row("b")), again.find(row("a"))) == (second, first)
    assert list(stored(connection)) == ["a", "b"]
    connection.close()


def test_each_column_makes_another_dimension(connection: sqlite3.Connection) -> None:
    dimensions = Dimensions(connection)
    names = [name for name in DIMENSION_COLUMNS if name not in {"streaming", "usage_source"}]
    others = [row(**{name: "other"}) for name in names]
    others += [row(streaming=True), row(usage_source="clamped")]
    assert len({dimensions.find(other) for other in [row(), *others]}) == 14
    assert connection.execute("SELECT count(*) FROM dimensions").fetchone() == (14,)
    connection.close()


def test_values_that_do_not_fit_are_an_error_and_not_remembered(connection: sqlite3.Connection) -> None:
    dimensions = Dimensions(connection)
    with pytest.raises(OverflowError):
        dimensions.find(tuple(2**63 if value is False else value for value in row()))
    assert dimensions.by_shape == {}
    connection.close()


def test_more_than_the_bound_is_forgotten_between_batches_only(connection: sqlite3.Connection) -> None:
    dimensions = Dimensions(connection)
    known = dimensions.by_shape
    connection.execute("BEGIN")
    for number in range(MAX_REMEMBERED):
        dimensions.find(row(f"{number}"))
    dimensions.trim()
    assert len(known) == MAX_REMEMBERED
    dimensions.find(row("one more"))
    assert len(known) == MAX_REMEMBERED + 1
    connection.execute("COMMIT")
    dimensions.trim()
    assert dimensions.by_shape is known
    assert known == {}
    assert dimensions.find(row("7")) == 8
    connection.close()


def test_what_a_batch_used_is_covered_for_an_hour_and_then_ages(connection: sqlite3.Connection) -> None:
    dimensions = Dimensions(connection)
    dimensions.find(row("a"))
    dimensions.find(row("b"))
    dimensions.cover(1000)
    assert stored(connection) == {"a": 1000 + SPAN_IDS, "b": 1000 + SPAN_IDS}
    dimensions.find(row("a"))
    dimensions.cover(999 + SPAN_IDS)
    assert stored(connection) == {"a": 1000 + SPAN_IDS, "b": 1000 + SPAN_IDS}
    assert len(dimensions.by_shape) == 1
    dimensions.find(row("a"))
    dimensions.find(row("c"))
    assert stored(connection)["c"] == 1000 + SPAN_IDS
    dimensions.cover(1000 + SPAN_IDS)
    assert dimensions.by_shape == {}
    assert stored(connection) == {"a": 1000 + 2 * SPAN_IDS, "b": 1000 + SPAN_IDS, "c": 1000 + 2 * SPAN_IDS}
    connection.close()


def test_a_restart_never_takes_cover_away(connection: sqlite3.Connection) -> None:
    dimensions = Dimensions(connection)
    dimensions.find(row("a"))
    dimensions.cover(10 * SPAN_IDS)
    late = Dimensions(connection)
    late.find(row("a"))
    late.cover(5)  # calls of long ago
    assert stored(connection) == {"a": 11 * SPAN_IDS}
    connection.close()


def test_what_was_rolled_back_is_forgotten(connection: sqlite3.Connection) -> None:
    dimensions = Dimensions(connection)
    connection.execute("BEGIN")
    dimensions.find(row("a"))
    dimensions.cover(1000)
    dimensions.find(row("b"))
    dimensions.forget()
    connection.execute("ROLLBACK")
    assert dimensions.by_shape == {}
    assert dimensions.find(row("b")) == 1
    dimensions.cover(1000)
    assert stored(connection) == {"b": 1000 + SPAN_IDS}
    connection.close()


def test_expiry_takes_what_is_not_covered_in_small_batches_and_rarely(connection: sqlite3.Connection) -> None:
    dimensions = Dimensions(connection)
    for team in "abcde":
        dimensions.find(row(team))
    dimensions.cover(0)
    dimensions.find(row("a"))
    dimensions.find(row("f"))
    dimensions.cover(SPAN_IDS)
    dimensions.find(row("b"))
    dimensions.expire(SPAN_IDS - 1, 3)
    assert len(stored(connection)) == 6
    dimensions.expire(SPAN_IDS, 3)
    assert list(stored(connection)) == ["a", "b", "f"]  # b is used again: its cover was raised when it was looked up
    assert dimensions.by_shape == {}
    dimensions.expire(SPAN_IDS, 3)
    dimensions.find(row("g"))
    connection.execute("UPDATE dimensions SET until_id = 1 WHERE team = 'g'")
    dimensions.expire(2 * SPAN_IDS - 1, 3)
    assert list(stored(connection)) == ["a", "b", "f", "g"]
    for _ in range(2):
        dimensions.expire(2 * SPAN_IDS, 3)
    assert stored(connection) == {}
    connection.close()


def test_the_columns_are_those_of_the_table(connection: sqlite3.Connection) -> None:
    found = connection.execute("SELECT * FROM dimensions").description
    assert [column[0] for column in found][1:-1] == [
        "key",
        "user",
        "team",
        "alias",
        "target",
        "provider",
        "region",
        "dialect",
        "operation",
        "streaming",
        "error_code",
        "usage_source",
        "price_version",
    ]
    assert len(dimension_of(row())) + len(PLAIN) == len(shape_of(row()))
    connection.close()
