"""What is never forwarded, and an endpoint that does not show its credential."""

from __future__ import annotations

import msgspec
import pytest

from fastgw.identity.secret import SecretText
from fastgw.providers import base
from fastgw.providers.config import ProviderConfig
from fastgw.providers.registry import build_endpoint

CANARY = "canary-0123456789"
ENDPOINT = build_endpoint("main", ProviderConfig(kind="openai", api_key=SecretText(CANARY, "env:KEY")))


def test_the_header_lines_are_what_goes_onto_the_wire() -> None:
    assert ENDPOINT.header_lines() == (
        b"host: api.openai.com\r\naccept-encoding: identity\r\nauthorization: Bearer canary-0123456789\r\n"
    )


def test_an_endpoint_shows_the_reference_and_never_the_credential() -> None:
    assert CANARY not in repr(ENDPOINT)
    assert ENDPOINT.credential_reference == "env:KEY"
    with pytest.raises(TypeError):
        msgspec.json.encode(ENDPOINT)


def test_an_endpoint_without_a_credential_sends_none() -> None:
    endpoint = build_endpoint("onprem", ProviderConfig(kind="openai", base_url="http://gpu:8000/v1"))

    assert endpoint.header_lines() == b"host: gpu:8000\r\naccept-encoding: identity\r\n"
    assert endpoint.credential_reference == "none configured"


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "cookie",
        "host",
        "connection",
        "te",
        "transfer-encoding",
        "content-length",
        "expect",
        "accept-encoding",
        "forwarded",
        "upgrade",
        "proxy-authorization",
        "keep-alive",
    ],
)
def test_client_headers_that_no_provider_is_sent(name: str) -> None:
    assert name.encode() in ENDPOINT.request_headers_dropped


@pytest.mark.parametrize(
    "name", ["set-cookie", "content-length", "transfer-encoding", "connection", "alt-svc", "x-request-id"]
)
def test_provider_headers_that_no_client_is_sent(name: str) -> None:
    assert name.encode() in ENDPOINT.response_headers_dropped


def test_names_and_prefixes_are_lower_case_and_prefixes_end_in_a_dash() -> None:
    prefixes = base.REQUEST_PREFIXES_DROPPED + base.RESPONSE_PREFIXES_DROPPED
    names = base.REQUEST_HEADERS_DROPPED + base.RESPONSE_HEADERS_DROPPED

    assert all(each == each.lower() for each in names + prefixes)
    assert all(each.endswith(b"-") for each in prefixes)
    assert {b"x-fastgw-", b"x-tfy-", b"x-forwarded-"} <= set(base.REQUEST_PREFIXES_DROPPED)
    assert b"x-fastgw-" in base.RESPONSE_PREFIXES_DROPPED
