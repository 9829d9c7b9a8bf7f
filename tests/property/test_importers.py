"""A configuration of another gateway governs the same calls here, or what is missing is told; no secret of it comes through."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fastgw._native.rule_program import members
from fastgw.app.serve import AnySecret, check_prices
from fastgw.config.load import load
from fastgw.config.root import Settings
from fastgw.domain.rule import RuleRow
from fastgw.importers.sources import Imported, import_texts
from fastgw.limits.config import BudgetRow
from fastgw.rules.table import Fixed, RuleTable, governing

USERS = ["a@x", "b*", "c?d"]
TEAMS = ["ml", "web"]
KEYS = ["va-1", "va[2]"]
MODELS = ["openai-main/gpt-4", "openai-main/gpt-4o*", "claude-eu/opus"]
TAGS = {"env": ["dev", "prod*"], "project": ["p1", "p2"]}
SECRET = "sk-hunter2hunter2hunter2"
WINDOWS = ["day", "week", "month", "quarter"]
RATE_UNITS = [f"{what}_per_{period}" for what in ("requests", "tokens") for period in ("minute", "hour", "day")]

some = st.sampled_from
ODD = st.one_of(st.none(), st.just(SECRET), st.just([SECRET]), st.just({"x": SECRET}), st.integers(), st.booleans())


def lists(values: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(some(values), max_size=2, unique=True)


SUBJECTS = [
    *(f"user:{name}" for name in USERS),
    *(f"team:{name}" for name in TEAMS),
    *(f"virtualaccount:{name}" for name in KEYS),
]
FLAT_WHEN = st.fixed_dictionaries(
    {},
    optional={
        "subjects": lists(SUBJECTS),
        "models": lists(MODELS),
        "metadata": st.fixed_dictionaries({}, optional={name: some(values) for name, values in TAGS.items()}),
    },
)
RATE_RULE = st.fixed_dictionaries({"when": FLAT_WHEN, "limit_to": st.integers(1, 99), "unit": some(RATE_UNITS)})
BUDGET_RULE = st.fixed_dictionaries(
    {"when": FLAT_WHEN, "limit_to": st.integers(0, 99), "unit": some([f"cost_per_{each}" for each in WINDOWS])}
)


def in_or_not(values: list[str]) -> st.SearchStrategy[dict[str, list[str]]]:
    return st.fixed_dictionaries({}, optional={"in": lists(values), "not_in": lists(values)})


NESTED_WHEN = st.fixed_dictionaries(
    {},
    optional={
        "subjects": st.fixed_dictionaries(
            {}, optional={"users": in_or_not(USERS), "teams": in_or_not(TEAMS), "virtual_accounts": in_or_not(KEYS)}
        ),
        "models": in_or_not(MODELS),
        "provider_accounts": in_or_not(["openai-main", "claude-eu"]),
        "metadata": st.fixed_dictionaries({}, optional={name: in_or_not(values) for name, values in TAGS.items()}),
    },
)
LIMITS = st.dictionaries(some([f"cost_per_{each}" for each in WINDOWS]), st.integers(0, 99), min_size=1, max_size=2)


def applied(kind: str, field: str, values: list[str], **more: str) -> st.SearchStrategy[dict[str, Any]]:
    override = st.fixed_dictionaries(
        {field: st.lists(some(values), min_size=1, max_size=2, unique=True), "limits": LIMITS}
    )
    return st.fixed_dictionaries(
        {
            "type": st.just(kind),
            "overrides": st.lists(override, max_size=2),
            **{name: st.just(value) for name, value in more.items()},
        }
    )


MANIFEST = st.fixed_dictionaries(
    {
        "type": st.just("tenant-budget-config"),
        "when": NESTED_WHEN,
        "limits": LIMITS,
        "applies_to": st.one_of(
            st.just({"type": "aggregate"}),
            applied("per-user", "users", USERS),
            applied("per-virtual-account", "virtual_accounts", KEYS),
            applied("per-model", "models", MODELS),
            applied("metadata", "metadata_values", TAGS["env"], metadata="env"),
        ),
        "mode": some(["enforce", "audit"]),
    }
)
CALL = st.fixed_dictionaries(
    {
        "user": some(["", *USERS, "bb"]),
        "team": some(["", *TEAMS]),
        "key": some([*KEYS, "va2"]),
        "model": some([*MODELS, "openai-main/gpt-4o-mini"]),
        "metadata": st.fixed_dictionaries(
            {}, optional={name: some([*values, "production"]) for name, values in TAGS.items()}
        ),
    }
)


def imported(*documents: Any) -> tuple[Imported, Settings]:
    """What comes out has been through the loader, and has no secret."""
    found = import_texts([("f", json.dumps(list(documents)).encode())])
    assert SECRET not in found.toml
    assert SECRET not in "".join(each.line for each in found.findings)
    settings = load(found.toml, AnySecret())
    check_prices(settings)
    return found, settings


def matched(rows: tuple[RuleRow, ...], call: dict[str, Any]) -> tuple[tuple[int, bool], ...]:
    """Places of the rows that match a call, and whether each governs."""
    table = RuleTable(rows)
    fixed = Fixed(
        key=call["key"],
        user=call["user"],
        team=call["team"],
        alias=call["model"],
        target=call["model"],
        provider=call["model"].partition("/")[0],
        region="",
        dialect="openai",
        operation="chat",
    )
    return governing(rows, members(table.program.match(table.base(fixed), call["metadata"], None)))


def flat_matches(when: dict[str, Any], call: dict[str, Any]) -> bool:
    """As TrueFoundry's first generation says: all that is given must hold, of a list one entry is enough."""
    names = {f"user:{call['user']}", f"team:{call['team']}", f"virtualaccount:{call['key']}"}
    return (
        (not when.get("subjects") or bool(names & set(when["subjects"])))
        and (not when.get("models") or call["model"] in when["models"])
        and all(call["metadata"].get(name) == value for name, value in when.get("metadata", {}).items())
    )


