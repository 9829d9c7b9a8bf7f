"""Phase 10 without a client: an answer that nobody waits for any more is read on, for the usage at its end.

Invariant: bounded in time and bytes, and never fails: what could not be read to its end is estimated by whoever gives the call up.
"""

from __future__ import annotations

from fastgw._native.errors import NativeError
from fastgw.domain.errors import CLIENT_CLOSED_STATUS
from fastgw.gateway import settle
from fastgw.gateway.context import Call
from fastgw.gateway.metering import PlainMeter, StreamMeter
from fastgw.gateway.ports import Answer, Recorder
from fastgw.gateway.relay import is_event_stream


async def drain(call: Call, recorder: Recorder) -> None:
    """Read the call's answer to its end and settle it, if the configuration wants that and the provider was asked."""
    answer = call.answer
    snapshot = call.snapshot
    if not snapshot.drain_ns or answer is None or call.entry is None or call.settled:
        return
    answer.expect_end(snapshot.drain_ns)
    try:
        await answer.headed()
        if not 200 <= answer.head.status < 300:
            return
        meter = _meter_of(call, answer)
        left_bytes = snapshot.drain_bytes
        while (chunk := await answer.chunk()) is not None:
            meter.feed(chunk)
            left_bytes -= len(chunk)
            if left_bytes < 0:
                return
            if isinstance(meter, StreamMeter) and meter.ended:
                break
    except NativeError:
        return
    if isinstance(meter, StreamMeter):
        meter.rest()
        if not meter.ended:
            return
    elif not meter.is_whole:
        return
    call.entry.error_code = "client_gone"
    usage, source = meter.final(call.text_bytes)
    settle.complete(call, recorder, CLIENT_CLOSED_STATUS, usage, source, meter.service_tier)


def _meter_of(call: Call, answer: Answer) -> PlainMeter | StreamMeter:
    meter = call.meter
    if isinstance(meter, PlainMeter | StreamMeter):
        return meter
    found: PlainMeter | StreamMeter = PlainMeter(call.operation)
    if is_event_stream(answer.head):
        found = StreamMeter(call.operation, hide_usage=False)
    call.meter = found
    return found
