"""OpenAI's chat completions, text completions, embeddings and model list.

Shapes follow the OpenAI API reference and what the official client of 2026 parses. Bodies are made from the request
alone; nothing is sent from here.
"""

from __future__ import annotations

import base64
from typing import Any, Final

import orjson

from fastgw.mock_provider.answer import CREATED_S, Answer, Call, Script, answer_plain, play
from fastgw.mock_provider.bill import PRICES
from fastgw.mock_provider.refusal import Refusal, encode_openai_error
from fastgw.mock_provider.text import Found, embed, find_parts, find_tool, say, say_arguments
from fastgw.mock_provider.usage import count_input, count_usage, encode_with_usage, report_openai, tell

FINGERPRINT: Final = "fp_mock"
DONE: Final = b"data: [DONE]\n\n"
STREAM_ERROR: Final = b"data: " + encode_openai_error(Refusal(500, "The mock provider failed half-way."), "") + b"\n\n"
MAX_CHOICES: Final = 16
MAX_DIMENSIONS: Final = 4096


def read_choices(payload: dict[str, Any]) -> int:
    choices = payload.get("n")
    if choices is None:
        return 1
    if not isinstance(choices, int) or isinstance(choices, bool) or not 1 <= choices <= MAX_CHOICES:
        raise Refusal(400, f"Invalid 'n': expected an integer from 1 to {MAX_CHOICES}.", param="n")
    return choices


def wants_usage(payload: dict[str, Any]) -> bool:
    options = payload.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def answer_chat(call: Call) -> Answer:
    """``POST /v1/chat/completions``."""
    messages = call.payload.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refusal(
            400, "Missing required parameter: 'messages'.", code="missing_required_parameter", param="messages"
        )
    found = Found()
    for message in messages:
        if not isinstance(message, dict):
            raise Refusal(400, "Invalid type for 'messages': expected objects.", code="invalid_type", param="messages")
        find_parts(message.get("content"), found, user=message.get("role") == "user")
    words, limited = call.words("max_completion_tokens", "max_tokens")
    choices = read_choices(call.payload)
    usage = count_usage(count_input(found), words * choices, call.directives, ("cache_write_1h",))
    tool = find_tool(call.payload, found.last_user_text)
    finish = "tool_calls" if tool else "length" if limited else "stop"
    if call.stream:
        script = script_chat(call, words, choices, tool, finish)
        if wants_usage(call.payload):
            report = tell(report_openai(usage), call.directives.usage)
            script.usage = chat_chunk(call, [], None if report is None else {"usage": report})
        return play(script, usage, call.directives)
    message = chat_message(call, words, tool)
    body = {
        "id": f"chatcmpl-mock{call.number}",
        "object": "chat.completion",
        "created": CREATED_S,
        "model": call.model,
        "choices": [
            {"index": index, "message": message, "logprobs": None, "finish_reason": finish} for index in range(choices)
        ],
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    }
    encoded = encode_with_usage(body, report_openai(usage), call.directives.usage)
    return answer_plain(encoded, usage, words * choices, call.directives)


def chat_message(call: Call, words: int, tool: tuple[str, str] | None) -> dict[str, Any]:
    if tool is None:
        return {"role": "assistant", "content": "".join(say(words)), "refusal": None, "annotations": []}
    arguments = "".join(say_arguments(tool[1], words))
    function = {"name": tool[0], "arguments": arguments}
    calls = [{"id": f"call_mock{call.number}", "type": "function", "function": function}]
    return {"role": "assistant", "content": None, "refusal": None, "annotations": [], "tool_calls": calls}


def chat_chunk(call: Call, choices: list[dict[str, Any]], more: dict[str, Any] | None = None) -> bytes:
    chunk = {
        "id": f"chatcmpl-mock{call.number}",
        "object": "chat.completion.chunk",
        "created": CREATED_S,
        "model": call.model,
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
        "choices": choices,
        **(more or {}),
    }
    return b"data: " + orjson.dumps(chunk) + b"\n\n"


def script_chat(call: Call, words: int, choices: int, tool: tuple[str, str] | None, finish: str) -> Script:
    """The chunks of a chat stream; those without usage carry ``"usage":null`` when the caller asked for usage."""
    no_usage = {"usage": None} if wants_usage(call.payload) else None
    script = Script([], [], [], None, DONE, STREAM_ERROR)
    for index in range(choices):
        role: dict[str, Any] = {"role": "assistant", "content": "", "refusal": None}
        if tool is not None:
            function = {"name": tool[0], "arguments": ""}
            opened = {"index": 0, "id": f"call_mock{call.number}", "type": "function", "function": function}
            role = {"role": "assistant", "content": None, "tool_calls": [opened]}
        first = {"index": index, "delta": role, "logprobs": None, "finish_reason": None}
        script.opening.append(chat_chunk(call, [first], no_usage))
        # Encoded once, with a mark where the text belongs; words are put in by hand: the bulk of a load test.
        delta: dict[str, Any] = {"content": "@"}
        if tool is not None:
            delta = {"tool_calls": [{"index": 0, "function": {"arguments": "@"}}]}
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
        before, after = chat_chunk(call, [choice], no_usage).rsplit(b'"@"', 1)
        said = say(words) if tool is None else say_arguments(tool[1], words)
        events = [before + orjson.dumps(piece) + after for piece in said]
        # Arguments of no words are still a piece, but not a word.
        (script.words if words else script.opening).extend(events)
        last = {"index": index, "delta": {}, "logprobs": None, "finish_reason": finish}
        script.closing.append(chat_chunk(call, [last], no_usage))
    return script