@given(st.lists(RATE_RULE, max_size=5), st.lists(BUDGET_RULE, max_size=5), CALL)
def test_the_same_rule_of_a_list_governs(rates: list[Any], budgets: list[Any], call: dict[str, Any]) -> None:
    for section, kind, rules in (
        ("rate_limits", "gateway-rate-limiting-config", rates),
        ("budgets", "gateway-budget-config", budgets),
    ):
        named = [{"id": f"rule-{index}", **rule} for index, rule in enumerate(rules)]
        found, settings = imported({"name": "all", "type": kind, "rules": named})
        assert not found.partial
        rows = getattr(settings, section)
        assert [row.id for row in rows] == [rule["id"] for rule in named]
        for row, rule in zip(rows, named, strict=True):
            assert (row.limit_usd if isinstance(row, BudgetRow) else row.limit) == rule["limit_to"]
            assert (f"cost_per_{row.window}" if isinstance(row, BudgetRow) else row.unit) == rule["unit"]
        matching = [index for index, rule in enumerate(named) if flat_matches(rule["when"], call)]
        expected = tuple((index, index == matching[0]) for index in matching)
        assert matched(rows, call) == expected


def nested_matches(when: dict[str, Any], call: dict[str, Any]) -> bool:
    """As the second generation says; callers of several kinds: one of them is enough."""

    def holds(said: dict[str, Any], value: str | None) -> bool:
        return (not said.get("in") or value in said["in"]) and (value is None or value not in said.get("not_in", []))

    subjects = when.get("subjects", {})
    callers = [("users", call["user"]), ("teams", call["team"]), ("virtual_accounts", call["key"])]
    wanted = [name for kind, _ in callers for name in subjects.get(kind, {}).get("in", [])]
    return (
        (not wanted or any(value in subjects.get(kind, {}).get("in", []) for kind, value in callers))
        and not any(value in subjects.get(kind, {}).get("not_in", []) for kind, value in callers)
        and holds(when.get("models", {}), call["model"])
        and holds(when.get("provider_accounts", {}), call["model"].partition("/")[0])
        and all(holds(said, call["metadata"].get(name)) for name, said in when.get("metadata", {}).items())
    )


def limits_of(manifest: dict[str, Any], call: dict[str, Any]) -> set[tuple[str, int]]:
    """What holds for a call: the first override for it, else what holds for all others."""
    if not nested_matches(manifest["when"], call):
        return set()
    applies = manifest["applies_to"]
    value = {"per-user": call["user"], "per-virtual-account": call["key"], "per-model": call["model"]}.get(
        applies["type"], call["metadata"].get("env")
    )
    for override in applies.get("overrides", []):
        for field in ("users", "virtual_accounts", "models", "metadata_values"):
            if value in override.get(field, []):
                return set(override["limits"].items())
    return set(manifest["limits"].items())


