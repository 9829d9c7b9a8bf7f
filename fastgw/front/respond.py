"""Errors on the wire: the one place that turns a :class:`GatewayError` into bytes, also where the answer has already begun."""

from __future__ import annotations

from typing import Final

from fastgw._native.http_write import HeaderFilter, write_response
from fastgw.dialects import anthropic_errors, openai_errors
from fastgw.domain.errors import GatewayError
from fastgw.domain.operation import Dialect
from fastgw.gateway.context import Call
from fastgw.gateway.explaining import explained_body

_NO_FILTER: Final = HeaderFilter((), ())
_SHAPES: Final = {"openai": openai_errors, "anthropic": anthropic_errors}


class WireResponder:
    """Implements the gateway's ``Responder`` port."""

    def refuse(self, call: Call, error: GatewayError) -> None:
        """Answer with the error. Inside a stream: an error event and a broken connection."""
        exchange = call.exchange
        if exchange.gone or exchange.finished:
            return
        request_id = call.request_id
        if not exchange.started:
            exchange.reply(
                error_response(
                    error, call.dialect, request_id, keep_alive=exchange.keep_alive, explained=call.explained
                )
            )
            return
        if call.in_events:
            exchange.send(_SHAPES[call.dialect].stream_error_event(error, request_id))
        exchange.abort()


def error_response(
    error: GatewayError, dialect: Dialect, request_id: str, *, keep_alive: bool, explained: bytes = b""
) -> bytes:
    """A whole answer that says what was refused, by whom, and whether to come again. ``explained`` goes into its body."""
    body = _SHAPES[dialect].error_body(error, request_id)
    if explained:
        body = explained_body(body, explained)
    lines = (
        "content-type: application/json\r\n"
        f"x-fastgw-refused-by: {'provider' if error.source == 'upstream' else 'gateway'}\r\n"
    )
    if request_id:
        lines += f"x-request-id: {request_id}\r\n"
    if error.retry == "after":
        after_ms = -(-error.retry_after_ns // 1_000_000)
        lines += f"retry-after: {-(-after_ms // 1000)}\r\nretry-after-ms: {after_ms}\r\n"
    elif error.retry == "never" and error.source != "upstream":
        lines += "x-should-retry: false\r\n"
    own_lines = lines.encode("ascii") + error.lines
    return write_response(error.status, None, _NO_FILTER, own_lines, len(body), False, keep_alive, body)


def malformed_response(status: int, message: str, received: bytes) -> bytes:
    """The answer to bytes that did not become a request, in the dialect that their first line seems to speak."""
    dialect: Dialect = "anthropic" if received[:40].partition(b" ")[2].startswith(b"/v1/messages") else "openai"
    code = _CODES.get(status, "invalid_request")
    error = GatewayError(code, message, status=status, source="client" if status < 500 else "internal")
    answer = error_response(error, dialect, "", keep_alive=False)
    return answer if not received.startswith(b"HEAD ") else answer[: answer.index(b"\r\n\r\n") + 4]


_CODES: Final = {
    408: "request_timeout",
    413: "body_too_large",
    417: "unsupported_expectation",
    431: "head_too_large",
    503: "too_many_connections",
}
