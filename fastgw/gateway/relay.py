"""Phase 10: the provider's answer on its way to the client, metered as it passes.

Invariant: the bytes of a body or an event are the provider's, but for the usage that a caller did not ask for. The call is settled
before its last byte is written. A stream that was cut ends with an error event and a broken connection, never cleanly.
"""

from __future__ import annotations

from typing import Final

from fastgw._native.answer_lines import UNPRICED, UNTOLD, answer_lines
from fastgw._native.errors import ConnectionLost, DeadlineExceeded
from fastgw._native.http_head import ResponseHead
from fastgw._native.http_write import write_response
from fastgw.domain.entry import UsageSource
from fastgw.domain.errors import GatewayError
from fastgw.domain.money import format_usd
from fastgw.domain.usage import Usage
from fastgw.gateway import settle
from fastgw.gateway.admission import Admission
from fastgw.gateway.context import Call
from fastgw.gateway.cutting import cut_off, is_spent, may_go_on
from fastgw.gateway.explaining import explained_body
from fastgw.gateway.metering import PlainMeter, StreamMeter, fill_row, read_whole
from fastgw.gateway.ports import Answer, Recorder
from fastgw.gateway.snapshot import Route
from fastgw.providers.failure import explain_failure
from fastgw.telemetry.clock import monotonic_ns

WHOLE_BODY_BYTES: Final = 256 * 1024
"""A plain answer up to this is read whole before it is passed on, so that its head can tell the cost."""
ERROR_BODY_BYTES: Final = 64 * 1024
END_GRACE_NS: Final = 250_000_000
"""How long a provider may take to end a stream after its closing event; usage that still comes within it counts."""
MAX_HELD_CHUNKS: Final = 4
"""Of 64 KiB at most; who sends more behind its closing event is not waited for."""


def relay_at_once(call: Call, admission: Admission, answer: Answer, recorder: Recorder) -> bool:
    """Pass on a good plain answer that is here already, whole; False when it is not, or must wait, and nothing was done.

    Raises:
        GatewayError: the answer is no JSON object.
    """
    head = answer.head
    if head.status != 200 or recorder.durable is not None or (admission.streaming and is_event_stream(head)):
        return False
    body = answer.take_whole(WHOLE_BODY_BYTES)
    if body is None:
        return False
    _settle_whole(call, admission.route, head, body, recorder)
    _reply(call, admission.route, head, body)
    return True


async def relay(call: Call, admission: Admission, answer: Answer, recorder: Recorder) -> None:
    """Pass the answer on as it comes and settle the call.

    Raises:
        GatewayError: the provider refused.
        NativeError: it broke its answer off.
    """
    head = answer.head
    route = admission.route
    if not 200 <= head.status < 300:
        await _relay_refusal(call, route, answer, recorder)
    elif admission.streaming and is_event_stream(head):
        await _relay_stream(call, admission, answer, recorder)
    else:
        meter = call.meter = PlainMeter(call.operation)
        waited_from_ns = monotonic_ns()
        body = await answer.body(WHOLE_BODY_BYTES)
        call.upstream_ns += monotonic_ns() - waited_from_ns
        if body is None:
            await _relay_large(call, route, answer, meter, recorder)
        else:
            _settle_whole(call, route, head, body, recorder)
            await _on_disk(recorder)
            _reply(call, route, head, body)


async def _on_disk(recorder: Recorder) -> None:
    if recorder.durable is not None:
        await recorder.durable()


def is_event_stream(head: ResponseHead) -> bool:
    """Whether the answer is a stream of server-sent events."""
    return (head.header(b"content-type") or b"").lower().startswith(b"text/event-stream")


async def _relay_refusal(call: Call, route: Route, answer: Answer, recorder: Recorder) -> None:
    head = answer.head
    body = await answer.body(ERROR_BODY_BYTES)
    error = explain_failure(route.via.endpoint, head.status, body or b"")
    if error is not None:
        raise error
    if call.entry is not None:
        call.entry.error_code = "provider_refused"
    settle.complete(call, recorder, head.status, settle.NOTHING, "none")
    _reply(call, route, head, body or b"")


def _settle_whole(call: Call, route: Route, head: ResponseHead, body: bytes, recorder: Recorder) -> None:
    entry = call.entry
    if entry is not None:
        filled, tier = fill_row(call.operation, body, entry)
        if filled:
            settle.complete_filled(call, entry, recorder, head.status, tier)
            return
    reading = read_whole(call.operation, body, call.text_bytes)
    if reading is None:
        call.meter = PlainMeter(call.operation)
        if head.header(b"content-encoding") is None:
            raise GatewayError(
                "provider_protocol",
                f"provider `{route.provider}` answered {head.status} with a body that is not a JSON object",
                status=502,
                source="upstream",
                retry="other_target",
            )
        # It compresses although asked not to: the client can read it, we cannot.
        reading = (*call.meter.final(call.text_bytes), None)
    usage, source, tier = reading
    settle.complete(call, recorder, head.status, usage, source, tier)


def _reply(call: Call, route: Route, head: ResponseHead, body: bytes) -> None:
    exchange = call.exchange
    lines = _own_lines(call, route, _cost_nano_usd(call))
    if call.explained and head.header(b"content-encoding") is None:
        body = explained_body(body, call.explained)
    response_filter = route.via.response_filter
    exchange.reply(
        write_response(head.status, head, response_filter, lines, len(body), False, exchange.keep_alive, body)
    )


