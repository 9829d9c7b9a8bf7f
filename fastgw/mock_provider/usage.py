"""Exact token counts, and how each dialect reports them.

:class:`Usage` holds disjoint counts (no unit contains another but ``reasoning``, which is part of ``output``), because
that is what is billed. The reporting functions add them up the way the vendor does: OpenAI's prompt tokens contain
cached and audio ones, Anthropic's input tokens contain neither. The lies of the ``usage=`` directive are told here too;
the bill never sees them.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import orjson

from fastgw.mock_provider.faults import Directives
from fastgw.mock_provider.refusal import Refusal
from fastgw.mock_provider.text import Found

IMAGE_TOKENS: Final = 85
HUGE: Final = 2**63
"""One more than an int64 holds: JSON allows it, a counter must not be fooled by it."""


class Usage(msgspec.Struct, frozen=True):
    """Billed tokens by unit. ``reasoning`` is the part of ``output`` that was thought and not said."""

    input: int = 0
    cached_input: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    input_audio: int = 0
    output: int = 0
    reasoning: int = 0
    output_audio: int = 0

    def cut_to(self, words_sent: int) -> Usage:
        """What is billed for a stream that broke after ``words_sent`` words.

        All input, and what was generated so far.
        """
        if not words_sent:
            return msgspec.structs.replace(self, output=0, reasoning=0, output_audio=0)
        return msgspec.structs.replace(self, output=words_sent + self.reasoning)


NOTHING: Final = Usage()


def count_input(found: Found) -> int:
    """The package's counting rule for input, in tokens."""
    return max(1, -(-found.text_bytes // 4) + IMAGE_TOKENS * found.images)


def count_usage(input_tokens: int, words: int, directives: Directives, unsupported: tuple[str, ...] = ()) -> Usage:
    """The usage of one call.

    A count in ``unsupported`` is one the endpoint cannot report: asking for it is refused (400).
    """
    for name in unsupported:
        if getattr(directives, name):
            raise Refusal(400, f"x-mock: this endpoint does not report {name}", param="x-mock")
    return Usage(
        input=input_tokens,
        cached_input=directives.cached,
        cache_write_5m=directives.cache_write_5m,
        cache_write_1h=directives.cache_write_1h,
        input_audio=directives.audio_in,
        output=words + directives.reasoning,
        reasoning=directives.reasoning,
        output_audio=directives.audio_out,
    )


def report_openai(usage: Usage) -> dict[str, Any]:
    """``usage`` of chat and text completions (OpenAI API reference, the chat completion object)."""
    prompt = usage.input + usage.cached_input + usage.cache_write_5m + usage.input_audio
    completion = usage.output + usage.output_audio
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_input,
            "cache_write_tokens": usage.cache_write_5m,
            "audio_tokens": usage.input_audio,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": usage.output_audio,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def report_responses(usage: Usage) -> dict[str, Any]:
    """``usage`` of the Responses API (OpenAI API reference, the response object)."""
    total_input = usage.input + usage.cached_input + usage.cache_write_5m
    return {
        "input_tokens": total_input,
        "input_tokens_details": {"cached_tokens": usage.cached_input, "cache_write_tokens": usage.cache_write_5m},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": total_input + usage.output,
    }


def report_anthropic(usage: Usage, output_tokens: int) -> dict[str, Any]:
    """``usage`` of a message (Anthropic API reference, Messages).

    ``output_tokens`` is separate: a stream opens with 1.
    """
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cached_input,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": output_tokens,
        "output_tokens_details": {"thinking_tokens": min(usage.reasoning, output_tokens)},
        "service_tier": "standard",
    }


def tell(report: Any, lie: str | None) -> Any:
    """``report`` as the ``usage=`` directive wants it told.

    ``absent`` is ``None``; lies about place are not told here.
    """
    if lie == "absent":
        return None
    if lie not in ("negative", "huge", "string"):
        return report
    if isinstance(report, dict):
        return {name: tell(value, lie) for name, value in report.items()}
    if not isinstance(report, int):
        return report
    return {"negative": -max(1, report), "huge": HUGE, "string": str(report)}[lie]


def encode_with_usage(body: dict[str, Any], report: Any, lie: str | None) -> bytes:
    """The JSON of a plain answer with its usage.

    As it is, left out (``absent``) or as two members of one name (``twice``).
    """
    told = tell(report, lie)
    if told is None:
        return orjson.dumps(body)
    if lie == "after_done":
        raise Refusal(400, "x-mock: usage=after_done is for streams", param="x-mock")
    encoded = orjson.dumps({**body, "usage": told})
    return encoded[:-1] + b',"usage":' + orjson.dumps(told) + b"}" if lie == "twice" else encoded
