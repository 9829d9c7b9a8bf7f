"""Findings: their lines, and that nothing that may be a secret is in one."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fastgw.importers.findings import Findings, Hidden, looks_secret, shown, step

SECRETS = [
    "sk-1234567890abcdefghij",
    "use sk-ant-api03-abcdefghijklmnop please",
    "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.x",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_abcdefghijklmnopqrstuvwxyz",
    "postgres://user:word@host/db",
]
PLAIN = [
    "gpt-4o",
    "desk-abcdefghijklmnopqrstuv",
    "ada@example.com",
    "de35b29e-6ca8-4f47-b804-2b79d07aa99a",
    "https://host/v1",
]


@pytest.mark.parametrize("text", SECRETS)
def test_shapes_of_secrets(text: str) -> None:
    assert looks_secret(text)
    assert shown(text) == "a text (not shown)"
    assert step("keys", text) == "keys.(not shown)"


@pytest.mark.parametrize("text", PLAIN)
def test_other_texts_are_shown(text: str) -> None:
    assert not looks_secret(text)
    assert shown(text) == f'"{text}"'


@pytest.mark.parametrize("name", ["langfuse_secret", "PASSWORD", "apiKey", "api_key", "auth"])
def test_a_name_can_say_that_it_is_a_secret(name: str) -> None:
    assert looks_secret("x", name)
    assert not looks_secret("x", "team")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (5, "5"),
        (Decimal("0.10"), "0.10"),
        ([1, 2], "a list of 2"),
        ({"a": 1}, "a table of 1"),
        (Hidden(5), "a number (not shown)"),
        (Hidden("x"), "a text (not shown)"),
        (Hidden([1]), "a list of 1"),
        (Hidden(True), "true"),
        ("a\nb\u202e", '"a\\x0ab\\u202e"'),
        ("x" * 99, '"' + "x" * 80 + '..."'),
    ],
)
def test_values(value: object, text: str) -> None:
    assert shown(value) == text


def test_paths() -> None:
    assert [step("", "a"), step("a", "b"), step("f.yaml: ", "a")] == ["a", "a.b", "f.yaml: a"]


def test_a_line_has_path_value_why_and_what_to_do() -> None:
    findings = Findings()
    findings.to_do("keys", None, "there are none", "write them")
    assert not findings.partial
    findings.left_out("rules[0].unit", "x", "no such unit", "correct it")
    assert findings.partial
    findings.left_out("rules[0].unit", "x", "no such unit", "correct it")
    assert [each.line for each in findings.all] == [
        "to do: keys: there are none; write them",
        'left out: rules[0].unit = "x": no such unit; correct it',
    ]
    hidden = Findings()
    hidden.to_do(f"a.{SECRETS[0]}", None, f"it is {SECRETS[0]}-2 here", f"set {SECRETS[0]}")
    assert hidden.all[0].line == "to do: a.(not shown): it is (not shown) here; set (not shown)"
    changed = Findings()
    changed.changed("a\nb", 0, "w", "d")
    assert changed.partial
    assert changed.all[0].line == "changed: a\\x0ab = 0: w; d"
