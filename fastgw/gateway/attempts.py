"""Phase 9: the call to the provider. One attempt; a pooled connection found dead before any byte is replaced once."""

from __future__ import annotations

from fastgw._native.errors import ConnectionLost, DeadlineExceeded, HttpLimitError, HttpSyntaxError, NativeError
from fastgw._native.http_head import ResponseHead
from fastgw._native.http_write import header_line, write_request
from fastgw.domain.errors import GatewayError
from fastgw.gateway.context import Call
from fastgw.gateway.ports import Answer
from fastgw.gateway.snapshot import Route
from fastgw.telemetry.clock import monotonic_ns

_DEADLINES = {
    "first_byte": "sent no answer in time",
    "idle": "stopped in the middle of its answer",
    "total": "did not finish its answer in time",
}


async def call_provider(call: Call, route: Route) -> tuple[Answer, ResponseHead]:
    """Send the call and wait for the answer's head. The answer is the caller's to release.

    Raises:
        GatewayError: the provider cannot be reached, is silent, or answers what is not HTTP.
    """
    data = _request_bytes(call, route)
    rest = None if data.endswith(call.body) else call.body
    entry = call.entry
    fresh = False
    while True:
        call.sent_at_ns = monotonic_ns()
        answer: Answer | None = None
        try:
            answer = await route.via.account.send(data, rest, fresh=fresh)
            if entry is not None:
                entry.attempts += not fresh
            head = await answer.head()
        except ConnectionLost as lost:
            _release(answer)
            if not lost.stale or fresh:
                raise upstream_error(route, lost) from lost
            fresh = True
        except NativeError as error:
            _release(answer)
            raise upstream_error(route, error) from error
        except BaseException:
            _release(answer)
            raise
        else:
            call.upstream_ns += monotonic_ns() - call.sent_at_ns
            return answer, head


def _release(answer: Answer | None) -> None:
    if answer is not None:
        answer.release()


def _request_bytes(call: Call, route: Route) -> bytes:
    head = call.exchange.head
    entry = call.entry
    lines = route.via.fixed_lines
    if entry is not None:
        lines += b"x-request-id: " + entry.request_id.encode("ascii") + b"\r\n"
    for name, value in route.via.endpoint.default_headers:
        if head.header(name) is None:
            lines += header_line(name, value)
    target = head.target
    query_at = target.find(b"?")
    path = route.path + target[query_at:] if query_at >= 0 else route.path
    return write_request(b"POST", path, lines, head, route.via.request_filter, call.body)


def upstream_error(route: Route, error: NativeError) -> GatewayError:
    """The one translation of what the native floor says about a provider."""
    name = route.target.provider
    if isinstance(error, DeadlineExceeded):
        return GatewayError(
            "provider_timeout",
            f"provider `{name}` {_DEADLINES.get(error.which, 'was too slow')}",
            status=504,
            source="upstream",
            retry="other_target",
        )
    if isinstance(error, HttpSyntaxError | HttpLimitError):
        return GatewayError(
            "provider_protocol",
            f"provider `{name}` answered with what is not valid HTTP",
            status=502,
            source="upstream",
            retry="other_target",
            detail=str(error),
        )
    return GatewayError(
        "provider_connection_lost",
        f"provider `{name}`: {error}",
        status=502,
        source="upstream",
        retry="other_target",
    )
