"""Grouping: a closed list, bound parameters, exact sums."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastgw.ledger.queries import GROUP_FIELDS, Spend, entries_query, spend_query, spend_row
from fastgw.storage.sqlite import open_reader
from tests.model.calls import call_id, settled


def ask(path: Path, by: list[str], since_ns: int | None = None, until_ns: int | None = None) -> list[Spend]:
    connection = open_reader(path)
    rows = [spend_row(tuple(row), len(by)) for row in connection.execute(*spend_query(by, since_ns, until_ns))]
    connection.close()
    return rows


def test_totals(ledger: Path) -> None:
    (total,) = ask(ledger, [])
    assert (total.group, total.calls, total.errors, total.unpriced_calls, total.unknown_calls) == ((), 4, 1, 1, 1)
    assert (total.cost_nano_usd, total.input_tokens, total.output_tokens) == (2_000_001_501, 10, 4)


def test_groups_are_sorted_by_cost(ledger: Path) -> None:
    rows = ask(ledger, ["team", "model"])
    assert [(row.group, row.calls, row.cost_nano_usd) for row in rows] == [
        (("a", "gpt-4"), 2, 2_000_001_500),
        (("=cmd|' /C calc'!A0", "gpt-4"), 1, 1),
        (("b", "haiku"), 1, 0),
    ]
    assert [row.unpriced_calls for row in rows] == [0, 0, 1]


def test_metadata_of_any_name(ledger: Path) -> None:
    assert [(row.group, row.calls) for row in ask(ledger, ["metadata.env.x"])] == [
        (("prod",), 1),
        (("dev",), 1),
        ((None,), 2),
    ]
    assert [row.group for row in ask(ledger, ["metadata.project id", "team"])][1] == ("p", "a")
    assert [row.group for row in ask(ledger, ["metadata.none') OR 1=1 --"])] == [(None,)]


@pytest.mark.parametrize("name", GROUP_FIELDS)
def test_every_field_can_be_grouped_by(ledger: Path, name: str) -> None:
    assert sum(row.calls for row in ask(ledger, [name])) == 4


@pytest.mark.parametrize(
    "name", ["", "id", "metadata", "metadata.", 'metadata.a"', "metadata.a\\", "metadata.\x00", "team; DROP"]
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="by:"):
        spend_query([name])


def test_too_many_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 8"):
        spend_query(["team"] * 9)


def test_time_ranges_are_half_open(ledger: Path) -> None:
    first, second = settled(0).started_ns, settled(1).started_ns
    assert ask(ledger, [], first, second)[0].calls == 1
    assert ask(ledger, [], second)[0].calls == 3
    assert ask(ledger, [], None, second)[0].calls == 1
    assert ask(ledger, [], first, first)[0].calls == 0
    assert [row.group[0] for row in ask(ledger, ["day"])] == ["2026-09-21", "2026-09-22"]


def test_time_ranges_use_the_primary_key(ledger: Path) -> None:
    connection = open_reader(ledger)
    statement, parameters = spend_query(["team"], 1, 2)
    plan = " ".join(row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))
    assert "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)" in plan
    statement, parameters = entries_query(2)
    assert [row["id"] for row in connection.execute(statement, parameters)] == [call_id(86_400_000_000), call_id(2)]
    connection.close()
