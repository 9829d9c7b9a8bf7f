"""Anthropic's paths, credential and version, as its official client sends them."""

from __future__ import annotations

from fastgw.domain.operation import DIALECT_OF
from fastgw.identity.secret import SecretText
from fastgw.providers.anthropic import ANTHROPIC
from fastgw.providers.config import ProviderConfig
from fastgw.providers.registry import build_endpoint


def test_it_serves_every_operation_of_its_dialect_and_no_other() -> None:
    assert set(ANTHROPIC.paths) == {operation for operation, dialect in DIALECT_OF.items() if dialect == "anthropic"}


def test_the_version_is_a_default_not_a_fixed_header() -> None:
    endpoint = build_endpoint("a", ProviderConfig(kind="anthropic", api_key=SecretText("key", "env:K")))

    assert endpoint.default_headers == ((b"anthropic-version", b"2023-06-01"),)
    assert b"anthropic-version" not in endpoint.header_lines()
    assert b"anthropic-version" not in endpoint.request_headers_dropped
    assert b"\r\nx-api-key: key\r\n" in endpoint.header_lines()
    assert endpoint.paths == {"message": b"/v1/messages", "count_tokens": b"/v1/messages/count_tokens"}


def test_a_configured_version_replaces_the_default_and_the_clients() -> None:
    config = ProviderConfig(
        kind="anthropic", api_key=SecretText("key", "env:K"), headers={"Anthropic-Version": "2099-01-01"}
    )
    endpoint = build_endpoint("a", config)

    assert endpoint.default_headers == ()
    assert b"anthropic-version: 2099-01-01\r\n" in endpoint.header_lines()
    assert b"anthropic-version" in endpoint.request_headers_dropped
