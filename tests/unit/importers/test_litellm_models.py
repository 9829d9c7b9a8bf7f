"""LiteLLM's model_list: providers, names, prices and limits; no credential is written."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fastgw.importers.draft import Draft
from fastgw.importers.litellm_models import Deployments
from fastgw.importers.table import Table

KEY = "sk-hunter2hunter2hunter2"


def imported(*entries: dict[str, Any]) -> tuple[Draft, Deployments]:
    draft = Draft()
    deployments = Deployments(draft)
    tables = [Table(entry, f"m[{index}]", draft.findings) for index, entry in enumerate(entries)]
    for table in tables:
        deployments.reserve(table)
    for table in tables:
        deployments.add(table)
    assert KEY not in str(draft.sections()) + "".join(each.line for each in draft.findings.all)
    return draft, deployments


def deployment(name: str, model: str, **parameters: Any) -> dict[str, Any]:
    return {"model_name": name, "litellm_params": {"model": model, **parameters}}


def told(draft: Draft) -> list[tuple[str, str]]:
    return [(each.kind, each.path) for each in draft.findings.all if each.kind != "to do"]


def test_names_targets_and_references() -> None:
    draft, deployments = imported(
        deployment("gpt", "openai/gpt-4o", api_key="os.environ/MY_KEY"),
        deployment("mini", "gpt-4o-mini", api_key="os.environ/MY_KEY"),
        deployment("claude", "claude-sonnet-4-5"),
        deployment("other", "anthropic/claude-opus-4-1", custom_llm_provider="anthropic"),
        deployment("emb", "text-embedding-3-small", custom_llm_provider="openai"),
    )
    assert draft.providers == {
        "openai": {"kind": "openai", "api_key": "env:MY_KEY"},
        "anthropic": {"kind": "anthropic", "api_key": "env:ANTHROPIC_API_KEY"},
        "openai-2": {"kind": "openai", "api_key": "env:OPENAI_API_KEY"},
    }
    assert [(row["name"], row["targets"]) for row in draft.rows["models"]] == [
        ("gpt", [{"target": "openai/gpt-4o"}]),
        ("mini", [{"target": "openai/gpt-4o-mini"}]),
        ("claude", [{"target": "anthropic/claude-sonnet-4-5"}]),
        ("other", [{"target": "anthropic/claude-opus-4-1"}]),
        ("emb", [{"target": "openai-2/text-embedding-3-small"}]),
    ]
    assert deployments.names == ["gpt", "mini", "claude", "other", "emb"]
    assert draft.findings.all == []


def test_a_literal_credential_becomes_a_variable_that_nothing_else_uses() -> None:
    draft, _ = imported(
        deployment("a", "anthropic/c", api_key=KEY),
        deployment("b", "anthropic/c"),
        deployment("c", "anthropic/c", api_key="os.environ/ANTHROPIC_API_KEY_2"),
        deployment("d", "anthropic/c", api_key="os.environ/not a name"),
    )
    assert [row["api_key"] for row in draft.providers.values()] == [
        "env:ANTHROPIC_API_KEY_3",
        "env:ANTHROPIC_API_KEY",
        "env:ANTHROPIC_API_KEY_2",
        "env:ANTHROPIC_4_API_KEY",
    ]
    assert [(each.kind, each.path) for each in draft.findings.all] == [
        ("to do", "m[0].litellm_params.api_key"),
        ("to do", "m[3].litellm_params.api_key"),
    ]


def test_servers_of_ones_own() -> None:
    draft, _ = imported(
        deployment("llama", "hosted_vllm/llama", api_base="http://gpu:8000/v1", region_name="eu"),
        deployment("gpt", "openai/gpt-4o", base_url="https://proxy/v1", api_key=KEY),
        deployment("claude", "anthropic/c", api_base="https://proxy/anthropic/v1/messages/", api_key="os.environ/K"),
    )
    assert draft.providers == {
        "openai": {"kind": "openai", "base_url": "http://gpu:8000/v1", "region": "eu"},
        "openai-2": {"kind": "openai", "api_key": "env:OPENAI_2_API_KEY", "base_url": "https://proxy/v1"},
        "anthropic": {"kind": "anthropic", "api_key": "env:K", "base_url": "https://proxy/anthropic"},
    }
    assert not draft.findings.partial


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ({"litellm_params": {"model": "openai/x"}}, ""),
        ({"model_name": "x"}, ""),
        (deployment("x", "azure/gpt", api_key=KEY), ".litellm_params.model"),
        (deployment("x", "mystery"), ".litellm_params.model"),
        (deployment("x", "openai/"), ".litellm_params.model"),
        (deployment("x", "hosted_vllm/l"), ".litellm_params.api_base"),
        (deployment("x", "openai/l", api_base="os.environ/BASE"), ".litellm_params.api_base"),
        (deployment("x", "openai/l", api_base=f"https://u:{KEY}@h/v1"), ".litellm_params"),
        (deployment("x", "openai/l", api_base="ftp://h"), ".litellm_params"),
        (deployment("x*", "openai/*"), ".model_name"),
        (deployment("openai/*", "openai/gpt-*"), ".model_name"),
        (deployment("x" * 300, "openai/l"), ""),
    ],
)
def test_what_cannot_be_called(entry: dict[str, Any], path: str) -> None:
    draft, deployments = imported(entry)
    assert told(draft) == [("left out", f"m[0]{path}")]
    assert (draft.rows["models"], deployments.names) == ([], [])


def test_a_name_has_one_target() -> None:
    draft, _ = imported(deployment("gpt", "openai/a"), deployment("gpt", "openai/b"))
    assert [row["targets"] for row in draft.rows["models"]] == [[{"target": "openai/a"}]]
    assert told(draft) == [("left out", "m[1]")]


def test_all_models_of_a_provider_need_no_row() -> None:
    draft, deployments = imported(deployment("openai/*", "openai/*", rpm=5))
    assert draft.rows["models"] == []
    assert deployments.names == ["openai/*"]
    assert draft.rows["rate_limits"][0]["when"] == {"models": ["openai/*"]}
    assert not draft.findings.partial


def test_prices_are_exact() -> None:
    prices = {"input_cost_per_token": Decimal("0.0000025"), "output_cost_per_token": "1e-5"}
    draft, _ = imported(
        deployment("a", "openai/x", **prices),
        deployment("b", "openai/x", **prices),
        {
            **deployment("c", "openai/[y]", input_cost_per_token=0),
            "model_info": {"output_cost_per_token": 0, "cache_read_input_token_cost": Decimal("3e-7"), "id": "1"},
        },
    )
    assert draft.rows["prices"] == [
        {"provider": "openai", "models": ["x"], "input_usd_per_mtok": 2.5, "output_usd_per_mtok": 10},
        {
            "provider": "openai",
            "models": ["[[]y]"],
            "input_usd_per_mtok": 0,
            "output_usd_per_mtok": 0,
            "cached_input_usd_per_mtok": 0.3,
        },
    ]
    assert draft.findings.all == []
    odd, _ = imported(deployment("a", "openai/x", input_cost_per_token="dear", output_cost_per_token=-1))
    assert len(told(odd)) == 2
    fine, _ = imported(deployment("a", "openai/x", input_cost_per_token=Decimal("1e-16")))
    assert told(fine) == [("left out", "m[0].litellm_params")]


def test_limits_and_budgets_of_a_model() -> None:
    draft, _ = imported(
        {**deployment("g?t", "openai/x", rpm=5, tpm=6, max_budget=7, budget_duration="1d"), "max_parallel_requests": 8}
    )
    when = {"models": ["g[?]t"]}
    assert draft.rows["budgets"] == [{"id": "model-g-t-budget", "when": when, "limit_usd": 7, "window": "day"}]
    assert [(row["id"], row["when"], row["limit"]) for row in draft.rows["rate_limits"]] == [
        ("model-g-t-rpm", when, 5),
        ("model-g-t-tpm", when, 6),
        ("model-g-t-parallel", when, 8),
    ]


def test_what_is_not_known_is_told() -> None:
    draft, _ = imported(
        {
            **deployment("a", "openai/x", timeout=5, aws_secret_access_key=KEY, num_retries=0),
            "model_info": {"access_groups": ["beta"], "mode": "chat"},
            "order": 2,
        }
    )
    assert told(draft) == [
        ("left out", "m[0].litellm_params.timeout"),
        ("left out", "m[0].litellm_params.aws_secret_access_key"),
        ("left out", "m[0].litellm_params.num_retries"),
        ("left out", "m[0].model_info.access_groups"),
        ("left out", "m[0].order"),
    ]
