"""Phase 9: the call to the provider. One attempt; a pooled connection found dead before any byte is replaced once."""

from __future__ import annotations

from collections.abc import Awaitable

from fastgw._native.errors import ConnectionLost
from fastgw._native.http_head import RequestHead
from fastgw._native.http_write import INLINE_BODY_BYTES, header_line, write_request
from fastgw.gateway.admission import Admission
from fastgw.gateway.context import Call
from fastgw.gateway.ports import Answer
from fastgw.gateway.snapshot import Route
from fastgw.telemetry.clock import monotonic_ns


async def call_provider(call: Call, admission: Admission) -> Answer:
    """Send the call and wait for the answer's head. ``call.answer`` holds the connection, to be released whatever happens.

    Raises:
        GatewayError: the provider cannot be reached.
        NativeError: it is silent, gone, or answers what is not HTTP.
    """
    answer = _send_pooled(call, admission)
    if answer is not None:
        try:
            await answer.headed()
        except ConnectionLost as lost:
            if not lost.stale:
                raise
            answer.release()
        else:
            return _headed(call, answer)
    call.answer = answer = await _send_fresh(call, admission)
    await answer.headed()
    return _headed(call, answer)


def _send_pooled(call: Call, admission: Admission) -> Answer | None:
    route, body = admission.route, admission.body
    data = request_bytes(call.exchange.head, call.request_id, route, body)
    admission.entry.attempts = 1
    call.sent_at_ns = monotonic_ns()
    call.answer = route.via.account.send_pooled(data, body if len(body) > INLINE_BODY_BYTES else None)
    return call.answer


def _send_fresh(call: Call, admission: Admission) -> Awaitable[Answer]:
    route, body = admission.route, admission.body
    data = request_bytes(call.exchange.head, call.request_id, route, body)
    return route.via.account.send_fresh(data, body if len(body) > INLINE_BODY_BYTES else None)


def _headed(call: Call, answer: Answer) -> Answer:
    call.upstream_ns = monotonic_ns() - call.sent_at_ns
    return answer


def request_bytes(head: RequestHead, request_id: str, route: Route, body: bytes) -> bytes:
    """The request as it goes to the provider, without the body when that is larger than ``INLINE_BODY_BYTES``."""
    via = route.via
    lines = via.fixed_lines + b"x-request-id: " + request_id.encode() + b"\r\n"
    if via.default_headers:
        for name, value in via.default_headers:
            if head.header(name) is None:
                lines += header_line(name, value)
    path = route.path
    query = head.target[len(head.path) :]
    if query:
        path += query
    return write_request(b"POST", path, lines, head, via.request_filter, body)