def _start(call: Call, route: Route, head: ResponseHead, length: int) -> None:
    exchange = call.exchange
    chunked = length < 0 and exchange.head.minor_version == 1
    keep_alive = exchange.keep_alive and (chunked or length >= 0)
    lines = _own_lines(call, route, UNTOLD)
    exchange.start(
        write_response(head.status, head, route.via.response_filter, lines, length, chunked, keep_alive, b""),
        chunked,
        not chunked and length < 0,
    )


async def _relay_large(call: Call, route: Route, answer: Answer, meter: PlainMeter, recorder: Recorder) -> None:
    # One piece is always held back: the last one leaves after the call is settled.
    head = answer.head
    exchange = call.exchange
    _start(call, route, head, head.content_length)
    held = b""
    while True:
        waited_from_ns = monotonic_ns()
        chunk = await answer.chunk()
        call.upstream_ns += monotonic_ns() - waited_from_ns
        if chunk is None:
            break
        meter.feed(chunk)
        exchange.send(held)
        held = chunk
        if exchange.slow:
            await exchange.room()
    usage, source = meter.final(call.text_bytes)
    settle.complete(call, recorder, head.status, usage, source, meter.service_tier)
    await _on_disk(recorder)
    exchange.send(held)
    exchange.finish()


async def _relay_stream(call: Call, admission: Admission, answer: Answer, recorder: Recorder) -> None:
    head = answer.head
    exchange = call.exchange
    meter = call.meter = StreamMeter(
        call.operation, hide_usage=admission.hide_usage, may_be_cut=call.allowance is not None
    )
    call.in_events = True
    _start(call, admission.route, head, -1)
    held: list[bytes] = []
    call.waited_from_ns = monotonic_ns()
    try:
        while (chunk := await answer.chunk()) is not None:
            if _pass_on(call, meter, answer, chunk, held):
                await exchange.room()
            if len(held) > MAX_HELD_CHUNKS or is_spent(call):
                break
    except (ConnectionLost, DeadlineExceeded):
        if not meter.ended:
            raise
    call.upstream_ns = monotonic_ns() - call.sent_at_ns
    if is_spent(call):
        usage, source, closing = cut_off(call, meter, tells_usage=not admission.hide_usage)
        held.append(closing)
    else:
        held.append(meter.rest())
        if not meter.ended:
            _refuse_cut(admission.route, head)
        _note_error_event(call, meter)
        usage, source = meter.final(call.text_bytes)
        _learn(call, meter, usage, source)
    settle.complete(call, recorder, head.status, usage, source, meter.service_tier)
    await _on_disk(recorder)
    held.append(_cost_comment(call))
    exchange.send(b"".join(held))
    exchange.finish()


def _pass_on(call: Call, meter: StreamMeter, answer: Answer, chunk: bytes, held: list[bytes]) -> bool:
    """A piece of a stream; returns whether the client must be waited for. From the closing event on it waits in ``held`` for the
    settlement, and the settlement a moment for usage that comes late."""
    if not call.first_token_at_ns:
        call.first_token_at_ns = monotonic_ns()
        call.upstream_ns += call.first_token_at_ns - call.waited_from_ns
    out = meter.feed(chunk)
    if call.allowance is not None and not meter.ended and not may_go_on(call, meter, out):
        held.append(out)
        return False
    if not meter.ended:
        call.exchange.send(out)
        return call.exchange.slow
    if not held:
        answer.expect_end(END_GRACE_NS)
    held.append(out)
    return False


def _learn(call: Call, meter: StreamMeter, usage: Usage, source: UsageSource) -> None:
    if call.learned is not None and source == "reported":
        call.learned.see_output(meter.output_text_bytes, usage.output_tokens - usage.output_reasoning_tokens)


def _note_error_event(call: Call, meter: StreamMeter) -> None:
    if meter.error_seen and call.entry is not None:
        call.entry.error_code = "provider_stream_error"


def _refuse_cut(route: Route, head: ResponseHead) -> None:
    """A stream without its closing event: only framing tells the end from a cut, and one that runs until close has none."""
    if head.content_length < 0 and not head.chunked:
        raise GatewayError(
            "provider_connection_lost",
            f"provider `{route.provider}` closed the connection before the end of its stream",
            status=502,
            source="upstream",
        )


def _cost_nano_usd(call: Call) -> int:
    cost = call.entry.cost_nano_usd if call.entry is not None else None
    return UNPRICED if cost is None else cost


def _cost_comment(call: Call) -> bytes:
    """The cost of a stream, known only at its end: a comment of the event stream, which every client must ignore."""
    cost = _cost_nano_usd(call)
    return f": x-fastgw-cost-usd: {'unpriced' if cost == UNPRICED else format_usd(cost)}\n\n".encode()


def _own_lines(call: Call, route: Route, cost_nano_usd: int) -> bytes:
    overhead_us = (monotonic_ns() - call.exchange.received_ns - call.upstream_ns) // 1000
    attempts = call.entry.attempts if call.entry is not None else 0
    lines = answer_lines(call.request_id, route.model_line, cost_nano_usd, attempts, overhead_us)
    return lines + call.limit_lines if call.limit_lines else lines
