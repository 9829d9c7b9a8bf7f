"""A provider's refusal means one thing, and the client is told only what is its own."""

from __future__ import annotations

import json

import pytest

from fastgw.domain.failure import FailureClass
from fastgw.identity.secret import SecretText
from fastgw.providers.config import Kind, ProviderConfig
from fastgw.providers.failure import FAILURES, classify, explain_failure, read_error
from fastgw.providers.registry import VENDORS, build_endpoint


def endpoint(kind: Kind = "openai"):  # type: ignore[no-untyped-def]
    return build_endpoint("main", ProviderConfig(kind=kind, api_key=SecretText("sk-canary", "env:THE_KEY")))


OPENAI_ERROR = {
    "error": {
        "message": "Incorrect key: sk-can***ary",
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_api_key",
    }
}
ANTHROPIC_ERROR = {
    "type": "error",
    "error": {"type": "rate_limit_error", "message": "m", "details": {"error_code": "enforced_spend_limit_reached"}},
    "request_id": "req_1",
}


def test_rows_are_unique_and_name_a_known_vendor_and_a_source() -> None:
    assert len({(row.vendor, row.status, row.code) for row in FAILURES}) == len(FAILURES)
    assert {row.vendor for row in FAILURES} == set(VENDORS)
    assert all(row.source for row in FAILURES)


@pytest.mark.parametrize(
    ("vendor", "status", "codes", "failure"),
    [
        ("openai", 429, ("rate_limit_exceeded", "requests"), FailureClass.RATE_LIMITED),
        ("openai", 429, ("insufficient_quota",), FailureClass.QUOTA),
        ("openai", 403, (), FailureClass.MODEL_ACCESS),
        ("openai", 403, ("unsupported_country_region_territory",), FailureClass.REGION_BLOCKED),
        ("openai", 404, ("model_not_found",), FailureClass.MODEL_GONE),
        ("anthropic", 429, ("enforced_spend_limit_reached", "rate_limit_error"), FailureClass.QUOTA),
        ("anthropic", 529, ("overloaded_error",), FailureClass.TRANSIENT),
        ("anthropic", 402, ("billing_error",), FailureClass.QUOTA),
        ("openai", 529, (), FailureClass.TRANSIENT),
        ("openai", 413, (), FailureClass.CALLER_FAULT),
        ("anthropic", 410, (), FailureClass.MODEL_GONE),
        ("openai", 502, (), FailureClass.TRANSIENT),
        ("openai", 302, (), FailureClass.PROTOCOL),
        ("openai", 101, (), FailureClass.PROTOCOL),
        ("openai", 600, (), FailureClass.PROTOCOL),
        ("unheard-of", 407, (), FailureClass.CREDENTIAL),
    ],
)
def test_classes(vendor: str, status: int, codes: tuple[str, ...], failure: FailureClass) -> None:
    assert classify(vendor, status, codes) is failure


def test_errors_of_both_dialects_are_read_from_the_most_specific_code() -> None:
    openai = read_error("openai", json.dumps(OPENAI_ERROR).encode())
    anthropic = read_error("anthropic", json.dumps(ANTHROPIC_ERROR).encode())

    assert openai is not None
    assert openai.codes == ("invalid_api_key", "invalid_request_error")
    assert anthropic is not None
    assert anthropic.codes == ("enforced_spend_limit_reached", "rate_limit_error")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"null",
        b"[]",
        b"{}",
        b'{"error": "text"}',
        b'{"error": {"message": 3}}',
        b'{"type": "error", "error": {"message": "m", "type": 3}}',
        b'{"error": {"message": "m\xff"}}',
        b"[" * 100_000,
        b'{"error": ' * 100_000,
    ],
)
def test_other_shapes_are_not_errors(body: bytes) -> None:
    assert read_error("anthropic", body) is None
    if b'"m"' not in body:  # that one is an error in OpenAI's shape, whose ``type`` is free
        assert read_error("openai", body) is None


def test_the_shape_of_one_dialect_is_not_the_others() -> None:
    assert read_error("anthropic", json.dumps(OPENAI_ERROR).encode()) is None
    assert read_error("openai", b'{"error": {"message": "m", "details": 3, "code": 4}}') == ("m", ())


@pytest.mark.parametrize("status", [400, 402, 404, 408, 413, 422, 429, 500, 503, 529])
def test_a_refusal_in_the_dialects_shape_passes_as_it_is(status: int) -> None:
    assert explain_failure(endpoint(), status, json.dumps(OPENAI_ERROR).encode()) is None
    assert explain_failure(endpoint("anthropic"), status, json.dumps(ANTHROPIC_ERROR).encode()) is None


@pytest.mark.parametrize("status", [401, 403, 407])
@pytest.mark.parametrize("body", [json.dumps(OPENAI_ERROR).encode(), b"", b"sk-canary"])
def test_a_credential_refusal_names_the_reference_and_no_key(status: int, body: bytes) -> None:
    error = explain_failure(endpoint(), status, body)

    assert error is not None
    assert (error.code, error.status, error.source) == ("provider_credential_refused", 502, "upstream")
    assert "`main`" in error.message
    assert "env:THE_KEY" in error.message
    assert str(status) in error.message
    assert "can" not in (error.message + error.detail).replace("because", "")


def test_a_credential_refusal_keeps_the_code_but_nothing_that_could_be_a_key() -> None:
    def reason(code: str) -> str:
        error = explain_failure(endpoint(), 403, json.dumps({"error": {"message": "m", "code": code}}).encode())
        assert error is not None
        return error.message

    assert "unsupported_country_region_territory" in reason("unsupported_country_region_territory")
    for code in ("sk-canary", "AKIACANARY", "canary7", "c" * 65):
        assert code not in reason(code)


@pytest.mark.parametrize("status", [301, 302, 307, 304, 199, 600])
def test_a_redirect_is_never_followed_nor_passed(status: int) -> None:
    error = explain_failure(endpoint(), status, b"")

    assert error is not None
    assert (error.code, error.status) == ("provider_protocol", 502)


def test_a_body_of_another_shape_becomes_an_error_with_an_excerpt() -> None:
    error = explain_failure(endpoint("anthropic"), 503, b"  <html>\r\n<b>down</b>\x1b[0m" + b"x" * 10_000)

    assert error is not None
    assert (error.code, error.status, error.source, error.retry) == ("provider_error", 503, "upstream", "other_target")
    assert "<html>\\x0d\\x0a<b>down" in error.message
    assert error.message.isprintable()
    assert len(error.message) < 400


def test_an_empty_body_is_called_empty() -> None:
    error = explain_failure(endpoint(), 404, b" \n")

    assert error is not None
    assert error.status == 404
    assert error.retry == "never"
    assert "empty body" in error.message