def answer_completion(call: Call) -> Answer:
    """``POST /v1/completions``: one text, a list of texts or tokens; each prompt gets ``n`` answers."""
    prompts, input_tokens = read_prompts(call.payload.get("prompt"), "prompt")
    words, limited = call.words("max_tokens")
    choices = len(prompts) * read_choices(call.payload)
    usage = count_usage(input_tokens, words * choices, call.directives, ("cache_write_1h", "audio_in", "audio_out"))
    finish = "length" if limited else "stop"
    if call.stream:
        no_usage = {"usage": None} if wants_usage(call.payload) else None
        script = Script([], [], [], None, DONE, STREAM_ERROR)
        for index in range(choices):
            script.words += [
                completion_chunk(call, [text_choice(index, piece, None)], no_usage) for piece in say(words)
            ]
            script.closing.append(completion_chunk(call, [text_choice(index, "", finish)], no_usage))
        if wants_usage(call.payload):
            report = tell(report_openai(usage), call.directives.usage)
            script.usage = completion_chunk(call, [], None if report is None else {"usage": report})
        return play(script, usage, call.directives)
    text = "".join(say(words))
    body = completion_body(call, [text_choice(index, text, finish) for index in range(choices)])
    encoded = encode_with_usage(body, report_openai(usage), call.directives.usage)
    return answer_plain(encoded, usage, words * choices, call.directives)


def text_choice(index: int, text: str, finish: str | None) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": finish}


def completion_body(call: Call, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": f"cmpl-mock{call.number}",
        "object": "text_completion",
        "created": CREATED_S,
        "model": call.model,
        "choices": choices,
    }


def completion_chunk(call: Call, choices: list[dict[str, Any]], more: dict[str, Any] | None) -> bytes:
    return b"data: " + orjson.dumps({**completion_body(call, choices), **(more or {})}) + b"\n\n"


def read_prompts(prompt: Any, param: str) -> tuple[list[Any], int]:
    """The prompts in ``prompt`` and their input tokens: texts by the counting rule, token lists by their length."""
    if isinstance(prompt, str):
        return [prompt], count_input(Found(len(prompt.encode())))
    if isinstance(prompt, list) and prompt:
        if all(isinstance(item, str) for item in prompt):
            return prompt, count_input(Found(sum(len(item.encode()) for item in prompt)))
        if is_token_list(prompt):
            return [prompt], len(prompt)
        if all(isinstance(item, list) and item and is_token_list(item) for item in prompt):
            return prompt, sum(len(item) for item in prompt)
    raise Refusal(400, f"Missing or invalid parameter: '{param}'.", code="missing_required_parameter", param=param)


def is_token_list(items: list[Any]) -> bool:
    return all(isinstance(item, int) and not isinstance(item, bool) for item in items)


def answer_embeddings(call: Call) -> Answer:
    """``POST /v1/embeddings``.

    32 dimensions unless ``dimensions`` says otherwise; floats or base64 as the caller asks.
    """
    inputs, input_tokens = read_prompts(call.payload.get("input"), "input")
    dimensions = call.payload.get("dimensions", 32)
    if not isinstance(dimensions, int) or not 1 <= dimensions <= MAX_DIMENSIONS:
        raise Refusal(400, f"Invalid 'dimensions': expected an integer from 1 to {MAX_DIMENSIONS}.", param="dimensions")
    as_base64 = call.payload.get("encoding_format") == "base64"
    data: list[dict[str, Any]] = []
    for index, item in enumerate(inputs):
        vector = embed(item.encode() if isinstance(item, str) else orjson.dumps(item), dimensions)
        value: Any = base64.b64encode(vector.tobytes()).decode() if as_base64 else vector.tolist()
        data.append({"object": "embedding", "index": index, "embedding": value})
    unsupported = ("cached", "cache_write_5m", "cache_write_1h", "audio_in", "audio_out", "reasoning")
    usage = count_usage(input_tokens, 0, call.directives, unsupported)
    report = {"prompt_tokens": input_tokens, "total_tokens": input_tokens}
    encoded = encode_with_usage({"object": "list", "data": data, "model": call.model}, report, call.directives.usage)
    return answer_plain(encoded, usage, 0, call.directives)


def list_models() -> bytes:
    """``GET /v1/models`` as OpenAI answers it."""
    models = [{"id": name, "object": "model", "created": CREATED_S, "owned_by": "mock"} for name in PRICES]
    return orjson.dumps({"object": "list", "data": models})
