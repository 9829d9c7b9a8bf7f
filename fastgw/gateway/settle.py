"""Phase 11: what a call cost, written down once.

Invariant: after ``open_`` exactly one of ``complete`` and ``abandoned`` reaches the recorder for a call, whichever comes first;
later ones are no-ops. The record is made before the last byte leaves, so that whoever holds a whole answer is in the ledger.
"""

from __future__ import annotations

from typing import Final

from fastgw.domain.entry import UsageSource
from fastgw.domain.usage import Usage
from fastgw.gateway.context import Call
from fastgw.gateway.ports import Recorder
from fastgw.telemetry.clock import monotonic_ns

NOTHING: Final = Usage()


def open_(call: Call, recorder: Recorder) -> None:
    """Journal the row that stands if the process dies: the estimate, marked unknown."""
    entry = call.entry
    if entry is None or call.route is None:
        return
    _price(call, Usage(entry.input_tokens, entry.output_tokens))
    entry.usage_source = "estimated"
    recorder.opened(entry)


def complete(call: Call, recorder: Recorder, status: int, usage: Usage, source: UsageSource) -> None:
    """The provider's answer is whole (or was relayed as far as it will be): price it and write it down."""
    entry = call.entry
    if entry is None or call.settled:
        return
    call.settled = True
    now_ns = monotonic_ns()
    entry.status = status
    entry.outcome = "settled"
    entry.usage_source = source
    entry.input_tokens = usage.input_tokens
    entry.cached_input_tokens = usage.cache_read_tokens
    entry.cache_write_5m_tokens = usage.cache_write_tokens - usage.cache_write_1h_tokens
    entry.cache_write_1h_tokens = usage.cache_write_1h_tokens
    entry.output_tokens = usage.output_tokens
    entry.reasoning_tokens = usage.output_reasoning_tokens
    entry.input_audio_tokens = usage.input_audio_tokens
    entry.output_audio_tokens = usage.output_audio_tokens
    entry.input_image_tokens = usage.input_image_tokens
    entry.output_image_tokens = usage.output_image_tokens
    entry.other_usage = usage.other
    _price(call, usage)
    received_ns = call.exchange.received_ns
    entry.latency_ns = now_ns - received_ns
    entry.overhead_ns = entry.latency_ns - call.upstream_ns
    if call.first_token_at_ns:
        entry.first_token_ns = call.first_token_at_ns - received_ns
    recorder.settled(entry)


def abandoned(call: Call, recorder: Recorder, status: int, code: str) -> None:
    """The call ended without a whole answer: nothing is charged unless the provider had begun to answer or was still at work.

    What it has reported so far counts; what is missing is estimated from the bytes that came.
    """
    entry = call.entry
    if entry is None or call.settled:
        return
    entry.error_code = code
    if call.meter is not None:
        usage, source = call.meter.cut(call.text_bytes)
    elif call.sent_at_ns and code == "client_gone":
        usage, source = Usage(entry.input_tokens), "estimated"
    else:
        usage, source = NOTHING, "none"
    complete(call, recorder, status, usage, source)


def _price(call: Call, usage: Usage) -> None:
    entry = call.entry
    route = call.route
    if entry is None:
        return
    if route is None or usage is NOTHING:
        entry.cost_nano_usd, entry.price_version = 0, ""
    elif route.price is None:
        entry.cost_nano_usd, entry.price_version = None, ""
    else:
        tier = call.meter.service_tier if call.meter is not None else call.service_tier
        entry.cost_nano_usd, entry.price_version = route.price.cost(usage, entry.started_ns, tier) or (None, "")
