"""Phase 6: what a call may need is taken from every limit that governs it, or nothing is, and the call is told why.

Invariant: nothing is awaited between the look and the taking. What was taken is on the call, and is settled with it.
"""

from __future__ import annotations

from typing import Final

from fastgw._native.ledger_record import LedgerRecord
from fastgw._native.limit_lines import reservation_lines
from fastgw._native.limit_set import Refusal, WorkerCounters
from fastgw.dialects.request import RequestFacts
from fastgw.domain.errors import GatewayError
from fastgw.domain.usage import MAX_COUNT
from fastgw.gateway.allowance import Allowance
from fastgw.gateway.context import Call
from fastgw.gateway.ports import TargetPricing
from fastgw.gateway.snapshot import Route
from fastgw.limits.advice import refusal_error
from fastgw.limits.table import Governing
from fastgw.rules.table import Fixed
from fastgw.spend.ceiling import Ceiling
from fastgw.telemetry.clock import unix_ns_of

STRICT_OUTPUT_TOKENS: Final = 32_768
"""What a call that names no cap is given where a strict budget governs."""
STRICT_IMAGE_TOKENS: Final = 50_000
"""An image by its address has few bytes and may be many tokens: 48,169 for the largest that gpt-4o-mini takes
(https://platform.openai.com/docs/guides/images-vision: 2,833, and 5,667 for each of 8 tiles)."""
MAX_CLAMPS: Final = 3
"""How often a call tries again with less output, when others take money between two tries."""


def reserve(call: Call, counters: WorkerCounters, route: Route, facts: RequestFacts, entry: LedgerRecord) -> int:
    """Take what the call may need; ``entry`` says who calls and what was estimated. Returns the cap on its output that must be
    written into the request, 0 for none.

    Raises:
        GatewayError: 429, a limit refuses; 403, it cannot be counted strictly; 503, there is no memory to count in.
    """
    limiter = call.snapshot.limiter
    if limiter is None:
        return 0
    now_ns = unix_ns_of(call.id)
    governing = call.governing = limiter.governing(_fixed(entry), entry.metadata, now_ns)
    if not governing.applied:
        return 0
    ceilings, input_tokens, output_tokens = _needs(call, route, facts, entry, now_ns)
    cap_tokens = 0
    if governing.strict and output_tokens and not facts.output_cap_tokens:
        cap_tokens = output_tokens
    is_clamped = False
    tries = 0
    while True:
        needed = max([ceiling.nano_usd(input_tokens, output_tokens) for ceiling in ceilings], default=0)
        found = counters.reserve(governing.limits, call.id, input_tokens + output_tokens, needed, now_ns)
        if not isinstance(found, Refusal):
            break
        buys = _affordable(governing, found, ceilings, input_tokens, facts.choices)
        if tries == MAX_CLAMPS or not 0 < buys < output_tokens:
            raise refusal_error(governing, found, call.dialect, needed, now_ns)
        tries += 1
        output_tokens = cap_tokens = buys
        is_clamped = True
    call.reservation = found
    call.limit_lines = reservation_lines(governing.rules_line, found, call.dialect == "anthropic", now_ns)
    if is_clamped:
        call.limit_lines += b"x-fastgw-clamped-max-tokens: %d\r\n" % cap_tokens
    if governing.cuts and facts.streaming and ceilings:
        call.allowance = Allowance(found, ceilings, route.learned, output_tokens, facts.choices)
    return cap_tokens


Needs = tuple[tuple[Ceiling, ...], int, int]


def _needs(call: Call, route: Route, facts: RequestFacts, entry: LedgerRecord, now_ns: int) -> Needs:
    """What a call may cost, by each price that may apply, for the tokens of input and output that it may use."""
    governing = call.governing
    if call.operation == "count_tokens":
        # It is free, and uses none of the tokens that it counts.
        return (), 0, 0
    if governing is None or not governing.has_money:
        return (), entry.input_tokens, entry.output_tokens
    ceilings = _ceilings(route, facts, governing, now_ns)
    if not governing.strict:
        return ceilings, entry.input_tokens, entry.output_tokens
    output_tokens = entry.output_tokens
    if output_tokens and not facts.output_cap_tokens:
        output_tokens = STRICT_OUTPUT_TOKENS
    return ceilings, _most_input_tokens(facts), output_tokens


def _fixed(entry: LedgerRecord) -> Fixed:
    return Fixed(
        entry.key,
        entry.user,
        entry.team,
        entry.alias,
        entry.target,
        entry.provider,
        entry.region,
        entry.dialect,
        entry.operation,
    )


def _most_input_tokens(facts: RequestFacts) -> int:
    return min(facts.text_bytes + STRICT_IMAGE_TOKENS * facts.body.count(b'"image'), MAX_COUNT)


def _ceilings(route: Route, facts: RequestFacts, governing: Governing, now_ns: int) -> tuple[Ceiling, ...]:
    price: TargetPricing | None = route.price
    found: tuple[Ceiling, ...] = ()
    if price is not None:
        found = price.ceiling(now_ns, facts.service_tier, dearest=governing.strict, media=False)
        any_media = price.ceiling(now_ns, facts.service_tier, dearest=governing.strict, media=True)
        # Where audio and images cost what text does, nobody needs to look for them.
        if found != any_media and (b"audio" in facts.body or b"image" in facts.body):
            found = any_media
    if governing.strict and not found:
        problem = f"a strict budget governs this call, and `{route.name}` has no price that could be counted"
        raise GatewayError("unpriced_model", problem, status=403, source="policy", param="model")
    return found


def _affordable(
    governing: Governing, refusal: Refusal, ceilings: tuple[Ceiling, ...], input_tokens: int, choices: int
) -> int:
    """The output that what is left buys, in whole tokens for each choice; 0 when nothing can be clamped."""
    if not governing.clamps or refusal.full or refusal.room_nano_usd < 0 or not ceilings:
        return 0
    buys = min(ceiling.affordable_output_tokens(refusal.room_nano_usd, input_tokens) for ceiling in ceilings)
    return max(buys, 0) // choices * choices
