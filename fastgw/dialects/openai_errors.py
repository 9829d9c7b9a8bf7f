"""Errors in OpenAI's shape.

Source: https://platform.openai.com/docs/guides/error-codes and the official client 3.54.0, which reads
``error.code``, ``type`` and ``param``, and raises for a stream event that holds ``error``. The shape has no place for
the request id, so a message that asks an operator to look carries it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from fastgw.dialects.attribution import attributed_message
from fastgw.domain.errors import GatewayError

_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


def error_body(error: GatewayError, request_id: str) -> bytes:
    """``{"error": {"message", "type", "param", "code"}}``."""
    return msgspec.json.encode(_document(error, request_id))


def stream_error_event(error: GatewayError, request_id: str) -> bytes:
    """One server-sent event that ends a stream which has begun; no ``[DONE]`` follows: nobody takes it for whole."""
    return b"data: " + error_body(error, request_id) + b"\n\n"


def _document(error: GatewayError, request_id: str) -> dict[str, Any]:
    message = attributed_message(error)
    if error.status >= 500 and request_id:
        message += f" (request {request_id})"
    return {
        "error": {
            "message": message,
            "type": "budget_exceeded"
            if error.code == "budget_exceeded"
            else _TYPES.get(error.status, "server_error" if error.status >= 500 else "invalid_request_error"),
            "param": error.param,
            "code": error.code,
        }
    }
