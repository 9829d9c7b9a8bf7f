"""Whatever a file says, it is a configuration or a ConfigError, and no secret is in the message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw.config.load import _convert, load
from fastgw.config.root import Settings
from fastgw.domain.errors import ConfigError

CANARY = "canary-0123456789abcdef"
ENV = {"GOOD": CANARY, "ALSO": CANARY + "x"}

SCALARS = st.one_of(
    st.sampled_from(["openai", "main", "main/m", "env:GOOD", "env:ALSO", "env:NONE", "http://h", "127.0.0.1:1", ""]),
    st.text(min_size=1, max_size=5),
    st.integers(-1, 300),
    st.floats(),
    st.booleans(),
)
KEYS = st.sampled_from(
    ["name", "kind", "api_key", "base_url", "headers", "metadata", "targets", "target", "secret", "team"]
)
NAMES = st.one_of(
    KEYS, st.sampled_from(["main", "user", "users", "models", "listen", "token", "share", "Bad name", ""])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)
ROWS = st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=3)
GOOD_PROVIDER: dict[str, Any] = {"main": {"kind": "openai", "api_key": "env:GOOD"}}
DOCUMENTS = st.fixed_dictionaries(
    {"providers": st.one_of(st.just(GOOD_PROVIDER), st.dictionaries(NAMES, VALUES, max_size=3))},
    optional={
        "server": VALUES,
        "admin": VALUES,
        "models": ROWS,
        "teams": ROWS,
        "users": ROWS,
        "keys": ROWS,
        "more": VALUES,
    },
)


def outcome(read: Callable[[], Settings]) -> Settings | ConfigError:
    try:
        return read()
    except ConfigError as error:
        return error


@settings(max_examples=200, deadline=None)
@given(DOCUMENTS)
def test_any_document_is_settings_or_a_config_error(document: dict[str, Any]) -> None:
    found = outcome(lambda: _convert(document, ENV, Path()))

    assert CANARY not in f"{found} {found!r}"
    assert isinstance(found, Settings) or str(found).isprintable()


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_settings_or_a_config_error(text: str) -> None:
    found = outcome(lambda: load(text, ENV))

    assert isinstance(found, Settings) or str(found).isprintable()
