"""TrueFoundry, second generation: every limit is alone, entities may have their own, and soft ones give way."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fastgw.importers.draft import Draft
from fastgw.importers.truefoundry import import_truefoundry


def imported(*documents: dict[str, Any]) -> Draft:
    draft = Draft()
    import_truefoundry([(f"d{index}", document) for index, document in enumerate(documents)], draft)
    return draft


def told(draft: Draft) -> list[tuple[str, str]]:
    return [(each.kind, each.path) for each in draft.findings.all if each.kind != "to do"]


RATE = {
    "type": "tenant-rate-limit-config/model",
    "name": "r",
    "limits": {"requests_per_minute": 60},
    "applies_to": {"type": "aggregate"},
    "mode": "enforce",
}
BUDGET = {
    "type": "tenant-budget-config",
    "name": "b",
    "limits": {"cost_per_day": 10},
    "applies_to": {"type": "per-user"},
    "mode": "enforce",
}


def test_each_window_is_a_row_without_a_group() -> None:
    draft = imported(
        {
            **RATE,
            "limits": {"requests_per_second": 5, "tokens_per_day": 1000},
            "mode": "audit",
            "log_request_body_on_block": False,
            "when": {
                "subjects": {
                    "users": {"in": ["a@x"]},
                    "teams": {"not_in": ["t"]},
                    "virtual_accounts": {"not_in": ["v"]},
                },
                "models": {"in": ["openai-main/gpt-4"], "not_in": ["x*"]},
                "provider_accounts": {"in": ["openai-main"], "not_in": ["openai-old"]},
                "metadata": {"env": {"in": ["dev", "qa"]}, "team": {"not_in": ["x"]}},
            },
        },
        {**BUDGET, "limits": {"cost_per_lifetime": Decimal("100.25")}, "alerts": {"thresholds": [90]}},
    )
    when = {
        "subjects": ["user:a@x"],
        "not_subjects": ["team:t", "key:v"],
        "models": ["openai-main/gpt-4"],
        "not_models": ["x[*]"],
        "providers": ["openai-main"],
        "not_providers": ["openai-old"],
        "metadata": {"env": ["dev", "qa"]},
        "not_metadata": {"team": ["x"]},
    }
    assert draft.rows["rate_limits"] == [
        {"id": "r.requests_per_second", "when": when, "limit": 5, "unit": "requests_per_second", "mode": "audit"},
        {"id": "r.tokens_per_day", "when": when, "limit": 1000, "unit": "tokens_per_day", "mode": "audit"},
    ]
    assert draft.rows["budgets"] == [
        {"id": "b", "limit_usd": 100.25, "window": "lifetime", "per": ["user"], "alerts": [0.9]}
    ]
    assert list(draft.providers) == ["openai-main", "openai-old"]
    assert not draft.findings.partial


@pytest.mark.parametrize(
    ("applies", "per"),
    [
        ({}, None),
        (None, None),
        ({"type": "aggregate"}, None),
        ({"type": "per-user"}, ["user"]),
        ({"type": "per-model"}, ["model"]),
        ({"type": "per-virtual-account"}, ["key"]),
        ({"type": "per-team"}, ["team"]),
        ({"type": "metadata", "metadata": "project"}, ["metadata.project"]),
        ({"type": "metadata", "key": "project"}, ["metadata.project"]),
    ],
)
def test_whom_it_counts_for(applies: dict[str, Any] | None, per: list[str] | None) -> None:
    draft = imported({**RATE, "applies_to": applies})
    assert [row.get("per") for row in draft.rows["rate_limits"]] == [per]
    assert not draft.findings.partial


@pytest.mark.parametrize(
    ("applies", "own", "others"),
    [
        (
            {"type": "per-user", "overrides": [{"users": ["a", "b"], "limits": {"cost_per_week": 99}}]},
            {"subjects": ["user:a", "user:b"]},
            {"not_subjects": ["user:a", "user:b"]},
        ),
        (
            {
                "type": "per-virtual-account",
                "overrides": [{"virtual_accounts": ["v"], "limits": {"cost_per_week": 99}}],
            },
            {"subjects": ["key:v"]},
            {"not_subjects": ["key:v"]},
        ),
        (
            {"type": "per-model", "overrides": [{"models": ["o/m"], "limits": {"cost_per_week": 99}}]},
            {"models": ["o/m"]},
            {"not_models": ["o/m"]},
        ),
        (
            {
                "type": "metadata",
                "metadata": "p",
                "overrides": [{"metadata_values": ["x*"], "limits": {"cost_per_week": 99}}],
            },
            {"metadata": {"p": ["x[*]"]}},
            {"not_metadata": {"p": ["x[*]"]}},
        ),
    ],
)
def test_an_override_takes_its_entities_from_the_others(applies: dict[str, Any], own: Any, others: Any) -> None:
    draft = imported({**BUDGET, "limits": {"cost_per_day": 10, "cost_per_month": 50}, "applies_to": applies})
    assert [(row["id"], row["when"], row["limit_usd"], row["window"]) for row in draft.rows["budgets"]] == [
        ("b.override-1", own, 99, "week"),
        ("b.cost_per_day", others, 10, "day"),
        ("b.cost_per_month", others, 50, "month"),
    ]
    assert not draft.findings.partial


def test_overrides_within_a_list_of_the_limit() -> None:
    when = {"subjects": {"users": {"in": ["a", "b"], "not_in": ["c"]}}}
    overrides = [
        {"users": ["a"], "limits": {"cost_per_day": 99}},
        {"users": ["z"], "limits": {"cost_per_day": 98}},
    ]
    draft = imported({**BUDGET, "when": when, "applies_to": {"type": "per-user", "overrides": overrides}})
    assert [row["when"] for row in draft.rows["budgets"]] == [
        {"subjects": ["user:a"], "not_subjects": ["user:c"]},
        {"subjects": ["user:a", "user:b"], "not_subjects": ["user:c", "user:a"]},
    ]
    assert told(draft) == [("left out", "d0.applies_to.overrides[1].users")]


def test_tags_with_an_override_keep_their_list() -> None:
    applies = {
        "type": "metadata",
        "metadata": "p",
        "overrides": [{"metadata_values": ["x"], "limits": {"cost_per_day": 9}}],
    }
    wanted = {**BUDGET, "when": {"metadata": {"p": {"in": ["x", "y"], "not_in": ["w"]}}}, "applies_to": applies}
    assert [row["when"] for row in imported(wanted).rows["budgets"]] == [
        {"metadata": {"p": ["x"]}, "not_metadata": {"p": ["w"]}},
        {"metadata": {"p": ["x", "y"]}, "not_metadata": {"p": ["w", "x"]}},
    ]
    other = imported({**wanted, "when": {"metadata": {"p": {"in": ["y"]}}}})
    assert told(other) == [("left out", "d0.applies_to.overrides[0].metadata_values")]


@pytest.mark.parametrize(
    "override",
    [
        {"users": ["a"]},
        {"users": [], "limits": {"cost_per_day": 1}},
        {"limits": {"cost_per_day": 1}},
        {"users": "a", "limits": {"cost_per_day": 1}},
    ],
)
def test_overrides_that_make_no_sense(override: dict[str, Any]) -> None:
    draft = imported({**BUDGET, "applies_to": {"type": "per-user", "overrides": [override]}})
    assert [row["id"] for row in draft.rows["budgets"]] == ["b"]
    assert "when" not in draft.rows["budgets"][0]
    assert len(told(draft)) == 1
    aggregate = imported({**BUDGET, "applies_to": {"type": "aggregate", "overrides": [override]}})
    assert len(told(aggregate)) == 1


def test_a_teams_budget() -> None:
    team = {**BUDGET, "type": "team-budget-config", "team_name": "ml"}
    assert imported(team).rows["budgets"][0]["when"] == {"subjects": ["team:ml"]}
    both = imported({**team, "when": {"subjects": {"users": {"in": ["a"]}}}})
    assert both.rows["budgets"] == []
    assert told(both) == [("left out", "d0.when.subjects")]
    assert told(imported({**BUDGET, "type": "team-budget-config"})) == [("left out", "d0.team_name")]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"mode": "soft_enforce"}, "mode"),
        ({"mode": "block"}, "mode"),
        ({"applies_to": {"type": "per-tenant"}}, "applies_to.type"),
        ({"applies_to": {"type": "metadata"}}, "applies_to.metadata"),
        ({"limits": {}}, "limits"),
        ({"limits": {"requests_per_minute": "x"}}, "limits.requests_per_minute"),
        ({"when": {"mcp_servers": {"in": ["x"]}}}, "when.mcp_servers"),
        ({"when": {"subjects": ["user:a"]}}, "when.subjects"),
        ({"when": {"models": {"in": ["a"], "like": ["b"]}}}, "when.models.like"),
        ({"when": {"models": {"in": "a"}}}, "when.models.in"),
    ],
)
def test_a_limit_that_cannot_be_written(change: dict[str, Any], path: str) -> None:
    draft = imported({**RATE, **change})
    assert draft.rows["rate_limits"] == []
    assert ("left out", f"d0.{path}") in told(draft)


def test_what_is_not_known_is_told() -> None:
    draft = imported(
        {
            **RATE,
            "limits": {"requests_per_minute": 5, "requests_per_year": 6},
            "log_request_body_on_block": True,
            "applies_to": {"type": "aggregate", "weight": 2},
        }
    )
    assert told(draft) == [
        ("left out", "d0.limits.requests_per_year"),
        ("left out", "d0.applies_to.weight"),
        ("left out", "d0.log_request_body_on_block"),
    ]
    assert len(draft.rows["rate_limits"]) == 1


def test_callers_of_several_kinds_are_asked_about() -> None:
    draft = imported({**RATE, "when": {"subjects": {"users": {"in": ["a"]}, "teams": {"in": ["t"]}}}})
    assert draft.rows["rate_limits"][0]["when"] == {"subjects": ["user:a", "team:t"]}
    assert "taken as: one of them is enough" in draft.findings.all[0].why


def soft(name: str, **change: Any) -> dict[str, Any]:
    return {**BUDGET, "name": name, "mode": "soft_enforce", **change}


def grouped(draft: Draft) -> list[tuple[object, object, object]]:
    return [(row["id"], row.get("group"), row.get("mode", "enforce")) for row in draft.rows["budgets"]]


def test_a_soft_budget_stands_behind_the_one_that_must_allow() -> None:
    team = {**BUDGET, "name": "ml", "when": {"subjects": {"teams": {"in": ["ml"]}}}}
    draft = imported(soft("all"), {**BUDGET, "name": "seen", "mode": "audit"}, team, soft("more"))
    assert grouped(draft) == [
        ("seen", None, "audit"),
        ("ml", "budgets", "enforce"),
        ("all", "budgets", "soft"),
        ("more", "budgets", "soft"),
    ]
    assert not draft.findings.partial


def test_soft_budgets_among_several_are_told() -> None:
    several = imported(soft("s"), BUDGET, {**BUDGET, "name": "c"})
    assert grouped(several) == [("b", None, "enforce"), ("c", None, "enforce"), ("s", None, "soft")]
    assert told(several) == [("changed", "d0.mode")]
    windows = imported(soft("s", limits={"cost_per_day": 1, "cost_per_week": 2}))
    assert told(windows) == [("changed", "d0.mode")]
    overrides = [{"users": ["a"], "limits": {"cost_per_day": 1, "cost_per_week": 2}}]
    of_one = imported(soft("s", applies_to={"type": "per-user", "overrides": overrides}))
    assert told(of_one) == [("changed", "d0.mode")]
    assert [row.get("group") for row in of_one.rows["budgets"]] == [None, None, None]
