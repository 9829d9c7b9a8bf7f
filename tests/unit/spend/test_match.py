from __future__ import annotations

import pytest

from fastgw.spend.match import Clause, ModelIndex, is_glob_match, with_dashed_date


@pytest.mark.parametrize(
    ("clause", "yes", "no"),
    [
        (Clause("equals", "gpt-4"), "gpt-4", "gpt-4o"),
        (Clause("prefix", "gpt-"), "gpt-4o", "my-gpt-4"),
        (Clause("suffix", ":free"), "x:free", ":free-not"),
        (Clause("contains", "claude"), "eu.claude-3", "cloud"),
        (Clause("regex", "^o[134]"), "o3-mini", "gpt-o3"),
        (Clause("or", parts=(Clause("equals", "a"), Clause("prefix", "b"))), "bx", "ax"),
        (Clause("and", parts=(Clause("prefix", "a"), Clause("suffix", "z"))), "a-z", "a-y"),
    ],
)
def test_each_kind_of_clause(clause: Clause, yes: str, no: str) -> None:
    assert clause.is_match(yes)
    assert not clause.is_match(no)


def test_the_first_model_wins_whether_named_exactly_or_by_pattern() -> None:
    index = ModelIndex(
        [
            Clause("or", parts=(Clause("equals", "one"), Clause("equals", "two-c"), Clause("prefix", "two-b"))),
            Clause("prefix", "two"),
            Clause("or", parts=(Clause("equals", "two-a"), Clause("equals", "one"), Clause("equals", "last"))),
        ]
    )
    assert index.find("one") == 0
    assert index.find("two-b-1") == 0
    assert index.find("two-c") == 0
    assert index.find("two-a") == 1
    assert index.find("last") == 2
    assert index.find("three") is None


@pytest.mark.parametrize(
    ("name", "dashed"),
    [
        ("gpt-5.2-20251211", "gpt-5.2-2025-12-11"),
        ("a-20251211-b", "a-2025-12-11-b"),
        ("a-20251211:free", "a-2025-12-11:free"),
        ("a-20250230", "a-20250230"),
        ("a-20251311", "a-20251311"),
        ("a-202512110", "a-202512110"),
        ("a-2025-12-11", "a-2025-12-11"),
    ],
)
def test_real_compact_dates_get_dashes(name: str, dashed: str) -> None:
    assert with_dashed_date(name) == dashed


def test_globs_ignore_case_and_match_whole_names() -> None:
    assert is_glob_match(["nothing", "GPT-*"], "gpt-4O")
    assert is_glob_match(["claude-?-[ab]"], "claude-4-b")
    assert not is_glob_match(["gpt"], "gpt-4")
    assert not is_glob_match([], "gpt-4")
