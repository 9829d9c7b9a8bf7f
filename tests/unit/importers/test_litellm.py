"""LiteLLM's files: which they are, and that everything in them is expressed or told."""

from __future__ import annotations

import pytest

from fastgw.importers.draft import Draft
from fastgw.importers.litellm import import_litellm, is_litellm

HASH = "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b"
MODEL = {"model_name": "gpt", "litellm_params": {"model": "openai/gpt-4o"}}


def imported(*documents: object) -> Draft:
    draft = Draft()
    import_litellm([("", document) for document in documents], draft)
    text = str(draft.sections()) + "".join(each.line for each in draft.findings.all)
    assert HASH not in text
    assert "hunter2" not in text
    return draft


def told(draft: Draft) -> list[tuple[str, str]]:
    return [(each.kind, each.path) for each in draft.findings.all if each.kind != "to do"]


@pytest.mark.parametrize(
    "document",
    [
        {"model_list": []},
        {"litellm_settings": {}},
        {"keys": [{"token": HASH}], "total_count": 1},
        {"teams": []},
        {"users": [{}]},
        {"key": HASH, "info": {"key_alias": "k"}},
        {"team_id": "t", "team_info": {"team_id": "t"}, "keys": []},
        {"user_id": "u", "user_info": {}, "keys": [], "teams": []},
        [{"team_id": "t"}],
        {"key_alias": "k", "max_budget": 5},
    ],
)
def test_what_is_ours_to_read(document: object) -> None:
    assert is_litellm(document)


@pytest.mark.parametrize("document", [{}, [], [5], [{}], None, "x", {"rules": []}, {"keys": "x"}])
def test_what_is_not(document: object) -> None:
    assert not is_litellm(document)


def test_a_configuration_and_the_lists_beside_it() -> None:
    draft = imported(
        {
            "model_list": [MODEL],
            "litellm_settings": {"max_budget": 100, "budget_duration": "1d", "timezone": "Europe/Berlin"},
        },
        {
            "keys": [{"token": HASH, "key_alias": "k", "team_id": "t"}],
            "total_count": 1,
            "total_pages": 1,
            "current_page": 1,
        },
        [{"team_id": "t", "team_alias": "payments", "models": []}],
        {"users": [{"user_id": "u"}], "total": 1},
    )
    assert draft.server == {"timezone": "Europe/Berlin"}
    assert draft.rows["keys"][0]["team"] == "payments"
    assert draft.rows["keys"][0]["models"] == ["gpt"]
    assert draft.rows["users"] == [{"name": "u"}]
    assert draft.rows["budgets"] == [{"id": "proxy-budget", "limit_usd": 100, "window": "day"}]
    assert not draft.findings.partial


def test_answers_about_one_key_team_or_user() -> None:
    draft = imported(
        {"key": HASH, "info": {"key_alias": "a", "rpm_limit": 5}},
        {
            "team_id": "t",
            "team_info": {"team_id": "t", "rpm_limit": 6},
            "keys": [],
            "team_memberships": [{"user_id": "u"}],
        },
        {"user_id": "u", "user_info": {"user_id": "u", "rpm_limit": 7}, "keys": [{"key_alias": "b"}], "teams": []},
        {"key_alias": "c", "rpm_limit": 8},
    )
    assert [row["name"] for row in draft.rows["keys"]] == ["a", "b", "c"]
    assert [row["limit"] for row in draft.rows["rate_limits"]] == [6, 7, 5, 8]
    assert told(draft) == [("left out", "team_info.team_memberships[0]")]


def test_settings_of_the_proxy() -> None:
    draft = imported(
        {
            "litellm_settings": {
                "drop_params": True,
                "timezone": "Nowhere/Town",
                "cache_params": {"password": "hunter2"},
            },
            "general_settings": {
                "master_key": "sk-hunter2",
                "global_max_parallel_requests": 9,
                "database_url": "hunter2",
            },
            "router_settings": {"redis_password": "hunter2"},
            "environment_variables": {"OPENAI_API_KEY": "hunter2"},
            "guardrails": [{"hunter2": 1}],
        }
    )
    assert draft.rows["rate_limits"] == [{"id": "proxy-parallel", "limit": 9, "unit": "concurrent_requests"}]
    assert told(draft) == [
        ("left out", "guardrails"),
        ("left out", "litellm_settings.timezone"),
        ("left out", "litellm_settings.drop_params"),
        ("left out", "litellm_settings.cache_params"),
        ("left out", "general_settings.master_key"),
        ("left out", "general_settings.database_url"),
        ("left out", "router_settings.redis_password"),
        ("left out", "environment_variables.OPENAI_API_KEY"),
    ]


def test_lists_of_other_things_are_told() -> None:
    draft = imported({"keys": [HASH, 5, {"key_alias": "k"}], "total_pages": 3}, [{"user_id": "u"}])
    assert told(draft) == [("left out", "keys[0]"), ("left out", "keys[1]"), ("left out", "total_pages")]
    assert [row["name"] for row in draft.rows["keys"]] == ["k"]
    assert told(imported({"keys": [], "teams": {"a": 1}})) == [("left out", "teams")]


def test_what_is_to_be_done_is_told() -> None:
    draft = imported({"litellm_settings": {"max_budget": 1}})
    assert draft.providers == {"openai": {"kind": "openai", "api_key": "env:OPENAI_API_KEY"}}
    assert [each.path for each in draft.findings.all] == ["providers.openai", "keys", "budgets, rate_limits"]
