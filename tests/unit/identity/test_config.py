"""The rows of identity refuse what cannot be a name, a glob or a tag."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fastgw.identity.config import KeyRow, TeamRow, UserRow
from fastgw.identity.secret import SecretText


def key(**fields: Any) -> KeyRow:
    row = {"name": "k", "secret": "env:K", **fields}
    return msgspec.convert(row, KeyRow, dec_hook=lambda _, raw: SecretText("value", raw))


def test_a_key_may_ask_for_every_model_unless_it_says_which() -> None:
    assert key().models == ("*",)
    assert key(models=["gpt-*"]).models == ("gpt-*",)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "a\n"},
        {"name": "x" * 129},
        {"models": []},
        {"models": [""]},
        {"metadata": {"a": "x" * 129}},
        {"metadata": {"": "x"}},
        {"metadata": {str(number): "" for number in range(33)}},
        {"budget": 3},
    ],
)
def test_a_bad_row_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        key(**fields)


def test_names_may_be_addresses_and_have_blanks() -> None:
    assert msgspec.convert({"name": "ada@example.com"}, UserRow).name == "ada@example.com"
    assert msgspec.convert({"name": "ML Engineering"}, TeamRow).metadata == {}
