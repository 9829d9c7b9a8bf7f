"""Phase 9: the call to the provider. One attempt; a pooled connection found dead before any byte is replaced once."""

from __future__ import annotations

from typing import Final

from fastgw._native.errors import ConnectionLost, DeadlineExceeded, HttpLimitError, HttpSyntaxError, NativeError
from fastgw._native.http_head import RequestHead, ResponseHead
from fastgw._native.http_write import INLINE_BODY_BYTES, header_line, write_request
from fastgw.domain.errors import GatewayError
from fastgw.gateway.admission import Admission
from fastgw.gateway.context import Call
from fastgw.gateway.ports import Answer
from fastgw.gateway.snapshot import Route
from fastgw.telemetry.clock import monotonic_ns

_DEADLINES: Final = {
    "first_byte": "sent no answer in time",
    "idle": "stopped in the middle of its answer",
    "total": "did not finish its answer in time",
}


async def call_provider(call: Call, admission: Admission) -> tuple[Answer, ResponseHead]:
    """Send the call and wait for the answer's head. The answer is the caller's to release.

    Raises:
        GatewayError: the provider cannot be reached, is silent, or answers what is not HTTP.
    """
    route, body = admission.route, admission.body
    account = route.via.account
    data = request_bytes(call.exchange.head, call.request_id, route, body)
    rest = body if len(body) > INLINE_BODY_BYTES else None
    call.sent_at_ns = monotonic_ns()
    admission.entry.attempts += 1
    answer = account.send_pooled(data, rest)
    if answer is not None:
        try:
            head = await answer.head()
        except ConnectionLost as lost:
            answer.release()
            if not lost.stale:
                raise upstream_error(route, lost) from lost
        except NativeError as error:
            answer.release()
            raise upstream_error(route, error) from error
        except BaseException:
            answer.release()
            raise
        else:
            call.upstream_ns = monotonic_ns() - call.sent_at_ns
            return answer, head
    answer = await account.send_fresh(data, rest)
    try:
        head = await answer.head()
    except NativeError as error:
        answer.release()
        raise upstream_error(route, error) from error
    except BaseException:
        answer.release()
        raise
    call.upstream_ns = monotonic_ns() - call.sent_at_ns
    return answer, head


def request_bytes(head: RequestHead, request_id: str, route: Route, body: bytes) -> bytes:
    """The request as it goes to the provider, without the body when that is larger than ``INLINE_BODY_BYTES``."""
    via = route.via
    lines = b"%bx-request-id: %b\r\n" % (via.fixed_lines, request_id.encode())
    for name, value in via.endpoint.default_headers:
        if head.header(name) is None:
            lines += header_line(name, value)
    path = route.path
    target = head.target
    query_at = target.find(b"?")
    if query_at >= 0:
        path += target[query_at:]
    return write_request(b"POST", path, lines, head, via.request_filter, body)


def upstream_error(route: Route, error: NativeError) -> GatewayError:
    """The one translation of what the native floor says about a provider."""
    name = route.provider
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
