"""Words of TrueFoundry's limits: none of them makes a rule wider than it was."""

from __future__ import annotations

import pytest

from fastgw.importers.draft import Draft
from fastgw.importers.findings import Findings
from fastgw.importers.table import Table
from fastgw.importers.truefoundry_terms import (
    Unwritable,
    accounts_of,
    alerts_of,
    amount_of,
    counted_per,
    literals,
    members_of,
    note_accounts,
    only,
    subjects_of,
    words,
)


def test_words_of_conditions() -> None:
    assert words("p", None) == []
    assert words("p", ["a", 1, True, False]) == ["a", "1", "true", "false"]
    odd: tuple[object, ...] = ("a", [None], [""], [[]], {})
    for value in odd:
        with pytest.raises(Unwritable):
            words("p", value)


def test_subjects() -> None:
    findings = Findings()
    names = ["user:a@x", "team:b*", "virtualaccount:c", "virtual-account:d", "role:e", "user:", "f"]
    assert subjects_of("p", names, findings) == ["user:a@x", "team:b[*]", "key:c", "key:d"]
    assert [each.path for each in findings.all] == ["p[4]", "p[5]", "p[6]"]
    assert findings.partial


def test_a_team_of_everybody_is_told() -> None:
    findings = Findings()
    assert subjects_of("p", ["team:everyone"], findings) == ["team:everyone"]
    assert [each.kind for each in findings.all] == ["changed"]


def test_who_has_a_counter() -> None:
    assert counted_per("p", ["user", "model", "virtualaccount", "metadata.x.y", "team", "user"]) == [
        "user",
        "model",
        "key",
        "metadata.x.y",
        "team",
    ]
    for name in ("metadata.", "tenant", ""):
        with pytest.raises(Unwritable):
            counted_per("p", [name])


def test_amounts() -> None:
    findings = Findings()
    assert amount_of("p", "cost_per_week", 5, findings) == {"limit_usd": 5, "window": "week"}
    assert amount_of("p", "tokens_per_hour", 5, findings) == {"limit": 5, "unit": "tokens_per_hour"}
    assert findings.all == []
    assert amount_of("p", "cost_per_week", "x", findings) == {}
    assert amount_of("p", "tokens_per_hour", None, findings) == {}
    assert len(findings.all) == 2


@pytest.mark.parametrize(
    ("alerts", "parts", "left"),
    [
        (None, [], []),
        ({}, [0.75, 0.9, 0.95, 1.0], []),
        ({"thresholds": [50, "99.5", 1000]}, [0.5, 0.995, 10.0], []),
        ({"thresholds": []}, [], []),
        ({"thresholds": [0, -1, 1001, "x"]}, [], [f"r.alerts.thresholds[{index}]" for index in range(4)]),
        ({"thresholds": 5}, [], ["r.alerts.thresholds"]),
        ({"thresholds": [100], "notification_target": [{"type": "email"}]}, [1.0], ["r.alerts.notification_target"]),
        ([], [], ["r.alerts"]),
    ],
)
def test_alerts(alerts: object, parts: list[float], left: list[str]) -> None:
    rule = Table({"alerts": alerts}, "r", Findings())
    assert alerts_of(rule) == parts
    assert [each.path for each in rule.findings.all] == left
    rule.finish()
    assert [each.path for each in rule.findings.all] == left


def test_accounts_become_providers_when_their_names_say_of_which_kind() -> None:
    draft = Draft()
    assert accounts_of(["openai-main/gpt-4", "bare", "/x", "a/b/c"]) == ["openai-main", "a"]
    for _ in range(2):
        note_accounts("p", ["openai-main", "my-claude", "bedrock", "OpenAI Main"], draft)
    assert draft.providers == {
        "openai-main": {"kind": "openai", "api_key": "env:OPENAI_MAIN_API_KEY"},
        "my-claude": {"kind": "anthropic", "api_key": "env:MY_CLAUDE_API_KEY"},
    }
    assert [each.value for each in draft.findings.all] == ['"openai-main"', '"my-claude"', '"bedrock"', '"OpenAI Main"']
    assert not draft.findings.partial


def test_tables_and_unknown_conditions() -> None:
    assert members_of("p", None) == {}
    assert members_of("p", {"a": 1}) == {"a": 1}
    with pytest.raises(Unwritable):
        members_of("p", [])
    only("p", {"a": 1}, ("a", "b"))
    with pytest.raises(Unwritable) as caught:
        only("p", {"c": 1}, ("a", "b"))
    assert caught.value.path == "p.c"
    assert literals(["a?"]) == ["a[?]"]