@given(st.lists(MANIFEST, max_size=3), CALL)
def test_the_same_limits_of_the_second_generation_hold(manifests: list[Any], call: dict[str, Any]) -> None:
    named = [{"name": f"m{index}", **manifest} for index, manifest in enumerate(manifests)]
    found, settings = imported(*named) if named else imported({"type": "gateway-budget-config"})
    untold = {
        index
        for index in range(len(named))
        if not any(each.kind != "to do" and each.path.startswith(f"[{index}]") for each in found.findings)
    }
    here: dict[str, set[tuple[str, int]]] = {}
    for index, governs in matched(settings.budgets, call):
        row = settings.budgets[index]
        assert governs, "each is a group of its own"
        here.setdefault(row.id.partition(".")[0], set()).add((f"cost_per_{row.window}", int(row.limit_usd)))
    for index in untold:
        assert here.get(f"m{index}", set()) == limits_of(named[index], call)


def disturbed(rule: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """With members that are missing, of the wrong kind, or not known."""
    names = [
        "id",
        "when",
        "limit_to",
        "unit",
        "limits",
        "applies_to",
        "mode",
        "rate_limit_applies_per",
        "alerts",
        "colour",
    ]
    return st.builds(lambda good, odd: {**good, **odd}, rule, st.dictionaries(some(names), ODD, max_size=3))


@given(st.lists(disturbed(RATE_RULE), max_size=4), st.lists(disturbed(MANIFEST), max_size=3))
def test_a_rule_is_there_or_told(rules: list[Any], manifests: list[Any]) -> None:
    named = [{"name": f"m{index}", **manifest} for index, manifest in enumerate(manifests)]
    first = {"name": "all", "type": "gateway-rate-limiting-config", "rules": rules}
    found, settings = imported(first, *named)
    told = [each.path for each in found.findings if each.kind == "left out"]
    written = len(settings.rate_limits)
    left = [index for index in range(len(rules)) if any(path.startswith(f"[0].rules[{index}]") for path in told)]
    assert written >= len(rules) - len(left)
    assert written <= len(rules)
    for index, manifest in enumerate(named, 1):
        if not any(path.startswith(f"[{index}]") for path in told):
            rows = [row for row in settings.budgets if row.id.partition(".")[0] == f"m{index - 1}"]
            assert {(f"cost_per_{row.window}", row.limit_usd) for row in rows} >= set(manifest["limits"].items())
    for rule in (rule for index, rule in enumerate(rules) if index not in left):
        assert any(row.unit == rule["unit"] and row.limit in (rule["limit_to"], 1) for row in settings.rate_limits)


LITELLM_VALUES = st.recursive(
    st.one_of(ODD, some(["30d", "1d", "a", "openai/gpt-4o", "os.environ/X", "5"])),
    lambda each: st.one_of(
        st.lists(each, max_size=2), st.dictionaries(some(["a", SECRET, "models"]), each, max_size=2)
    ),
    max_leaves=4,
)
MONEY = ["max_budget", "budget_duration"]
KEY_NAMES = [
    *MONEY,
    *(
        "token",
        "key_alias",
        "models",
        "team_id",
        "user_id",
        "soft_budget",
        "rpm_limit",
        "metadata",
        "blocked",
        "expires",
    ),
    *("model_max_budget", "model_rpm_limit", "litellm_budget_table", "budget_limits", "aliases"),
]
MODEL_NAMES = ["model_name", "litellm_params", "model_info", "rpm"]
PARAMETERS = [
    *MONEY,
    *("model", "api_key", "api_base", "rpm", "input_cost_per_token", "output_cost_per_token", "region_name", "x"),
]


def tables(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(some(names), LITELLM_VALUES, max_size=6)


@given(
    st.lists(tables(KEY_NAMES), max_size=3),
    st.lists(tables([*KEY_NAMES, "team_alias"]), max_size=2),
    st.lists(
        st.builds(lambda entry, inner: {**entry, "litellm_params": inner}, tables(MODEL_NAMES), tables(PARAMETERS)),
        max_size=2,
    ),
    st.dictionaries(some(["max_budget", "budget_duration", "timezone", "cache"]), LITELLM_VALUES, max_size=3),
)
def test_whatever_litellm_says_becomes_a_good_configuration(keys: Any, teams: Any, models: Any, settings: Any) -> None:
    imported_one = import_texts(
        [("f", json.dumps({"keys": keys, "teams": teams, "model_list": models, "litellm_settings": settings}).encode())]
    )
    assert SECRET not in imported_one.toml
    assert SECRET not in "".join(each.line for each in imported_one.findings)
    check_prices(load(imported_one.toml, AnySecret()))
