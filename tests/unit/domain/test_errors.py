"""The one error carries what a refusal must say, and its text is what a caller may read."""

from __future__ import annotations

from fastgw.domain.errors import ConfigError, GatewayError


def test_gateway_error_shows_its_message_and_keeps_the_detail_apart() -> None:
    error = GatewayError("unknown_key", "no such key", status=401, source="client", detail="for the log")

    assert str(error) == "no such key"
    assert error.code == "unknown_key"
    assert (error.status, error.source, error.param, error.detail) == (401, "client", None, "for the log")


def test_gateway_error_is_not_retried_unless_it_says_so() -> None:
    plain = GatewayError("a", "b", status=400, source="client")
    later = GatewayError("a", "b", status=429, source="policy", retry="after", retry_after_ns=5)

    assert (plain.retry, plain.retry_after_ns) == ("never", 0)
    assert (later.retry, later.retry_after_ns) == ("after", 5)


def test_config_error_names_the_path_when_there_is_one() -> None:
    assert str(ConfigError("keys[0].name", "expected a name")) == "keys[0].name: expected a name"
    assert str(ConfigError("", "expected TOML")) == "expected TOML"
    assert ConfigError("a.b", "c").path == "a.b"
    assert ConfigError("a.b", "c").problem == "c"
