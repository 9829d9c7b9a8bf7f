"""Every model name has one answer, and no prompt goes to a provider it was not meant for."""

from __future__ import annotations

import pytest

from fastgw.domain.errors import GatewayError
from fastgw.domain.operation import OPERATIONS, Operation
from fastgw.domain.target import Account, Target
from fastgw.routing.config import MAX_ALIAS_CHARS, ModelRow, TargetRow
from fastgw.routing.table import MEMO_ENTRIES, AliasTable

OPENAI = Account(name="first", kind="openai", operations=frozenset({"chat", "complete", "embed", "respond"}))
SECOND = Account(name="second", kind="openai", operations=frozenset({"chat"}))
CLAUDE = Account(name="claude", kind="anthropic", operations=frozenset({"message", "count_tokens"}))


def alias(name: str, target: str) -> ModelRow:
    return ModelRow(name=name, targets=(TargetRow(target=target),))


TABLE = AliasTable(
    [alias("gpt-4", "second/gpt-4o"), alias("first/gpt-4", "second/x"), alias("odd/name", "first/a/b")],
    [OPENAI, SECOND, CLAUDE],
)


def refusal(name: str, operation: Operation = "chat", table: AliasTable = TABLE) -> GatewayError:
    found = table.resolve(name, operation)
    assert isinstance(found, GatewayError)
    assert found.source == "client"
    assert found.param == "model"
    return found


@pytest.mark.parametrize(
    ("name", "operation", "target"),
    [
        ("gpt-4", "chat", "second/gpt-4o"),
        ("first/gpt-4", "chat", "second/x"),
        ("odd/name", "embed", "first/a/b"),
        ("second/gpt-4", "chat", "second/gpt-4"),
        ("first/meta/llama", "chat", "first/meta/llama"),
        ("gpt-4o", "chat", "first/gpt-4o"),
        ("opus", "message", "claude/opus"),
        ("claude", "count_tokens", "claude/claude"),
    ],
)
def test_the_order_of_resolution(name: str, operation: Operation, target: str) -> None:
    first = TABLE.resolve(name, operation)
    again = TABLE.resolve(name, operation)

    assert isinstance(first, Target)
    assert first.name == target
    assert again is first


@pytest.mark.parametrize(
    "name",
    [
        "onprem/llama",
        "meta-llama/Llama-3",
        "/gpt-4",
        "First/gpt-4",
        "first/",
        "",
        "x" * (MAX_ALIAS_CHARS + 1),
        "a\nb",
        "\ud800",
    ],
)
def test_a_name_of_nobody_is_never_sent_to_somebody(name: str) -> None:
    error = refusal(name)

    assert (error.code, error.status) == ("model_not_found", 404)
    assert error.message.isprintable()
    assert len(error.message) < 400


def test_the_refusal_names_the_model() -> None:
    assert "onprem/llama" in refusal("onprem/llama").message


def test_a_bare_name_without_a_provider_of_the_dialect_is_not_found() -> None:
    error = refusal("opus", "message", AliasTable([], [OPENAI]))

    assert error.code == "model_not_found"
    assert "anthropic" in error.message


@pytest.mark.parametrize(("name", "operation"), [("gpt-4", "message"), ("claude/opus", "chat"), ("second/x", "embed")])
def test_a_target_that_does_not_serve_the_operation_says_what_it_serves(name: str, operation: Operation) -> None:
    error = refusal(name, operation)

    assert (error.code, error.status) == ("unsupported_operation", 400)
    assert operation in error.message
    assert "it serves" in error.message


def test_an_answer_for_one_operation_is_not_taken_for_another() -> None:
    assert isinstance(TABLE.resolve("gpt-4", "chat"), Target)
    assert refusal("gpt-4", "message")


def test_the_memo_is_bounded_and_answers_stay_right() -> None:
    table = AliasTable([alias("gpt-4", "first/x")], [OPENAI])

    for number in range(2 * MEMO_ENTRIES + 1):
        found = table.resolve(f"m{number}", "chat")
        assert isinstance(found, Target)
        assert found.name == f"first/m{number}"
    assert len(table._memo["chat"]) <= MEMO_ENTRIES
    again = table.resolve("gpt-4", "chat")
    assert isinstance(again, Target)
    assert again.name == "first/x"


def test_refusals_are_not_remembered() -> None:
    table = AliasTable([], [CLAUDE])

    assert refusal("no/model", "chat", table)

    assert all(not table._memo[operation] for operation in OPERATIONS)


def test_aliases_are_listed_in_the_order_of_the_file() -> None:
    assert [(name, target.name) for name, target in TABLE.aliases()] == [
        ("gpt-4", "second/gpt-4o"),
        ("first/gpt-4", "second/x"),
        ("odd/name", "first/a/b"),
    ]


def test_a_row_of_an_unknown_provider_is_a_broken_contract() -> None:
    with pytest.raises(KeyError):
        AliasTable([alias("x", "nobody/y")], [OPENAI])
