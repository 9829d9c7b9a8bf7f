"""Rows count for the rules that calls counted for: the same answers as the gateway's own matching gives."""

from __future__ import annotations

import json
from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw.app import matching
from fastgw.app.matching import Matching
from fastgw.config.load import load
from fastgw.domain.rule import RuleRow
from fastgw.gateway.limiting import Limiter
from fastgw.rules.table import Fixed
from tests.unit.app.settings_text import ENV, PROVIDER_AND_KEY

BUDGETS = load(
    PROVIDER_AND_KEY
    + """
[[budgets]]
id = "team"
group = "g"
limit_usd = 1
window = "day"
per = ["user", "model"]
when = { subjects = ["team:t1"], not_models = ["up/b"] }
[[budgets]]
id = "all"
group = "g"
limit_usd = 1
window = "day"
per = ["virtualaccount", "metadata.customer"]
[[budgets]]
id = "tagged"
limit_usd = 1
window = "month"
when = { metadata = { env = ["prod", "stag*"] } }
[[budgets]]
id = "mornings"
limit_usd = 1
window = "month"
per = ["key"]
when = { hours = ["06:00-12:00"], weekdays = ["mon", "tue"] }
""",
    ENV,
    Path(),
).budgets
MINUTE = 29_833_333  # Monday 2026-09-21, 14:13 UTC
VALUES = ["up/a", "up/b", "t1", "k", ""]


def fixed(**fields: str) -> tuple[str, ...]:
    values = dict.fromkeys(Fixed.__struct_fields__, "") | {"key": "k", "target": "up/a"} | fields
    return tuple(values.values())


def found(
    rules: Matching[RuleRow], facts: tuple[str, ...], metadata: str | None = None, minute: int = MINUTE
) -> list[tuple[str, bool, tuple[str, ...]]]:
    return [(each.row.id, each.governs, each.entity) for each in rules.of(facts, metadata, minute)]


def test_the_first_of_a_group_governs_and_the_rest_count() -> None:
    rules = Matching[RuleRow](BUDGETS, UTC)
    tags = json.dumps({"customer": "acme", "env": "staging"})
    assert found(rules, fixed(team="t1", user="ada"), tags) == [
        ("team", True, ("ada", "up/a")),
        ("all", False, ("k", "acme")),
        ("tagged", True, ()),
    ]
    assert found(rules, fixed(team="t2")) == [("all", True, ("k", ""))]


def test_more_columns_than_rules_ask_about_are_fine() -> None:
    rules = Matching[RuleRow](BUDGETS, UTC)
    assert found(rules, (*fixed(), "more", "columns")) == found(rules, fixed())


@given(
    facts=st.tuples(*[st.sampled_from(VALUES)] * len(Fixed.__struct_fields__)),
    tags=st.none()
    | st.dictionaries(st.sampled_from(["customer", "env", "x"]), st.sampled_from(["prod", "stage", "a"])),
    minute=st.integers(MINUTE - 20_000, MINUTE + 20_000),
)
def test_the_answers_are_those_of_the_gateway(facts: tuple[str, ...], tags: dict[str, str] | None, minute: int) -> None:
    limiter, rules = Limiter(BUDGETS, UTC), Matching(BUDGETS, UTC)
    plan = limiter.governing(Fixed(*facts), tags, minute * 60_000_000_000)
    expected = [(each.row, each.governs, each.entity) for each in plan.applied]
    for _ in range(2):  # found, and remembered
        answers = rules.of(facts, json.dumps(tags) if tags is not None else None, minute)
        assert [(each.row, each.governs, each.entity) for each in answers] == expected


def test_metadata_that_nobody_asks_about_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Matching[RuleRow](BUDGETS[:1], UTC)
    first = plain.of(fixed(team="t1"), '{"request": "1"}', MINUTE)
    assert plain.of(fixed(team="t1"), "no JSON at all", MINUTE + 1) is first
    monkeypatch.setattr(matching, "MAX_REMEMBERED", 4)
    asking = Matching[RuleRow](BUDGETS, UTC)
    for number in range(20):
        assert found(asking, fixed(), json.dumps({"customer": str(number)})) == [("all", True, ("k", str(number)))]
        assert len(asking._remembered) <= 4
