"""LiteLLM's keys, teams and users: who they are, what they may use, and no secret."""

from __future__ import annotations

from typing import Any

import pytest

from fastgw.importers.draft import Draft
from fastgw.importers.litellm_people import People, kind_of
from fastgw.importers.table import Table

HASH = "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b"


def imported(
    keys: list[dict[str, Any]],
    teams: list[dict[str, Any]] | None = None,
    users: list[dict[str, Any]] | None = None,
    offered: list[str] | None = None,
) -> Draft:
    draft = Draft()
    people = People(draft, offered)
    for index, each in enumerate(teams or []):
        people.add_team(Table(each, f"teams[{index}]", draft.findings))
    for index, each in enumerate(users or []):
        people.add_user(Table(each, f"users[{index}]", draft.findings))
    for index, each in enumerate(keys):
        people.add_key(Table(each, f"keys[{index}]", draft.findings))
    assert HASH not in str(draft.sections()) + "".join(each.line for each in draft.findings.all)
    return draft


def told(draft: Draft) -> list[tuple[str, str]]:
    return [(each.kind, each.path) for each in draft.findings.all if each.kind != "to do"]


def test_a_key_with_a_team_and_a_user() -> None:
    draft = imported(
        [
            {
                "token": HASH,
                "key_name": "sk-...abcd",
                "key_alias": "checkout",
                "team_id": "t1",
                "user_id": "u1",
                "spend": 5,
                "metadata": {"app": "checkout", "level": 3, "beta": True},
                "max_budget": 5,
                "budget_duration": "1d",
            }
        ],
        [{"team_id": "t1", "team_alias": "payments", "max_budget": 9, "metadata": {"cost_center": "1"}, "spend": 1}],
        [{"user_id": "u1", "user_email": "u@x", "user_role": "internal_user", "max_budget": 3, "metadata": {"a": "b"}}],
    )
    assert draft.rows["teams"] == [{"name": "payments", "metadata": {"cost_center": "1"}}]
    assert draft.rows["users"] == [{"name": "u1", "metadata": {"a": "b"}}]
    assert draft.rows["keys"] == [
        {
            "name": "checkout",
            "secret": "env:FASTGW_KEY_CHECKOUT",
            "team": "payments",
            "user": "u1",
            "metadata": {"app": "checkout", "level": "3", "beta": "true"},
        }
    ]
    assert [(row["id"], row["when"]) for row in draft.rows["budgets"]] == [
        ("team-payments-budget", {"subjects": ["team:payments"]}),
        ("user-u1-budget", {"subjects": ["user:u1"], "not_subjects": ["team:*"]}),
        ("key-checkout-budget", {"subjects": ["key:checkout"]}),
    ]
    assert not draft.findings.partial
    assert any("FASTGW_KEY_CHECKOUT" in each.do for each in draft.findings.all)


def test_owners_that_no_list_has_are_declared() -> None:
    draft = imported([{"key_alias": "a", "team_id": "t", "user_id": "u"}, {"key_alias": "b", "team_id": "t"}])
    assert (draft.rows["teams"], draft.rows["users"]) == ([{"name": "t"}], [{"name": "u"}])
    assert [row.get("team") for row in draft.rows["keys"]] == ["t", "t"]


def test_names_are_made_where_there_are_none_or_they_are_secrets() -> None:
    draft = imported(
        [{"token": HASH}, {"key_alias": "a"}, {"key_alias": "a"}, {"key_alias": HASH}],
        [{"team_id": HASH}, {"team_id": "t", "team_alias": "x"}, {"team_id": "s", "team_alias": "x"}],
    )
    assert [row["name"] for row in draft.rows["keys"]] == ["key-1", "a", "a-2", "key-4"]
    assert [row["name"] for row in draft.rows["teams"]] == ["team-1", "x", "s"]
    assert told(draft) == [("changed", "teams[0]"), ("changed", "keys[3]")]


@pytest.mark.parametrize(
    ("models", "of_team", "offered", "allowed"),
    [
        ([], None, None, None),
        ([], ["a", "b"], None, ["a", "b"]),
        (["a"], None, None, ["a"]),
        (["a", "c"], ["a", "b"], None, ["a"]),
        (["all-team-models"], ["a"], None, ["a"]),
        (["all-team-models"], [], None, None),
        (["all-team-models"], [], ["x"], ["x"]),
        (["all-proxy-models"], ["a"], ["a", "b"], ["a"]),
        (["openai/*"], ["openai/gpt-4o", "claude"], None, ["openai/gpt-4o"]),
        (["openai/gpt-4o", "claude"], ["openai/*"], None, ["openai/gpt-4o"]),
        (["m[1]?"], None, None, ["m[[]1][?]"]),
        ([], None, ["x", "openai/*"], ["x", "openai/*"]),
    ],
)
def test_what_a_key_may_use(
    models: list[str], of_team: list[str] | None, offered: list[str] | None, allowed: list[str] | None
) -> None:
    teams = [] if of_team is None else [{"team_id": "t", "models": of_team}]
    draft = imported([{"key_alias": "k", "models": models, "team_id": "t"}], teams, offered=offered)
    assert draft.rows["keys"][0].get("models") == allowed
    assert not draft.findings.partial


