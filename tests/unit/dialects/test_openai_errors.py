"""Errors as the official OpenAI client reads them."""

from __future__ import annotations

import json

import openai
import pytest

from fastgw.dialects.openai_errors import error_body, stream_error_event
from fastgw.domain.errors import GatewayError

NOT_FOUND = GatewayError("model_not_found", "no `x`", status=404, source="client", param="model")


def test_the_exact_shape() -> None:
    assert json.loads(error_body(NOT_FOUND, "req_1")) == {
        "error": {
            "message": "gateway: no `x`",
            "type": "not_found_error",
            "param": "model",
            "code": "model_not_found",
        }
    }


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (413, "invalid_request_error"),
        (429, "rate_limit_error"),
        (431, "invalid_request_error"),
        (500, "server_error"),
        (502, "server_error"),
        (504, "server_error"),
    ],
)
def test_the_type_follows_the_status(status: int, kind: str) -> None:
    body = json.loads(error_body(GatewayError("c", "m", status=status, source="client"), ""))

    assert body["error"]["type"] == kind
    assert body["error"]["param"] is None


def test_an_operators_problem_carries_the_request_id() -> None:
    error = GatewayError("provider_cut", "cut", status=502, source="upstream")

    assert json.loads(error_body(error, "req_9"))["error"]["message"] == "provider: cut (request req_9)"
    assert json.loads(error_body(error, ""))["error"]["message"] == "provider: cut"


def test_in_a_stream_it_is_one_event_that_the_official_client_raises_for() -> None:
    event = stream_error_event(GatewayError("cut", "a\nb", status=502, source="upstream"), "req_9")
    decoder = openai._streaming.SSEDecoder()

    events = list(decoder.iter_bytes(iter([event])))

    assert event.endswith(b"\n\n")
    assert len(events) == 1
    assert events[0].json()["error"]["code"] == "cut"
    assert b"[DONE]" not in event
