"""Phase 6: what a call may need is taken from every limit that governs it, or nothing is, and the call is told why.

Invariant: nothing is awaited between the look and the taking. What was taken is on the call, and is settled with it.
"""

from __future__ import annotations

from typing import Final

from fastgw._native.limit_lines import reservation_lines
from fastgw._native.limit_set import Refusal, WorkerCounters
from fastgw.dialects.request import RequestFacts
from fastgw.domain.errors import GatewayError
from fastgw.domain.usage import MAX_COUNT
from fastgw.gateway.context import Call
from fastgw.gateway.limiting import Limiter
from fastgw.gateway.ports import TargetPricing
from fastgw.gateway.snapshot import Route
from fastgw.limits.advice import refusal_error
from fastgw.limits.table import Governing
from fastgw.spend.ceiling import Ceiling
from fastgw.spend.estimate import estimate_tokens

STRICT_OUTPUT_TOKENS: Final = 32_768
"""What a call that names no cap is given where a strict budget governs."""
STRICT_IMAGE_TOKENS: Final = 50_000
"""An image by its address has few bytes and may be many tokens: 48,169 for the largest that gpt-4o-mini takes
(https://platform.openai.com/docs/guides/images-vision: 2,833, and 5,667 for each of 8 tiles)."""
MAX_CLAMPS: Final = 3
"""How often a call tries again with less output, when others take money between two tries."""


def reserve(  # noqa: PLR0913 - all that is known about a call
    call: Call,
    counters: WorkerCounters,
    limiter: Limiter,
    route: Route,
    facts: RequestFacts,
    user: str,
    metadata: dict[str, str] | None,
    default_output_tokens: int,
    body: bytes,
) -> int:
    """Take what the call may need. Returns the cap on its output that must be written into the request, 0 for none.

    Raises:
        GatewayError: 429, a limit refuses; 503, there is no memory to count in.
    """
    subject = call.subject
    if subject is None:
        raise TypeError("nobody is known to call")
    now_ns = (call.id >> 10) * 1000
    governing = limiter.governing(call, subject, user, facts.alias, route, metadata, now_ns)
    if not governing.applied:
        return 0
    input_tokens = _most_input_tokens(facts, body) if governing.strict else estimate_tokens(facts.text_bytes)
    output_tokens = facts.output_cap_tokens or default_output_tokens
    cap_tokens = 0
    if governing.strict and not facts.output_cap_tokens and default_output_tokens:
        output_tokens = cap_tokens = STRICT_OUTPUT_TOKENS
    ceilings: tuple[Ceiling, ...] = ()
    if governing.has_money and route.price is not None:
        ceilings = _ceilings(route.price, facts, body, governing, now_ns)
    if governing.strict and not ceilings:
        problem = f"a strict budget governs this call, and `{route.name}` has no price that could be counted"
        raise GatewayError("unpriced_model", problem, status=403, source="policy", param="model")
    for tries_left in range(MAX_CLAMPS, -1, -1):
        needed = max([ceiling.nano_usd(input_tokens, output_tokens) for ceiling in ceilings], default=0)
        found = counters.reserve(governing.limits, call.id, input_tokens + output_tokens, needed, now_ns)
        if not isinstance(found, Refusal):
            call.reservation = found
            call.limit_lines = reservation_lines(governing.rules_line, found, call.dialect == "anthropic", now_ns)
            if cap_tokens and cap_tokens != STRICT_OUTPUT_TOKENS:
                call.limit_lines += b"x-fastgw-clamped-max-tokens: %d\r\n" % cap_tokens
            return cap_tokens
        buys = _affordable(governing, found, ceilings, input_tokens, facts.choices)
        if not tries_left or not 0 < buys < output_tokens:
            raise refusal_error(governing, found, call.dialect, needed, now_ns)
        output_tokens = cap_tokens = buys
    raise AssertionError("the last try returns or refuses")


def _most_input_tokens(facts: RequestFacts, body: bytes) -> int:
    return min(facts.text_bytes + STRICT_IMAGE_TOKENS * body.count(b'"image'), MAX_COUNT)


def _ceilings(
    price: TargetPricing, facts: RequestFacts, body: bytes, governing: Governing, now_ns: int
) -> tuple[Ceiling, ...]:
    text = price.ceiling(now_ns, facts.service_tier, dearest=governing.strict, media=False)
    any_media = price.ceiling(now_ns, facts.service_tier, dearest=governing.strict, media=True)
    # Where audio and images cost what text does, nobody needs to look for them.
    if text == any_media or not (b"audio" in body or b"image" in body):
        return text
    return any_media


def _affordable(
    governing: Governing, refusal: Refusal, ceilings: tuple[Ceiling, ...], input_tokens: int, choices: int
) -> int:
    """The output that what is left buys, in whole tokens for each choice; 0 when nothing can be clamped."""
    if not governing.clamps or refusal.full or refusal.room_nano_usd < 0 or not ceilings:
        return 0
    buys = min(ceiling.affordable_output_tokens(refusal.room_nano_usd, input_tokens) for ceiling in ceilings)
    return max(buys, 0) // choices * choices