@pytest.mark.parametrize(
    ("key", "offered"),
    [({"models": ["a"], "team_id": "t"}, None), ({"models": []}, []), ({"models": [], "user_id": "u"}, None)],
)
def test_a_key_that_may_use_nothing_is_left_out(key: dict[str, Any], offered: list[str] | None) -> None:
    teams = [{"team_id": "t", "models": ["b"]}]
    users = [{"user_id": "u", "models": ["no-default-models"]}]
    draft = imported([{"key_alias": "k", **key}], teams, users, offered)
    assert draft.rows["keys"] == []
    assert told(draft) == [("left out", "keys[0].models")]


def test_a_users_list_is_for_keys_without_a_team() -> None:
    users = [{"user_id": "u", "models": ["a"]}]
    draft = imported(
        [{"key_alias": "k", "user_id": "u"}, {"key_alias": "l", "user_id": "u", "team_id": "t"}], [], users
    )
    assert [row.get("models") for row in draft.rows["keys"]] == [["a"], None]


def test_blocked_keys_and_keys_of_blocked_teams_are_not_written() -> None:
    draft = imported(
        [{"key_alias": "a", "blocked": True}, {"key_alias": "b", "team_id": "t"}], [{"team_id": "t", "blocked": True}]
    )
    assert draft.rows["keys"] == []
    assert [each.path for each in draft.findings.all] == ["keys[0]", "keys[1]"]
    assert not draft.findings.partial


def test_what_is_not_known_is_told() -> None:
    draft = imported(
        [
            {
                "key_alias": "k",
                "expires": "2027-01-01",
                "aliases": {"a": "b"},
                "metadata": {"tags": ["a"], "secret_word": "hunter2", "long": "x" * 129, "seen": HASH, "x" * 129: "y"},
            }
        ],
        [
            {
                "team_id": "t",
                "organization_id": "o",
                "members_with_roles": [{"role": "admin"}],
                "team_memberships": [{"user_id": "u"}],
            }
        ],
        [{"user_id": "u", "max_budget": 1, "colour": "red"}],
    )
    assert told(draft) == [
        ("left out", "teams[0].team_memberships[0]"),
        ("left out", "teams[0].organization_id"),
        ("left out", "users[0].colour"),
        ("left out", "keys[0].metadata.secret_word"),
        ("left out", "keys[0].metadata.long"),
        ("left out", "keys[0].metadata.seen"),
        ("left out", f"keys[0].metadata.{'x' * 80}..."),
        ("left out", "keys[0].metadata.tags"),
        ("left out", "keys[0].expires"),
        ("left out", "keys[0].aliases"),
    ]
    assert "hunter2" not in str(draft.sections()) + "".join(each.line for each in draft.findings.all)
    assert len(draft.rows["keys"]) == 1


@pytest.mark.parametrize(
    ("section", "entry"), [("teams", {"models": []}), ("users", {"models": []}), ("teams", {"team_id": "x" * 200})]
)
def test_people_without_a_name_of_ours(section: str, entry: dict[str, Any]) -> None:
    draft = imported([], **{section: [{**entry, "max_budget": 1}]})  # type: ignore[arg-type] # one of the two
    assert draft.rows[section] == []
    assert draft.rows["budgets"] == []
    assert told(draft) == [("left out", f"{section}[0]")]


def test_a_key_whose_name_is_refused() -> None:
    draft = imported([{"key_alias": "x" * 200, "max_budget": 1}])
    assert draft.rows["keys"] == []
    assert draft.rows["budgets"] == []
    assert told(draft) == [("left out", "keys[0]")]


def test_what_a_table_is() -> None:
    assert kind_of({"token": HASH, "team_id": "t", "user_id": "u"}) == "key"
    assert kind_of({"team_id": "t", "members_with_roles": []}) == "team"
    assert kind_of({"user_id": "u"}) == "user"
    assert kind_of({"name": "x"}) is None
