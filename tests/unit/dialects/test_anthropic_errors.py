"""Errors as the official Anthropic client reads them."""

from __future__ import annotations

import json
from typing import get_args

import anthropic
import pytest
from anthropic.types.shared.error_type import ErrorType

from fastgw.dialects.anthropic_errors import error_body, stream_error_event
from fastgw.domain.errors import GatewayError


def error(status: int, code: str = "c") -> GatewayError:
    return GatewayError(code, "why", status=status, source="policy")


def test_the_exact_shape() -> None:
    assert json.loads(error_body(error(401, "unknown_key"), "req_1")) == {
        "type": "error",
        "error": {
            "type": "authentication_error",
            "message": "gateway: why",
            "details": {"error_code": "unknown_key"},
        },
        "request_id": "req_1",
    }


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (405, "invalid_request_error"),
        (408, "timeout_error"),
        (409, "conflict_error"),
        (413, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ],
)
def test_the_type_follows_the_status(status: int, kind: str) -> None:
    assert json.loads(error_body(error(status), ""))["error"]["type"] == kind


def test_every_status_has_a_type_that_the_official_client_knows() -> None:
    known = set(get_args(ErrorType))

    assert {json.loads(error_body(error(status), ""))["error"]["type"] for status in range(400, 600)} <= known


def test_in_a_stream_it_is_one_error_event() -> None:
    event = stream_error_event(GatewayError("cut", "a\nb", status=502, source="upstream"), "req_9")

    events = list(anthropic._streaming.SSEDecoder().iter_bytes(iter([event])))

    assert [each.event for each in events] == ["error"]
    assert events[0].json()["error"]["details"] == {"error_code": "cut"}
    assert events[0].json()["request_id"] == "req_9"
