"""Rows of bits: what is learnt, remembered and forgotten. tests/property/test_rules.py compares what they say with a model."""

from __future__ import annotations

import pytest

from fastgw._native.rule_program import RuleProgram, members


def test_rows_are_anded_and_learnt_once() -> None:
    asked: list[tuple[int, object]] = []

    def learn(slot: int, value: object) -> int:
        asked.append((slot, value))
        return 0b0110 if value == "x" else 0b1100

    program = RuleProgram(4, ["a", "b"], learn, timed=False)
    base = program.row(0b1111)
    for _ in range(3):
        assert members(program.match(base, {"a": "x", "b": "y", "c": "z"})) == (2,)
        assert members(program.match(base, None)) == (2, 3)
    assert asked == [(0, "x"), (1, "y"), (0, None), (1, None)]


def test_the_minute_is_one_more_fact() -> None:
    program = RuleProgram(2, [], lambda slot, value: 1 if (slot, value) == (0, 61) else 2, timed=True)
    assert members(program.match(program.row(3), None, 61)) == (0,)
    assert members(program.match(program.row(3), None, 62)) == (1,)


def test_without_anything_to_ask_the_base_is_the_answer() -> None:
    program = RuleProgram(70, [], lambda *_: 0, timed=False)
    base = program.row(1 << 69 | 1)
    assert program.match(base, {"a": "b"}) is base
    assert members(base) == (0, 69)


def test_a_full_memo_is_emptied_and_learns_again() -> None:
    asked: list[object] = []

    def learn(_: int, value: object) -> int:
        asked.append(value)
        return 1

    program = RuleProgram(1, ["a"], learn, timed=False)
    for number in range(4097):
        program.match(program.row(1), {"a": str(number)})
    program.match(program.row(1), {"a": "4096"})
    program.match(program.row(1), {"a": "0"})
    assert asked[-2:] == ["4096", "0"]


def test_no_rules_match_nothing() -> None:
    program = RuleProgram(0, ["a"], lambda *_: 0, timed=False)
    assert members(program.match(program.row(0), {"a": "b"})) == ()


def test_what_is_out_of_range() -> None:
    program = RuleProgram(3, [], lambda *_: 0, timed=False)
    with pytest.raises(OverflowError, match="more than 3"):
        program.row(8)
    with pytest.raises(ValueError, match="8 bytes"):
        program.match(b"", None)
    with pytest.raises(ValueError, match="rules"):
        RuleProgram(-1, [], lambda *_: 0, timed=False)
    with pytest.raises(OverflowError):
        RuleProgram(1, ["a"], lambda *_: 2, timed=False).match(bytes(8), {"a": "b"})
