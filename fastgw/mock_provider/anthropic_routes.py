"""Anthropic's messages and token counting.

Shapes follow the Anthropic API reference (Messages, Streaming messages, Count message tokens). Bodies are made from the
request alone; nothing is sent from here.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from fastgw.mock_provider.answer import Answer, Call, Script, answer_plain, play
from fastgw.mock_provider.bill import PRICES
from fastgw.mock_provider.refusal import Refusal, encode_anthropic_error
from fastgw.mock_provider.text import Found, find_parts, find_tool, say, say_arguments
from fastgw.mock_provider.usage import (
    NOTHING,
    Usage,
    count_input,
    count_usage,
    encode_with_usage,
    report_anthropic,
    tell,
)

STREAM_ERROR: Final = b"event: error\ndata: " + encode_anthropic_error(Refusal(529, "Overloaded"), "req_mock") + b"\n\n"
BLOCK_STOP: Final = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
PING: Final = b'event: ping\ndata: {"type":"ping"}\n\n'
MESSAGE_STOP: Final = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


def answer_message(call: Call) -> Answer:
    """``POST /v1/messages``."""
    found = find_messages(call.payload)
    if call.payload.get("max_tokens") is None:
        raise Refusal(400, "max_tokens: Field required")
    words, limited = call.words("max_tokens")
    usage = count_usage(count_input(found), words, call.directives, ("audio_in", "audio_out"))
    tool = find_tool(call.payload, found.last_user_text)
    stop = "tool_use" if tool else "max_tokens" if limited else "end_turn"
    if call.stream:
        return play(script_message(call, words, tool, stop, usage), usage, call.directives)
    body = message_body(call)
    body["content"] = [content_block(call, words, tool)]
    body["stop_reason"] = stop
    encoded = encode_with_usage(body, report_anthropic(usage, usage.output), call.directives.usage)
    return answer_plain(encoded, usage, words, call.directives)


def answer_token_count(call: Call) -> Answer:
    """``POST /v1/messages/count_tokens``: the counting rule, free of charge."""
    encoded = orjson.dumps({"input_tokens": count_input(find_messages(call.payload))})
    return answer_plain(encoded, NOTHING, 0, call.directives)


def find_messages(payload: dict[str, Any]) -> Found:
    messages = payload.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refusal(400, "messages: Field required")
    found = Found()
    find_parts(payload.get("system"), found, user=False)
    for message in messages:
        if not isinstance(message, dict):
            raise Refusal(400, "messages: Input should be a valid dictionary")
        find_parts(message.get("content"), found, user=message.get("role") == "user")
    return found


def message_body(call: Call) -> dict[str, Any]:
    return {
        "id": f"msg_mock{call.number}",
        "type": "message",
        "role": "assistant",
        "model": call.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def content_block(call: Call, words: int, tool: tuple[str, str] | None) -> dict[str, Any]:
    if tool is None:
        return {"type": "text", "text": "".join(say(words))}
    return {
        "type": "tool_use",
        "id": f"toolu_mock{call.number}",
        "name": tool[0],
        "input": {tool[1]: "".join(say(words))},
    }


def encode_event(kind: str, members: dict[str, Any]) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + orjson.dumps({"type": kind, **members}) + b"\n\n"


def script_message(call: Call, words: int, tool: tuple[str, str] | None, stop: str, usage: Usage) -> Script:
    """The events of a message stream.

    Usage stands in ``message_start`` (input) and, cumulative, in ``message_delta``.
    """
    lie = call.directives.usage
    started, ended = tell(report_anthropic(usage, 1), lie), tell(report_anthropic(usage, usage.output), lie)
    message = message_body(call)
    # A stream whose usage comes too late has none where it belongs.
    if started is not None and lie != "after_done":
        message["usage"] = started
    block: dict[str, Any] = {"type": "text", "text": ""}
    delta: dict[str, Any] = {"type": "text_delta", "text": "@"}
    said = say(words)
    if tool is not None:
        block = {"type": "tool_use", "id": f"toolu_mock{call.number}", "name": tool[0], "input": {}}
        delta = {"type": "input_json_delta", "partial_json": "@"}
        said = say_arguments(tool[1], words)
    before, after = encode_event("content_block_delta", {"index": 0, "delta": delta}).rsplit(b'"@"', 1)
    opening = [
        encode_event("message_start", {"message": message}),
        encode_event("content_block_start", {"index": 0, "content_block": block}),
        PING,
    ]
    events = [before + orjson.dumps(piece) + after for piece in said]
    if not words:
        opening, events = opening + events, []
    final: dict[str, Any] = {"delta": {"stop_reason": stop, "stop_sequence": None}}
    if ended is not None:
        final["usage"] = {name: value for name, value in ended.items() if name != "service_tier"}
    return Script(opening, events, [BLOCK_STOP], encode_event("message_delta", final), MESSAGE_STOP, STREAM_ERROR)


def list_models() -> bytes:
    """``GET /v1/models`` as Anthropic answers it (to a caller that sends ``anthropic-version``)."""
    models = [
        {"type": "model", "id": name, "display_name": name, "created_at": "2025-10-09T08:53:20Z"} for name in PRICES
    ]
    return orjson.dumps({"data": models, "has_more": False, "first_id": models[0]["id"], "last_id": models[-1]["id"]})
