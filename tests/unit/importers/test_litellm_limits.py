"""LiteLLM's limits: each is a row of its own, or among the findings."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fastgw.importers.draft import Draft
from fastgw.importers.litellm_limits import Scope, import_budget, import_count, import_limits, window_of
from fastgw.importers.table import Table

WHEN: dict[str, Any] = {"subjects": ["key:k"]}
KEY = Scope(name="key-k", when=WHEN)


def imported(members: dict[str, Any], scope: Scope = KEY) -> Draft:
    draft = Draft()
    table = Table(members, "k", draft.findings)
    import_limits(table, scope, draft)
    table.finish()
    return draft


def told(draft: Draft) -> list[tuple[str, str]]:
    return [(each.kind, each.path) for each in draft.findings.all if each.kind != "to do"]


@pytest.mark.parametrize(
    ("said", "window"),
    [
        (None, "lifetime"),
        ("", "lifetime"),
        ("None", "lifetime"),
        ("1d", "day"),
        ("24h", "day"),
        ("7d", "week"),
        ("1w", "week"),
        ("30d", "month"),
        ("1mo", "month"),
    ],
)
def test_windows(said: object, window: str) -> None:
    draft = Draft()
    assert window_of("p", said, draft) == window
    assert not draft.findings.partial
    assert bool(draft.findings.all) == (window in ("week", "month"))


@pytest.mark.parametrize("said", ["12h", "90d", "2mo", "30", "soon", 30, []])
def test_other_windows_leave_the_budget_out(said: object) -> None:
    draft = imported({"max_budget": 5, "budget_duration": said})
    assert draft.rows["budgets"] == []
    assert told(draft) == [("left out", "k.budget_duration")]


def test_a_budget_with_an_alert() -> None:
    draft = imported({"max_budget": 20, "soft_budget": 15, "budget_duration": "1d"})
    assert draft.rows["budgets"] == [
        {"id": "key-k-budget", "when": WHEN, "limit_usd": 20, "window": "day", "alerts": [0.75]}
    ]
    assert draft.findings.all == []


def test_a_soft_budget_alone_only_counts() -> None:
    [row] = imported({"soft_budget": Decimal("0.5"), "budget_duration": "1d"}).rows["budgets"]
    assert (row["limit_usd"], row["mode"], row["alerts"]) == (0.5, "audit", [1.0])


@pytest.mark.parametrize("soft", [0, 1000, "x"])
def test_alerts_that_cannot_be_written(soft: object) -> None:
    draft = imported({"max_budget": 20, "soft_budget": soft, "budget_duration": "1d"})
    assert "alerts" not in draft.rows["budgets"][0]
    assert told(draft) == [("left out", "k.soft_budget")]


def test_rates_and_calls_at_once() -> None:
    draft = imported({"rpm_limit": 5, "tpm_limit": "1000", "tpd_limit": 9, "max_parallel_requests": 2})
    assert [(row["id"], row["limit"], row["unit"]) for row in draft.rows["rate_limits"]] == [
        ("key-k-rpm", 5, "requests_per_minute"),
        ("key-k-tpm", 1000, "tokens_per_minute"),
        ("key-k-tpd", 9, "tokens_per_day"),
        ("key-k-parallel", 2, "concurrent_requests"),
    ]
    assert all(row["when"] == WHEN for row in draft.rows["rate_limits"])


def test_limits_of_single_models() -> None:
    draft = imported(
        {
            "model_rpm_limit": {"gpt-4o": 3, "none": None},
            "metadata": {"model_tpm_limit": {"a*": 100}},
            "model_max_budget": {
                "gpt-4o": {"budget_limit": "0.5", "time_period": "1d", "rpm_limit": 7},
                "claude": {"max_budget": 2, "budget_duration": "7d"},
            },
        }
    )
    assert [(row["id"], row["when"], row["limit"]) for row in draft.rows["rate_limits"]] == [
        ("key-k-gpt-4o-rpm", {**WHEN, "models": ["gpt-4o"]}, 3),
        ("key-k-a--tpm", {**WHEN, "models": ["a[*]"]}, 100),
        ("key-k-gpt-4o-rpm-2", {**WHEN, "models": ["gpt-4o"]}, 7),
    ]
    assert [(row["when"], row["limit_usd"], row["window"]) for row in draft.rows["budgets"]] == [
        ({**WHEN, "models": ["gpt-4o"]}, 0.5, "day"),
        ({**WHEN, "models": ["claude"]}, 2, "week"),
    ]
    assert not draft.findings.partial


def test_a_tier_fills_what_the_key_does_not_say() -> None:
    tier = {"budget_id": "b", "soft_budget": 5, "rpm_limit": 9, "tpm_limit": 8, "created_by": "x", "colour": "red"}
    draft = imported(
        {"max_budget": 10, "budget_duration": "1d", "rpm_limit": 4, "tpm_limit": 8, "litellm_budget_table": tier}
    )
    assert draft.rows["budgets"][0]["alerts"] == [0.5]
    assert [row["limit"] for row in draft.rows["rate_limits"]] == [4, 8]
    assert told(draft) == [
        ("left out", "k.litellm_budget_table.rpm_limit"),
        ("left out", "k.litellm_budget_table.colour"),
    ]


def test_several_windows() -> None:
    entries = [
        {"max_budget": 10, "budget_duration": "24h", "reset_at": "x"},
        {"max_budget": 50, "budget_duration": "1mo", "colour": 1},
    ]
    draft = imported({"budget_limits": entries})
    assert [(row["id"], row["window"]) for row in draft.rows["budgets"]] == [
        ("key-k-budget", "day"),
        ("key-k-budget-2", "month"),
    ]
    assert told(draft) == [("left out", "k.budget_limits[1].colour")]


def test_a_users_budget_is_not_for_the_keys_of_teams_but_its_rates_are() -> None:
    user = Scope(name="user-u", when={"subjects": ["user:u"]}, personal={"not_subjects": ["team:*"]}, per=("key",))
    draft = imported({"max_budget": 5, "rpm_limit": 3, "model_max_budget": {"m": {"max_budget": 1}}}, user)
    assert draft.rows["budgets"][0]["when"] == {"subjects": ["user:u"], "not_subjects": ["team:*"]}
    assert draft.rows["budgets"][0]["per"] == ("key",)
    assert draft.rows["budgets"][1]["when"] == {"subjects": ["user:u"], "models": ["m"], "not_subjects": ["team:*"]}
    assert draft.rows["rate_limits"][0]["when"] == {"subjects": ["user:u"]}


def test_a_scope_for_all() -> None:
    draft = Draft()
    everybody = Scope(name="proxy", when={})
    import_budget(Table({"max_budget": 1}, "p", draft.findings), everybody, draft)
    import_count("p.x", 5, "concurrent_requests", everybody, draft)
    import_count("p.y", "x", "concurrent_requests", everybody, draft)
    assert draft.rows["budgets"] == [{"id": "proxy-budget", "limit_usd": 1, "window": "lifetime"}]
    assert draft.rows["rate_limits"] == [{"id": "proxy-parallel", "limit": 5, "unit": "concurrent_requests"}]
    assert told(draft) == [("left out", "p.y")]
