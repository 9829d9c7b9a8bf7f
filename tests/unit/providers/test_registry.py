"""Endpoints come from the operator's file alone, and a bad one is refused by name."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from fastgw.domain.errors import ConfigError
from fastgw.identity.secret import SecretText
from fastgw.providers.base import ProviderEndpoint
from fastgw.providers.config import Kind, ProviderConfig
from fastgw.providers.registry import VENDORS, account_of, build_endpoint

KEY = SecretText("key", "env:KEY")


def build(base_url: str | None = None, **fields: Any) -> ProviderEndpoint:
    return build_endpoint("main", ProviderConfig(kind="openai", api_key=KEY, base_url=base_url, **fields))


def test_every_kind_has_a_vendor_of_its_name() -> None:
    assert set(VENDORS) == set(get_args(Kind))
    assert all(vendor.kind == kind for kind, vendor in VENDORS.items())


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "header", "path"),
    [
        (None, "https", "api.openai.com", 443, b"api.openai.com", b"/v1/embeddings"),
        ("http://gpu-1:8000/v1", "http", "gpu-1", 8000, b"gpu-1:8000", b"/v1/embeddings"),
        ("http://gpu-1:8000/v1/", "http", "gpu-1", 8000, b"gpu-1:8000", b"/v1/embeddings"),
        ("http://gpu-1", "http", "gpu-1", 80, b"gpu-1", b"/embeddings"),
        ("HTTPS://GPU.Example:443/a/b", "https", "gpu.example", 443, b"gpu.example", b"/a/b/embeddings"),
        ("https://[2001:db8::1]:8443", "https", "2001:db8::1", 8443, b"[2001:db8::1]:8443", b"/embeddings"),
        ("https://[2001:db8::1]", "https", "2001:db8::1", 443, b"[2001:db8::1]", b"/embeddings"),
        ("http://127.0.0.1:1", "http", "127.0.0.1", 1, b"127.0.0.1:1", b"/embeddings"),
    ],
)
def test_a_base_url_becomes_an_address(
    url: str | None, scheme: str, host: str, port: int, header: bytes, path: bytes
) -> None:
    endpoint = build(url)

    assert (endpoint.scheme, endpoint.host, endpoint.port) == (scheme, host, port)
    assert endpoint.host_header == header
    assert endpoint.paths["embed"] == path


@pytest.mark.parametrize(
    "url",
    [
        "",
        "gpu-1:8000",
        "ftp://gpu-1",
        "http://",
        "http:///v1",
        "http://h:0",
        "http://h:99999",
        "http://h:x",
        "http://[::1",
        "http://a b/",
        "http://h/a b",
        "http://h/\r\nx: y",
        "http://é/",
        "http://h%41/",
        "http://user:canary@h/",
        "http://canary@h/",
        "http://h/?canary=1",
        "http://h/?",
        "http://h/#canary",
        "http://h/a/../b",
        "http://h/./b",
        "http://h//b",
        "http://169.254.169.254/",
        "http://[fe80::1]/",
    ],
)
def test_a_bad_base_url_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(url)

    assert caught.value.path == "providers.main.base_url"
    assert "canary" not in str(caught.value)


def test_the_vendors_own_address_needs_a_credential() -> None:
    with pytest.raises(ConfigError, match="expected a credential"):
        build_endpoint("main", ProviderConfig(kind="anthropic"))


def test_configured_headers_replace_the_clients() -> None:
    endpoint = build(headers={"X-Team": "a b", "OpenAI-Organization": "org"})

    assert endpoint.header_lines().endswith(b"x-team: a b\r\nopenai-organization: org\r\n")
    assert {b"x-team", b"openai-organization"} <= endpoint.request_headers_dropped


@pytest.mark.parametrize(
    "name",
    ["Authorization", "X-Api-Key", "cookie", "host", "Content-Length", "content-type", "X-FastGW-Metadata", "te"],
)
def test_headers_that_are_not_the_operators_to_set(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(headers={name: "canary"})

    assert caught.value.path == f"providers.main.headers.{name}"
    assert "canary" not in str(caught.value)


def test_one_header_in_two_spellings_is_refused() -> None:
    with pytest.raises(ConfigError, match="once"):
        build(headers={"X-A": "1", "x-a": "2"})


def test_an_account_is_what_routing_needs() -> None:
    account = account_of("eu", ProviderConfig(kind="anthropic", region="eu-west"))

    assert (account.name, account.kind, account.region) == ("eu", "anthropic", "eu-west")
    assert account.operations == {"message", "count_tokens"}
