"""Phase 10 for a stream whose budget is spent: it is ended in its dialect, as one that has reached its length.

Invariant: the client gets whole events and an end; what it was given is charged, as an estimate.
"""

from __future__ import annotations

from fastgw.dialects.closing import Cut, closing_events
from fastgw.domain.entry import UsageSource
from fastgw.domain.usage import Usage
from fastgw.gateway.context import Call
from fastgw.gateway.metering import StreamMeter
from fastgw.telemetry.clock import monotonic_ns, unix_ns_of


def is_spent(call: Call) -> bool:
    """Whether the call's stream has used up what could be reserved for it."""
    return call.allowance is not None and call.allowance.is_spent


def may_go_on(call: Call, meter: StreamMeter, events: bytes) -> bool:
    """Whether the output so far, with these events, is paid for."""
    allowance = call.allowance
    if allowance is None:
        return True
    if not allowance.opening:
        allowance.opening = events
    now_ns = unix_ns_of(call.id) + monotonic_ns() - call.exchange.received_ns
    return allowance.covers(meter.output_text_bytes, now_ns)


def cut_off(call: Call, meter: StreamMeter, *, tells_usage: bool) -> tuple[Usage, UsageSource, bytes]:
    """What was used so far, and the events that end the stream. ``tells_usage``: the caller asked for it."""
    usage, source = meter.cut(call.text_bytes)
    code = "budget_exhausted"
    if call.entry is not None:
        call.entry.error_code = code
    allowance = call.allowance
    closing = closing_events(
        Cut(
            operation=call.operation,
            opening=allowance.opening if allowance is not None else b"",
            code=code,
            usage=usage,
            choices=allowance.choices if allowance is not None else 1,
            open_block=meter.open_block,
            tells_usage=tells_usage,
        )
    )
    return usage, source, closing
