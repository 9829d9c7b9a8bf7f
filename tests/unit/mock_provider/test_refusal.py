from __future__ import annotations

import orjson
import pytest

from fastgw.mock_provider.refusal import Refusal, encode_anthropic_error, encode_openai_error, refusal_for_status


def test_openai_shape() -> None:
    refusal = Refusal(400, "Missing 'messages'.", code="missing_required_parameter", param="messages")
    assert orjson.loads(encode_openai_error(refusal, "req_1")) == {
        "error": {
            "message": "Missing 'messages'.",
            "type": "invalid_request_error",
            "param": "messages",
            "code": "missing_required_parameter",
        }
    }


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (500, "", "server_error"),
        (429, "", "requests"),
        (429, "insufficient_quota", "insufficient_quota"),
        (403, "", "invalid_request_error"),
    ],
)
def test_openai_type_follows_the_status(status: int, code: str, kind: str) -> None:
    error = orjson.loads(encode_openai_error(refusal_for_status(status, code, None), ""))["error"]
    assert error["type"] == kind


def test_anthropic_shape_names_the_request() -> None:
    assert orjson.loads(encode_anthropic_error(Refusal(404, "gone"), "req_9")) == {
        "type": "error",
        "error": {"type": "not_found_error", "message": "gone"},
        "request_id": "req_9",
    }


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (529, "", "overloaded_error"),
        (500, "", "api_error"),
        (418, "", "invalid_request_error"),
        (500, "timeout_error", "timeout_error"),
        (429, "rate_limit_exceeded", "rate_limit_error"),
    ],
)
def test_anthropic_type_follows_status_and_a_code_that_is_a_type(status: int, code: str, kind: str) -> None:
    error = orjson.loads(encode_anthropic_error(refusal_for_status(status, code, None), ""))["error"]
    assert error["type"] == kind


def test_status_directive_brings_the_usual_code_unless_one_is_given() -> None:
    assert refusal_for_status(429, "", 3).code == "rate_limit_exceeded"
    assert refusal_for_status(429, "", 3).retry_after_s == 3
    assert refusal_for_status(429, "slow_down", None).code == "slow_down"
    assert refusal_for_status(503, "", None).code is None
