"""Phase 11: what a call cost, written down once.

Invariant: after ``open_`` exactly one of ``complete`` and ``abandoned`` reaches the recorder for a call, whichever comes first;
later ones are no-ops. The record is made before the last byte leaves, so that whoever holds a whole answer is in the ledger.
"""

from __future__ import annotations

from typing import Final

from fastgw._native.ledger_record import LedgerRecord
from fastgw.domain.entry import UsageSource
from fastgw.domain.usage import Usage
from fastgw.gateway.admission import Admission
from fastgw.gateway.context import Call
from fastgw.gateway.ports import Recorder
from fastgw.telemetry.clock import monotonic_ns, unix_ns_of

NOTHING: Final = Usage()


def open_(call: Call, admission: Admission, recorder: Recorder) -> None:
    """Journal the row that stands if the process dies: the estimate, marked unknown."""
    call.entry = entry = admission.entry
    call.price = price = admission.route.price
    if price is not None:
        price.charge(entry, admission.service_tier)
    recorder.opened(entry)


def complete(
    call: Call, recorder: Recorder, status: int, usage: Usage, source: UsageSource, tier: str | None = None
) -> None:
    """The provider's answer is whole (or was relayed as far as it will be): price it and write it down."""
    entry = call.entry
    if entry is None or call.settled:
        return
    _itemise(entry, usage)
    if source == "reported":
        _learn(call, entry)
    if usage is NOTHING:
        entry.charge(0, "")
    elif call.price is not None:
        call.price.charge(entry, tier, usage)
    _write_down(call, entry, recorder, status, source)


def complete_filled(call: Call, entry: LedgerRecord, recorder: Recorder, status: int, tier: str | None) -> None:
    """The same for a row that has the reported counts already."""
    if call.settled:
        return
    _learn(call, entry)
    if call.price is not None:
        call.price.charge(entry, tier)
    _write_down(call, entry, recorder, status, "reported")


def _learn(call: Call, entry: LedgerRecord) -> None:
    learned = call.learned
    if learned is None or not entry.output_tokens:
        return
    learned.see_input(call.text_bytes, entry.input_tokens)
    if not call.is_bounded:
        learned.see_unbounded(entry.output_tokens)


def _write_down(call: Call, entry: LedgerRecord, recorder: Recorder, status: int, source: UsageSource) -> None:
    call.settled = True
    received_ns = call.exchange.received_ns
    latency_ns = monotonic_ns() - received_ns
    first_token_ns = call.first_token_at_ns - received_ns if call.first_token_at_ns else 0
    entry.settle(status, source, latency_ns, first_token_ns, latency_ns - call.upstream_ns)
    recorder.settled(entry)
    reservation = call.reservation
    if reservation is not None:
        # After the journal: a kill between the two leaves a hold, which is settled by what the ledger says.
        reservation.settle(
            entry.input_tokens + entry.output_tokens, entry.cost_nano_usd or 0, unix_ns_of(call.id) + latency_ns
        )


def _itemise(entry: LedgerRecord, usage: Usage) -> None:
    entry.itemise(
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.cache_write_1h_tokens,
        usage.output_reasoning_tokens,
        usage.input_audio_tokens,
        usage.output_audio_tokens,
        usage.input_image_tokens,
        usage.output_image_tokens,
        usage.other,
    )


def abandoned(call: Call, recorder: Recorder, status: int, code: str) -> None:
    """The call ended without a whole answer: nothing is charged unless the provider had begun to answer or was still at work.

    What it has reported so far counts; what is missing is estimated from the bytes that came.
    """
    entry = call.entry
    if entry is None or call.settled:
        return
    entry.error_code = code
    tier = None
    if call.meter is not None:
        usage, source = call.meter.cut(call.text_bytes)
        tier = call.meter.service_tier
    elif call.sent_at_ns and code == "client_gone":
        usage, source = Usage(entry.input_tokens), "estimated"
    else:
        usage, source = NOTHING, "none"
    complete(call, recorder, status, usage, source, tier)
