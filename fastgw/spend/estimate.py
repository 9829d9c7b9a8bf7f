"""Tokens guessed from bytes: what is reserved before a call, and what is charged when a provider never said.

Invariant: an estimate of any text is at least one token, and grows with the bytes. Prose in the common vocabularies
has 4 to 5 bytes a token, JSON and code 2.4 to 5; 3.0 errs towards more tokens. No vocabulary is loaded and nothing is
learnt here.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from fastgw.domain.usage import MAX_COUNT, Usage

DEFAULT_BYTES_PER_TOKEN: Final = 3.0
_MAX_TOKENS: Final = MAX_COUNT


def estimate_tokens(text_bytes: int, bytes_per_token: float = DEFAULT_BYTES_PER_TOKEN) -> int:
    """Tokens of so many bytes, rounded up, at most ``MAX_COUNT``; none for none. ``bytes_per_token`` > 0."""
    if bytes_per_token == DEFAULT_BYTES_PER_TOKEN and 0 <= text_bytes <= _MAX_TOKENS:
        return (text_bytes + 2) // 3
    return min(math.ceil(max(text_bytes, 0) / bytes_per_token), MAX_COUNT)


def admission_estimate(
    body_bytes: int,
    max_output_tokens: int | None,
    default_output_tokens: int,
    bytes_per_token: float = DEFAULT_BYTES_PER_TOKEN,
) -> Usage:
    """What a call may use before it is made: its body as input, and all of the output it may ask for.

    ``max_output_tokens`` is the request's own cap (any integer, hostile ones are clamped), else the default applies.
    """
    output = default_output_tokens if max_output_tokens is None else max_output_tokens
    return Usage(estimate_tokens(body_bytes, bytes_per_token), min(max(output, 0), MAX_COUNT))


def fill_missing(
    reported: Usage,
    body_bytes: int,
    relayed_bytes: int,
    *,
    output_is_final: bool,
    bytes_per_token: float = DEFAULT_BYTES_PER_TOKEN,
) -> Usage:
    """A usage completed from bytes where the provider said nothing: flag the call ``estimated`` when the result
    differs.

    A side that was reported keeps its count. An output that is not final (a stream that was cut) is at least what was
    relayed: providers open a stream with a small provisional count.
    """
    input_tokens = reported.input_tokens or estimate_tokens(body_bytes, bytes_per_token)
    output_tokens = reported.output_tokens
    if not output_is_final or not output_tokens:
        output_tokens = max(output_tokens, estimate_tokens(relayed_bytes, bytes_per_token))
    if input_tokens == reported.input_tokens and output_tokens == reported.output_tokens:
        return reported
    return msgspec.structs.replace(reported, input_tokens=input_tokens, output_tokens=output_tokens)
