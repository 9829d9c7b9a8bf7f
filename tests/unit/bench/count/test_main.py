"""The comparison of instruction counts with a baseline."""

from __future__ import annotations

import pytest

from bench.count.__main__ import compare, find_operations, parse_instructions


@pytest.mark.parametrize("text", ["events: Ir\nsummary: 5110\n", "fn=(1)\ntotals: 5110\n"])
def test_parse_instructions(text: str) -> None:
    assert parse_instructions(text) == 5110


def test_parse_instructions_without_total() -> None:
    with pytest.raises(ValueError, match="no total"):
        parse_instructions("events: Ir\n# summary: 3\n")


def outcomes(counts: dict[str, int], *, gates: bool, complete: bool = True) -> list[bool | None]:
    return [line.is_met for line in compare(counts, {"a": 1000, "b": 500}, gates=gates, complete=complete)]


def test_the_same_environment_gates_at_three_per_cent() -> None:
    assert outcomes({"a": 1030, "b": 400}, gates=True) == [True, True]
    assert outcomes({"a": 1031, "b": 500}, gates=True) == [False, True]


def test_an_operation_that_came_or_went_must_be_recorded() -> None:
    assert outcomes({"a": 1000, "b": 500, "c": 1}, gates=True) == [True, True, False]
    assert outcomes({"a": 1000}, gates=True) == [True, False]
    assert outcomes({"a": 1000}, gates=True, complete=False) == [True]


def test_another_environment_only_reports() -> None:
    assert outcomes({"a": 9999, "c": 1}, gates=False) == [None, None, None]


def test_operations_are_found_and_work() -> None:
    assert find_operations("entry.enc*") == {"entry.encode": "bench.count.ops_entry"}
    assert find_operations("nothing") == {}
