"""TrueFoundry, first generation: a list becomes one group, in its order; what cannot be said is told."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fastgw.importers.draft import Draft
from fastgw.importers.truefoundry import MAX_MATCHED, import_truefoundry, is_truefoundry


def imported(*documents: dict[str, Any]) -> Draft:
    draft = Draft()
    import_truefoundry([(f"d{index}", document) for index, document in enumerate(documents)], draft)
    return draft


def rates(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"name": "limits", "type": "gateway-rate-limiting-config", "rules": list(rules)}


def budgets(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"name": "limits", "type": "gateway-budget-config", "rules": list(rules)}


def told(draft: Draft) -> list[tuple[str, str]]:
    return [(each.kind, each.path) for each in draft.findings.all if each.kind != "to do"]


RATE = {"id": "r", "when": {}, "limit_to": 10, "unit": "requests_per_minute"}
BUDGET = {"id": "b", "when": {}, "limit_to": Decimal("10.5"), "unit": "cost_per_day"}


def test_what_is_ours_to_read() -> None:
    assert is_truefoundry(rates())
    assert is_truefoundry({"manifest": budgets(), "id": "x"})
    assert is_truefoundry({"type": "tenant-budget-config"})
    others: tuple[object, ...] = ({"type": "x"}, {"type": 5}, {}, [], None, {"model_list": []})
    for other in others:
        assert not is_truefoundry(other)


def test_a_list_is_one_group_in_its_order() -> None:
    draft = imported(
        rates(
            {
                "id": "openai-gpt4-dev-env",
                "when": {
                    "subjects": ["user:ada@example.com", "virtualaccount:bot"],
                    "models": ["openai-main/gpt4"],
                    "metadata": {"env": "dev"},
                },
                "limit_to": 1000,
                "unit": "requests_per_day",
                "rate_limit_applies_per": ["metadata.customer_id", "user"],
            },
            RATE,
        )
    )
    assert draft.rows["rate_limits"] == [
        {
            "id": "openai-gpt4-dev-env",
            "group": "limits",
            "when": {
                "subjects": ["user:ada@example.com", "key:bot"],
                "models": ["openai-main/gpt4"],
                "metadata": {"env": "dev"},
            },
            "limit": 1000,
            "unit": "requests_per_day",
            "per": ["metadata.customer_id", "user"],
        },
        {"id": "r", "group": "limits", "limit": 10, "unit": "requests_per_minute"},
    ]
    assert list(draft.providers) == ["openai-main"]
    assert not draft.findings.partial


def test_budgets_have_windows_modes_and_alerts() -> None:
    draft = imported(
        budgets(
            {**BUDGET, "budget_applies_per": ["team"], "alerts": {"thresholds": [75, 100]}},
            {**BUDGET, "id": "q", "unit": "cost_per_quarter", "audit_mode": True},
            {**BUDGET, "id": "w", "unit": "cost_per_week", "audit_mode": False, "when": None},
        )
    )
    assert draft.rows["budgets"] == [
        {
            "id": "b",
            "group": "limits",
            "limit_usd": 10.5,
            "window": "day",
            "per": ["team"],
            "alerts": [0.75, 1.0],
        },
        {"id": "q", "group": "limits", "limit_usd": 10.5, "window": "quarter", "mode": "audit"},
        {"id": "w", "group": "limits", "limit_usd": 10.5, "window": "week"},
    ]
    assert not draft.findings.partial


def test_groups_of_two_lists_are_apart() -> None:
    draft = imported(rates(RATE), budgets(BUDGET), {"id": 1, "manifest": rates({**RATE, "id": "r"})})
    groups = [row["group"] for section in ("rate_limits", "budgets") for row in draft.rows[section]]
    assert groups == ["limits", "limits-3", "limits-2"]
    assert [row["id"] for row in draft.rows["rate_limits"]] == ["r", "r-2"]


def test_old_ids_that_name_whom_they_count_for() -> None:
    [row] = imported(rates({**RATE, "id": "{user}-{metadata.project}-daily"})).rows["rate_limits"]
    assert (row["id"], row["per"]) == ("daily", ["user", "metadata.project"])
    [row] = imported(rates({**RATE, "id": "{user}-x", "rate_limit_applies_per": ["user"]})).rows["rate_limits"]
    assert row["per"] == ["user"]


def test_conditions_are_texts_and_no_patterns() -> None:
    rule = {**RATE, "when": {"models": ["a/*"], "metadata": {"n": 5, "b": True, "s": "x*"}}}
    [row] = imported(rates(rule)).rows["rate_limits"]
    assert row["when"] == {"models": ["a/[*]"], "metadata": {"n": "5", "b": "true", "s": "x[*]"}}


def test_empty_conditions_match_all() -> None:
    [row] = imported(rates({**RATE, "when": {"subjects": [], "models": [], "metadata": {}}})).rows["rate_limits"]
    assert "when" not in row


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"unit": "requests_per_second"}, "unit"),
        ({"unit": None}, "unit"),
        ({"when": []}, "when"),
        ({"when": {"regions": ["eu"]}}, "when.regions"),
        ({"when": {"subjects": "team:a"}}, "when.subjects"),
        ({"when": {"metadata": {"a": ["b"]}}}, "when.metadata"),
        ({"when": {"metadata": {"a": ""}}}, "when.metadata"),
        ({"rate_limit_applies_per": ["tenant"]}, "rate_limit_applies_per[0]"),
        ({"rate_limit_applies_per": "user"}, "rate_limit_applies_per"),
        ({"id": "{tenant}-x"}, "id[0]"),
    ],
)
def test_a_rule_that_would_hold_for_other_calls_is_left_out(change: dict[str, Any], path: str) -> None:
    draft = imported(rates({**RATE, **change}, {**RATE, "id": "after"}))
    assert [row["id"] for row in draft.rows["rate_limits"]] == ["after"]
    assert told(draft) == [("left out", f"d0.rules[0].{path}")]
    assert "until then the rules after it govern its calls" in draft.findings.all[0].do


def test_a_subject_that_is_not_known_leaves_its_list_narrower_or_takes_the_rule() -> None:
    draft = imported(
        rates({**RATE, "when": {"subjects": ["user:a", "role:b"]}}, {**RATE, "when": {"subjects": ["role:b"]}})
    )
    assert [row["when"] for row in draft.rows["rate_limits"]] == [{"subjects": ["user:a"]}]
    assert told(draft) == [
        ("left out", "d0.rules[0].when.subjects[1]"),
        ("left out", "d0.rules[1].when.subjects[0]"),
        ("left out", "d0.rules[1].when.subjects"),
    ]


def test_amounts_that_cannot_be_written() -> None:
    draft = imported(
        budgets({**BUDGET, "limit_to": -1}, {**BUDGET, "unit": "tokens_per_day"}),
        rates({**RATE, "limit_to": "x"}, {**RATE, "limit_to": 0}),
    )
    assert draft.rows["budgets"] == []
    assert [row["limit"] for row in draft.rows["rate_limits"]] == [1]
    assert ("changed", "d1.rules[1].limit_to") in told(draft)
    assert {path for kind, path in told(draft) if kind == "left out"} == {
        "d0.rules[0].limit_to",
        "d0.rules[1].unit",
        "d1.rules[0].limit_to",
    }


def test_what_is_not_known_is_told() -> None:
    draft = imported(
        {**rates({**RATE, "priority": 5}, "x"), "enabled": True},  # type: ignore[arg-type] # as a source may have it
        {"type": "gateway-load-balancing-config", "rules": [{"id": 1}]},
        {"type": "tenant-rate-limit-config/mcp", "name": "m"},
    )
    assert told(draft) == [
        ("left out", "d0.rules[1]"),
        ("left out", "d0.rules[0].priority"),
        ("left out", "d0.enabled"),
        ("left out", "d1.type"),
        ("left out", "d2.type"),
    ]


def test_a_row_that_our_loader_would_refuse_is_told() -> None:
    draft = imported(rates({**RATE, "when": {"models": ["m" * 300]}}))
    assert draft.rows["rate_limits"] == []
    assert told(draft) == [("left out", "d0.rules[0]")]


def test_what_is_to_be_done_is_told() -> None:
    draft = imported(rates(*[{**RATE, "id": f"r{index}"} for index in range(MAX_MATCHED + 1)]))
    assert [each.path for each in draft.findings.all] == [
        "providers.openai",
        "keys",
        "rate_limits",
        "budgets, rate_limits",
    ]
    assert not draft.findings.partial
