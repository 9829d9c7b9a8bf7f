"""``fastgw import``: what it writes governs the same callers by the same rules, and it writes nothing over a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fastgw._native.timers import TimerWheel
from fastgw.app import importing
from fastgw.app.build import Builder
from fastgw.app.importing import PARTIAL, import_files
from fastgw.app.policy import Case, judge
from fastgw.app.serve import AnySecret
from fastgw.config.load import load
from fastgw.domain.errors import ConfigError
from fastgw.importers.sources import Imported, import_texts

CALLERS = """
[[prices]]
provider = "openai-main"
models = ["*"]
input_usd_per_mtok = 1
output_usd_per_mtok = 1
[[teams]]
name = "ml"
[[teams]]
name = "web"
[[users]]
name = "ada@example.com"
team = "ml"
[[users]]
name = "bob@example.com"
team = "web"
[[keys]]
name = "ada"
secret = "env:A"
user = "ada@example.com"
[[keys]]
name = "bob"
secret = "env:B"
user = "bob@example.com"
[[keys]]
name = "va-james"
secret = "env:C"
metadata = { env = "dev" }
"""
FIRST_MATCH = b"""
name: budgets
type: gateway-budget-config
rules:
  - id: ml-team
    when: {subjects: ["team:ml"]}
    limit_to: 100
    unit: cost_per_day
    budget_applies_per: [user]
  - id: default
    when: {}
    limit_to: 10
    unit: cost_per_day
    budget_applies_per: [user]
"""
ALL_MUST_ALLOW = b"""
type: tenant-budget-config
name: per-user
limits: {cost_per_day: 10}
applies_to: {type: per-user}
---
type: tenant-budget-config
name: gpt4-cap
when: {models: {in: [openai-main/gpt-4]}}
limits: {cost_per_month: 500}
applies_to: {type: aggregate}
"""
TEAM_OVERRIDE = b"""
type: tenant-budget-config
name: default
mode: soft_enforce
limits: {cost_per_day: 10}
applies_to: {type: per-user}
---
type: tenant-budget-config
name: ml-team
when: {subjects: {teams: {in: [ml]}}}
limits: {cost_per_day: 100}
applies_to: {type: per-user}
"""
ENTITY_OVERRIDE = b"""
type: tenant-budget-config
name: each
limits: {cost_per_day: 10}
applies_to:
  type: per-user
  overrides: [{users: [ada@example.com], limits: {cost_per_day: 100}}]
"""
RATES = b"""
name: rates
type: gateway-rate-limiting-config
rules:
  - id: dev-env
    when: {models: [openai-main/gpt-4], metadata: {env: dev}}
    limit_to: 1000
    unit: requests_per_day
  - id: james
    when: {subjects: ["virtualaccount:va-james"]}
    limit_to: 5
    unit: requests_per_minute
  - id: rest
    when: {}
    limit_to: 7
    unit: requests_per_hour
    rate_limit_applies_per: [user]
"""


def verdict(source: bytes, key: str, **said: Any) -> tuple[str, list[str]]:
    """What a call is told, and which rules govern it."""
    text = import_texts([("f", source)]).toml + CALLERS
    if "[providers.openai-main]" not in text:
        text += '[providers.openai-main]\nkind = "openai"\napi_key = "env:D"\n'
    settings = load(text, AnySecret())
    snapshot = Builder(TimerWheel()).snapshot(settings)
    found = judge(snapshot, settings, Case(key=key, model=said.pop("model", "openai-main/gpt-4"), **said))
    return found.word, [each.row.id for each in found.applied if each.governs]


def test_the_first_rule_of_a_list_governs_and_all_count() -> None:
    assert verdict(FIRST_MATCH, "ada", spent_usd={"ml-team": 50, "default": 50}) == ("allow", ["ml-team"])
    assert verdict(FIRST_MATCH, "ada", spent_usd={"ml-team": 100}) == ("ml-team", ["ml-team"])
    assert verdict(FIRST_MATCH, "bob", spent_usd={"default": 9}) == ("allow", ["default"])
    assert verdict(FIRST_MATCH, "bob", spent_usd={"default": 10}) == ("default", ["default"])


def test_every_limit_of_the_second_generation_must_allow() -> None:
    both = ["per-user", "gpt4-cap"]
    assert verdict(ALL_MUST_ALLOW, "ada", spent_usd={"per-user": 9, "gpt4-cap": 499}) == ("allow", both)
    assert verdict(ALL_MUST_ALLOW, "ada", spent_usd={"per-user": 10}) == ("per-user", both)
    assert verdict(ALL_MUST_ALLOW, "ada", spent_usd={"gpt4-cap": 500}) == ("gpt4-cap", both)
    assert verdict(ALL_MUST_ALLOW, "ada", model="openai-main/gpt-5") == ("allow", ["per-user"])


def test_a_soft_default_gives_way_to_the_team() -> None:
    assert verdict(TEAM_OVERRIDE, "ada", spent_usd={"ml-team": 50, "default": 50})[0] == "allow"
    assert verdict(TEAM_OVERRIDE, "ada", spent_usd={"ml-team": 100})[0] == "ml-team"
    assert verdict(TEAM_OVERRIDE, "bob", spent_usd={"default": 9})[0] == "allow"
    assert verdict(TEAM_OVERRIDE, "bob", spent_usd={"default": 10})[0] == "default"


def test_an_entity_with_an_override_has_that_alone() -> None:
    assert verdict(ENTITY_OVERRIDE, "ada", spent_usd={"each.override-1": 50}) == ("allow", ["each.override-1"])
    assert verdict(ENTITY_OVERRIDE, "ada", spent_usd={"each.override-1": 100})[0] == "each.override-1"
    assert verdict(ENTITY_OVERRIDE, "bob", spent_usd={"each": 10}) == ("each", ["each"])


def test_rates_are_matched_by_model_tag_and_caller() -> None:
    assert verdict(RATES, "va-james", used={"dev-env": 999, "james": 5, "rest": 7}) == ("allow", ["dev-env"])
    assert verdict(RATES, "va-james", used={"dev-env": 1000}) == ("dev-env", ["dev-env"])
    assert verdict(RATES, "va-james", model="openai-main/gpt-5", used={"james": 5}) == ("james", ["james"])
    assert verdict(RATES, "ada", used={"rest": 6}) == ("allow", ["rest"])
    assert verdict(RATES, "ada", metadata={"env": "dev"})[1] == ["dev-env"]
    assert verdict(RATES, "ada", used={"rest": 7}) == ("rest", ["rest"])


LITELLM = b"""
model_list:
  - model_name: gpt-4o
    litellm_params: {model: openai/gpt-4o, input_cost_per_token: 0.000001, output_cost_per_token: 0.000001}
  - model_name: mini
    litellm_params: {model: openai/gpt-4o-mini, input_cost_per_token: 0.000001, output_cost_per_token: 0.000001}
