"""Errors in Anthropic's shape.

Source: https://docs.claude.com/en/api/errors and the official client 2.12.0, whose machine-readable cause is
``error.details.error_code`` and whose types are closed: every status maps to one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from fastgw.dialects.attribution import attributed_message
from fastgw.domain.errors import GatewayError

_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def error_body(error: GatewayError, request_id: str) -> bytes:
    """``{"type": "error", "error": {"type", "message", "details": {"error_code"}}, "request_id"}``."""
    kind = _TYPES.get(error.status, "api_error" if error.status >= 500 else "invalid_request_error")
    return msgspec.json.encode(
        {
            "type": "error",
            "error": {"type": kind, "message": attributed_message(error), "details": {"error_code": error.code}},
            "request_id": request_id,
        }
    )


def stream_error_event(error: GatewayError, request_id: str) -> bytes:
    """One ``event: error`` that ends a stream which has begun; no ``message_stop`` follows it."""
    return b"event: error\ndata: " + error_body(error, request_id) + b"\n\n"
