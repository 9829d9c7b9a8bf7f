"""The events that end a stream early as if it had reached its length, in the words of its dialect.

Invariant: what a client has read so far and these events together are a whole stream of its dialect, with the reason it gives for
an answer that was cut at its bound. Formats: https://platform.openai.com/docs/api-reference/chat-streaming,
https://platform.openai.com/docs/api-reference/responses-streaming, https://docs.anthropic.com/en/docs/build-with-claude/streaming.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from fastgw._native.sse_split import SseSplitter, event_payload
from fastgw.domain.operation import Operation
from fastgw.domain.usage import Usage

_KEPT: Final = ("id", "object", "created", "model", "system_fingerprint")


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """Where a stream is cut. ``opening``: the events that it began with; ``open_block``: the content block of a message that has
    not ended, -1 for none; ``tells_usage``: the caller asked to be told."""

    operation: Operation
    opening: bytes
    code: str
    usage: Usage
    choices: int = 1
    open_block: int = -1
    tells_usage: bool = False


def closing_events(cut: Cut) -> bytes:
    """What follows the last event that was passed on. ``code`` of the cut is told beside the dialect's own reason."""
    opening = _opening(cut.opening)
    if cut.operation == "message":
        return _message_end(cut)
    if cut.operation == "respond":
        return _response_end(cut, opening)
    return _chunks(cut, opening)


def _opening(events: bytes) -> Mapping[str, Any]:
    first = next(iter(SseSplitter().feed(events)), b"")
    try:
        found = msgspec.json.decode(event_payload(first) or b"{}")
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _chunks(cut: Cut, opening: Mapping[str, Any]) -> bytes:
    base = {name: opening[name] for name in _KEPT if name in opening}
    said: dict[str, Any] = {"delta": {}} if cut.operation == "chat" else {"text": "", "logprobs": None}
    choices = [{"index": index, **said, "finish_reason": "length"} for index in range(cut.choices)]
    events = [{**base, "choices": choices, "fastgw": {"code": cut.code}}]
    if cut.tells_usage:
        usage = {
            "prompt_tokens": cut.usage.input_tokens,
            "completion_tokens": cut.usage.output_tokens,
            "total_tokens": cut.usage.input_tokens + cut.usage.output_tokens,
        }
        events.append({**base, "choices": [], "usage": usage})
    return b"".join(_event(b"", event) for event in events) + b"data: [DONE]\n\n"


def _message_end(cut: Cut) -> bytes:
    events = b""
    if cut.open_block >= 0:
        events += _event(b"content_block_stop", {"type": "content_block_stop", "index": cut.open_block})
    delta = {
        "type": "message_delta",
        "delta": {"stop_reason": "max_tokens", "stop_sequence": None},
        "usage": {"output_tokens": cut.usage.output_tokens},
        "fastgw": {"code": cut.code},
    }
    return events + _event(b"message_delta", delta) + _event(b"message_stop", {"type": "message_stop"})


def _response_end(cut: Cut, opening: Mapping[str, Any]) -> bytes:
    begun = opening.get("response")
    response: dict[str, Any] = dict(begun) if isinstance(begun, dict) else {"object": "response", "output": []}
    response |= {
        "status": "incomplete",
        "incomplete_details": {"reason": "max_output_tokens"},
        "usage": {
            "input_tokens": cut.usage.input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": cut.usage.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": cut.usage.input_tokens + cut.usage.output_tokens,
        },
    }
    event = {"type": "response.incomplete", "response": response, "fastgw": {"code": cut.code}}
    return _event(b"response.incomplete", event)


def _event(name: bytes, payload: Mapping[str, Any]) -> bytes:
    line = b"event: " + name + b"\n" if name else b""
    return line + b"data: " + msgspec.json.encode(payload) + b"\n\n"
