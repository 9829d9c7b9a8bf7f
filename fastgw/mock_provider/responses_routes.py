"""OpenAI's Responses API.

Events and objects follow the OpenAI API reference (Responses, Streaming events). Items of ``input`` other than messages
and function results contribute no text. Nothing is stored: ``previous_response_id`` is ignored.
"""

from __future__ import annotations

from typing import Any

import orjson

from fastgw.mock_provider.answer import CREATED_S, Answer, Call, Script, answer_plain, play
from fastgw.mock_provider.refusal import Refusal
from fastgw.mock_provider.text import Found, find_parts, find_tool, say, say_arguments
from fastgw.mock_provider.usage import count_input, count_usage, encode_with_usage, report_responses, tell


def answer_response(call: Call) -> Answer:
    """``POST /v1/responses``."""
    found = find_input(call.payload)
    words, limited = call.words("max_output_tokens")
    usage = count_usage(count_input(found), words, call.directives, ("cache_write_1h", "audio_in", "audio_out"))
    tool = find_tool(call.payload, found.last_user_text)
    item = output_item(call, words, tool, "completed")
    body = response_body(call, "incomplete" if limited else "completed", [item])
    if limited:
        body["incomplete_details"] = {"reason": "max_output_tokens"}
    if call.stream:
        report = tell(report_responses(usage), call.directives.usage)
        finished = body if report is None else {**body, "usage": report}
        return play(script_response(call, words, tool, finished), usage, call.directives)
    encoded = encode_with_usage(body, report_responses(usage), call.directives.usage)
    return answer_plain(encoded, usage, words, call.directives)


def find_input(payload: dict[str, Any]) -> Found:
    given = payload.get("input")
    if not given or not isinstance(given, (str, list)):
        raise Refusal(400, "Missing required parameter: 'input'.", code="missing_required_parameter", param="input")
    found = Found()
    find_parts(payload.get("instructions"), found, user=False)
    if isinstance(given, str):
        find_parts(given, found, user=True)
        return found
    for item in given:
        if not isinstance(item, dict):
            raise Refusal(400, "Invalid type for 'input': expected objects.", code="invalid_type", param="input")
        if item.get("type") == "function_call_output":
            find_parts(item.get("output"), found, user=False)
        else:
            find_parts(item.get("content"), found, user=item.get("role") == "user")
    return found


def response_body(call: Call, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
    payload = call.payload
    return {
        "id": f"resp_mock{call.number}",
        "object": "response",
        "created_at": CREATED_S,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": payload.get("instructions"),
        "max_output_tokens": payload.get("max_output_tokens"),
        "model": call.model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": payload.get("tools") or [],
        "top_p": 1.0,
        "truncation": "disabled",
        "metadata": payload.get("metadata") or {},
    }


def text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def output_item(call: Call, words: int, tool: tuple[str, str] | None, status: str) -> dict[str, Any]:
    """The one item of an answer: a message or a function call; without content while it is ``in_progress``."""
    opened = status == "in_progress"
    if tool is None:
        content = [] if opened else [text_part("".join(say(words)))]
        return {"id": item_id(call, tool), "type": "message", "status": status, "role": "assistant", "content": content}
    return {
        "id": item_id(call, tool),
        "type": "function_call",
        "status": status,
        "call_id": f"call_mock{call.number}",
        "name": tool[0],
        "arguments": "" if opened else "".join(say_arguments(tool[1], words)),
    }


def item_id(call: Call, tool: tuple[str, str] | None) -> str:
    return f"{'msg' if tool is None else 'fc'}_mock{call.number}"


def encode_event(number: int, kind: str, members: dict[str, Any]) -> bytes:
    data = orjson.dumps({"type": kind, **members, "sequence_number": number})
    return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"


def script_response(call: Call, words: int, tool: tuple[str, str] | None, finished: dict[str, Any]) -> Script:
    """The events of a response. The event with the usage is also the last one."""
    at = {"output_index": 0, "item_id": item_id(call, tool)}
    part_at = {**at, "content_index": 0}
    opened = response_body(call, "in_progress", [])
    opening: list[tuple[str, dict[str, Any]]] = [
        ("response.created", {"response": opened}),
        ("response.in_progress", {"response": opened}),
        ("response.output_item.added", {"output_index": 0, "item": output_item(call, words, tool, "in_progress")}),
    ]
    if tool is None:
        said = say(words)
        text = "".join(said)
        opening.append(("response.content_part.added", {**part_at, "part": text_part("")}))
        deltas = [("response.output_text.delta", {**part_at, "delta": piece, "logprobs": []}) for piece in said]
        closing: list[tuple[str, dict[str, Any]]] = [
            ("response.output_text.done", {**part_at, "text": text, "logprobs": []}),
            ("response.content_part.done", {**part_at, "part": text_part(text)}),
        ]
    else:
        said = say_arguments(tool[1], words)
        deltas = [("response.function_call_arguments.delta", {**at, "delta": piece}) for piece in said]
        done = {**at, "name": tool[0], "arguments": "".join(said)}
        closing = [("response.function_call_arguments.done", done)]
    closing.append(("response.output_item.done", {"output_index": 0, "item": finished["output"][0]}))
    if not words:
        opening, deltas = opening + deltas, []
    kind = "response.incomplete" if finished["status"] == "incomplete" else "response.completed"
    events = [*opening, *deltas, *closing, (kind, {"response": finished})]
    encoded = [encode_event(number, name, members) for number, (name, members) in enumerate(events)]
    first, last = len(opening), len(opening) + len(deltas)
    failure = {"code": "server_error", "message": "The mock provider failed half-way.", "param": None}
    error = encode_event(first + len(deltas) // 2, "error", failure)
    return Script(encoded[:first], encoded[first:last], encoded[last:-1], encoded[-1], None, error)
