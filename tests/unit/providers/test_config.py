"""An account's settings have defaults, ranges and units."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fastgw.providers.config import ProviderConfig, ProviderName


def convert(**fields: Any) -> ProviderConfig:
    return msgspec.convert({"kind": "openai", **fields}, ProviderConfig)


def test_durations_are_given_in_seconds_and_used_in_nanoseconds() -> None:
    config = convert(connect_timeout_s=0.25)

    assert config.connect_timeout_ns == 250_000_000
    assert config.first_byte_timeout_ns == 120 * 10**9
    assert config.idle_timeout_ns == 60 * 10**9
    assert config.total_timeout_ns == 600 * 10**9
    assert config.idle_connection_ns == 60 * 10**9


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "gemini"},
        {"connect_timeout_s": 0},
        {"connect_timeout_s": float("nan")},
        {"total_timeout_s": float("inf")},
        {"idle_timeout_s": True},
        {"max_connections": 0},
        {"max_idle_connections": -1},
        {"region": "eu west"},
        {"region": "eu\n"},
        {"headers": {"a b": "c"}},
        {"headers": {"a:": "c"}},
        {"headers": {"a\n": "c"}},
        {"headers": {"a": "b\r\nc: d"}},
        {"headers": {"a": "b\n"}},
        {"headers": {"a": " b"}},
        {"headers": {"a": "é"}},
        {"headers": {str(number): "x" for number in range(33)}},
        {"timeout": 3},
    ],
)
def test_a_bad_account_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        convert(**fields)


def test_header_values_may_be_empty_and_have_blanks_inside() -> None:
    assert convert(headers={"a": "", "b": "c d", "e": "f"}).headers == {"a": "", "b": "c d", "e": "f"}


@pytest.mark.parametrize(
    ("name", "good"), [("openai-main", True), ("a.b_c-1", True), ("0", True), ("", False), ("A", False)]
)
def test_provider_names(name: str, good: bool) -> None:
    assert accepts(name) is good


@pytest.mark.parametrize("name", ["-a", "a/b", "a b", "a\n", "é", "a" * 65])
def test_provider_names_that_would_confuse_a_target(name: str) -> None:
    assert not accepts(name)


def accepts(name: str) -> bool:
    try:
        msgspec.convert(name, ProviderName)
    except msgspec.ValidationError:
        return False
    return True