teams: [{team_id: t, team_alias: pay, max_budget: 100, budget_duration: 30d, models: [gpt-4o, mini]}]
users: [{user_id: ada, max_budget: 5, budget_duration: 1d}]
keys:
  - {key_alias: shop, team_id: t, user_id: ada, max_budget: 50, budget_duration: 7d, model_rpm_limit: {gpt-4o: 3}}
  - {key_alias: own, user_id: ada, models: [mini]}
"""


def litellm_verdict(key: str, model: str, **said: Any) -> tuple[str, list[str]]:
    settings = load(import_texts([("f", LITELLM)]).toml, AnySecret())
    snapshot = Builder(TimerWheel()).snapshot(settings)
    found = judge(snapshot, settings, Case(key=key, model=model, **said))
    return found.word, [each.row.id for each in found.applied if each.governs]


def test_keys_teams_and_users_of_litellm() -> None:
    governs = ["team-pay-budget", "key-shop-budget", "key-shop-gpt-4o-rpm"]
    assert litellm_verdict("shop", "gpt-4o") == ("allow", governs)
    assert litellm_verdict("shop", "gpt-4o", used={"key-shop-gpt-4o-rpm": 3})[0] == "key-shop-gpt-4o-rpm"
    assert litellm_verdict("shop", "mini", spent_usd={"team-pay-budget": 100}) == ("team-pay-budget", governs[:2])
    assert litellm_verdict("own", "mini", spent_usd={"user-ada-budget": 5}) == ("user-ada-budget", ["user-ada-budget"])
    assert litellm_verdict("own", "gpt-4o")[0] == "model_not_allowed"
    assert litellm_verdict("shop", "openai/gpt-5")[0] == "model_not_allowed"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "limits.yaml"
    path.write_bytes(FIRST_MATCH)
    return path


def test_it_is_written_to_standard_output(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert import_files([source], None, force=False, allow_partial=False) == 0
    out, err = capsys.readouterr()
    assert load(out, AnySecret()).budgets[0].id == "ml-team"
    assert err.startswith("to do: providers.openai: ")


def test_a_file_that_is_there_stays(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "fastgw.toml"
    assert import_files([source], output, force=False, allow_partial=False) == 0
    written = output.read_text()
    assert load(output, AnySecret()).budgets
    output.write_text("mine")
    with pytest.raises(ConfigError, match="--force"):
        import_files([source], output, force=False, allow_partial=False)
    assert output.read_text() == "mine"
    assert import_files([source], output, force=True, allow_partial=False) == 0
    assert output.read_text() == written


def test_a_file_that_comes_meanwhile_stays(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "fastgw.toml"
    monkeypatch.setattr(importing, "_prove", lambda _: output.write_text("mine"))
    with pytest.raises(ConfigError, match="--force"):
        import_files([source], output, force=False, allow_partial=False)
    assert output.read_text() == "mine"


def test_what_was_left_out_is_in_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "limits.yaml"
    path.write_bytes(FIRST_MATCH + b"colour: red\n")
    assert import_files([path], None, force=False, allow_partial=False) == PARTIAL
    assert import_files([path], None, force=False, allow_partial=True) == 0
    out, err = capsys.readouterr()
    assert "\n# left out: colour = a text (not shown): " in out
    assert "\nleft out: colour = a text (not shown): " in err


def test_what_the_loader_refuses_is_not_written(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "import_texts", lambda _: Imported(toml="[servr]", findings=(), partial=False))
    with pytest.raises(ConfigError, match="what was made of it is refused"):
        import_files([source], tmp_path / "o.toml", force=True, allow_partial=True)
    assert not (tmp_path / "o.toml").exists()


def test_files_that_cannot_be_read_or_written(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="readable file"):
        import_files([tmp_path / "none"], None, force=False, allow_partial=False)
    with pytest.raises(ConfigError, match="place to write"):
        import_files([source], tmp_path / "no" / "o.toml", force=False, allow_partial=False)
