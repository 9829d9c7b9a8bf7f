"""The draft: rows that the loader takes, names that are used once, no secret."""

from __future__ import annotations

import pytest

from fastgw.importers.draft import Draft, literal
from fastgw.importers.toml_text import Row

BUDGET: Row = {"id": "a", "limit_usd": 1, "window": "day"}


def problems(draft: Draft) -> list[str]:
    return [f"{each.kind} {each.path} {each.why}" for each in draft.findings.all]


def test_rows_that_are_good_are_kept_in_order() -> None:
    draft = Draft()
    assert draft.add("budgets", "p", BUDGET)
    assert draft.add("budgets", "p", {**BUDGET, "id": "b", "alerts": [0.75, 1.0]})
    assert draft.add("keys", "p", {"name": "k", "secret": "env:K"})
    assert draft.add_provider("p", "up", {"kind": "openai", "api_key": "env:K"})
    assert [row["id"] for row in draft.rows["budgets"]] == ["a", "b"]
    assert list(draft.sections())[:2] == ["server", "providers"]
    assert problems(draft) == []


@pytest.mark.parametrize(
    ("section", "row"),
    [
        ("budgets", {**BUDGET, "id": "not an id"}),
        ("budgets", {**BUDGET, "when": {"metadata": {"x" * 129: "y"}}}),
        ("budgets", {**BUDGET, "when": {"subjects": ["user:sk-abcdefghijklmnopqrst"]}}),
        ("budgets", {**BUDGET, "when": {"metadata": {"sk-abcdefghijklmnopqrst": "y"}}}),
        ("users", {"name": "x" * 129}),
        ("prices", {"provider": "p", "models": ["m"], "cached_input_usd_per_mtok": 1}),
        ("prices", {"provider": "p", "models": ["m"], "input_usd_per_mtok": 0.0000001}),
    ],
)
def test_rows_that_are_not_are_told(section: str, row: dict[str, object]) -> None:
    draft = Draft()
    assert not draft.add(section, "rules[0]", row)  # type: ignore[arg-type] # what a source may bring
    assert draft.rows[section] == []
    assert len(problems(draft)) == 1
    assert "abcdefghijklmnopqrst" not in problems(draft)[0]


@pytest.mark.parametrize(
    "row",
    [
        {"kind": "azure"},
        {"kind": "openai"},
        {"kind": "openai", "base_url": "http://u:hunter2@h/v1"},
        {"kind": "openai", "base_url": "ftp://hunter2"},
        {"kind": "openai", "base_url": "http://h/v1", "ca_file": "x"},
    ],
)
def test_providers_that_cannot_be_called_are_told(row: dict[str, str]) -> None:
    draft = Draft()
    assert not draft.add_provider("model_list[0]", "up", row)
    assert draft.providers == {}
    assert len(problems(draft)) == 1
    assert "hunter2" not in problems(draft)[0]


def test_names_are_used_once() -> None:
    draft = Draft()
    assert [draft.new_id("my rule!"), draft.new_id("my rule?"), draft.new_id(""), draft.new_id("é")] == [
        "my-rule",
        "my-rule-2",
        "rule",
        "rule-2",
    ]
    assert draft.new_id("sk-abcdefghijklmnopqrst") == "rule-3"
    assert [draft.new_group("g"), draft.new_group("g"), draft.new_group("")] == ["g", "g-2", "imported"]
    assert draft.new_group("sk-abcdefghijklmnopqrst") == "imported-2"
    assert [draft.new_key("k"), draft.new_key("k")] == ["k", "k-2"]
    draft.keep_env("OPENAI_API_KEY")
    assert [draft.new_env("openai api-key"), draft.new_env("1x"), draft.new_env("é")] == [
        "OPENAI_API_KEY_2",
        "FASTGW_1X",
        "FASTGW",
    ]
    assert [draft.new_provider("Main/É"), draft.new_provider("main"), draft.new_provider("-")] == [
        "main",
        "main-2",
        "provider",
    ]


def test_a_team_is_declared_once() -> None:
    draft = Draft()
    assert draft.declare("teams", "p", "t")
    assert draft.declare("teams", "p", "t")
    assert not draft.declare("teams", "p", "t\n")
    assert draft.rows["teams"] == [{"name": "t"}]


def test_a_literal_is_no_pattern() -> None:
    assert literal("a*b?[c]") == "a[*]b[?][[]c]"
