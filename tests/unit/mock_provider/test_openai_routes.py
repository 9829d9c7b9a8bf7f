from __future__ import annotations

import base64
import struct
from typing import Any

import orjson
import pytest

from fastgw.mock_provider.openai_routes import answer_chat, answer_completion, answer_embeddings, list_models
from fastgw.mock_provider.refusal import Refusal
from fastgw.mock_provider.text import say
from fastgw.mock_provider.usage import Usage
from tests.unit.mock_provider.talk import HELLO, join, make_call

WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"properties": {"city": {}}}}}
ASKS_TOOL = {**HELLO, "messages": [{"role": "user", "content": "tool:weather please"}], "tools": [WEATHER]}
WITH_USAGE = {"stream": True, "stream_options": {"include_usage": True}}


def test_plain_chat() -> None:
    answer = answer_chat(make_call({**HELLO, "max_tokens": 3}))
    body = join(answer).json
    assert body["object"] == "chat.completion"
    assert body["model"] == "mock-small"
    assert body["choices"][0]["message"] == {
        "role": "assistant",
        "content": "the river keeps",
        "refusal": None,
        "annotations": [],
    }
    assert body["choices"][0]["finish_reason"] == "length"
    assert (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]) == (3, 3)
    assert answer.usage == Usage(input=3, output=3)


def test_stream_says_what_the_plain_answer_says() -> None:
    events = join(answer_chat(make_call({**HELLO, "stream": True}))).events
    deltas = [event["choices"][0]["delta"] for event in events[:-1]]
    assert deltas[0] == {"role": "assistant", "content": "", "refusal": None}
    assert "".join(delta.get("content", "") for delta in deltas) == "".join(say(16))
    assert [event["choices"][0]["finish_reason"] for event in events[:-1]] == [None] * 17 + ["stop"]
    assert events[-1] == "[DONE]"
    assert not any("usage" in event for event in events[:-1])


def test_usage_chunk_only_when_asked_and_null_before() -> None:
    events = join(answer_chat(make_call({**HELLO, **WITH_USAGE, "max_tokens": 2}))).events
    assert [event["usage"] for event in events[:-2]] == [None] * 4
    assert events[-2]["choices"] == []
    assert events[-2]["usage"]["total_tokens"] == 5
    assert events[-1] == "[DONE]"


def test_stream_with_absent_usage_has_a_chunk_without_it() -> None:
    events = join(answer_chat(make_call({**HELLO, **WITH_USAGE}, "usage=absent"))).events
    assert "usage" not in events[-2]


def test_tool_call_plain_and_streamed_agree() -> None:
    message = join(answer_chat(make_call(ASKS_TOOL))).json["choices"][0]
    assert message["finish_reason"] == "tool_calls"
    assert message["message"]["content"] is None
    (call,) = message["message"]["tool_calls"]
    assert (call["id"], call["type"], call["function"]["name"]) == ("call_mock7", "function", "weather")
    assert orjson.loads(call["function"]["arguments"]) == {"city": "".join(say(16))}
    events = join(answer_chat(make_call({**ASKS_TOOL, "stream": True}))).events[:-1]
    parts = [event["choices"][0]["delta"]["tool_calls"][0] for event in events[:-1]]
    assert parts[0]["function"]["name"] == "weather"
    assert "".join(part["function"]["arguments"] for part in parts) == call["function"]["arguments"]
    assert events[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_tool_call_of_no_words_is_whole_json_and_no_word() -> None:
    answer = answer_chat(make_call({**ASKS_TOOL, "stream": True}, "words=0"))
    parts = [event["choices"][0]["delta"].get("tool_calls") for event in join(answer).events[:-1]]
    assert "".join(part[0]["function"]["arguments"] for part in parts if part) == '{"city": ""}'
    assert sum(words for _, words in answer.pieces) == answer.usage.output == 0


def test_every_choice_is_said_and_billed() -> None:
    assert [one["index"] for one in join(answer_chat(make_call({**HELLO, "n": 3}))).json["choices"]] == [0, 1, 2]
    streamed = answer_chat(make_call({**HELLO, "n": 3, "stream": True}))
    said = dict.fromkeys(range(3), "")
    for event in join(streamed).events[:-1]:
        said[event["choices"][0]["index"]] += event["choices"][0]["delta"].get("content", "")
    assert list(said.values()) == ["".join(say(16))] * 3
    assert streamed.usage.output == sum(words for _, words in streamed.pieces) == 48


def test_images_and_system_text_count() -> None:
    parts = [{"type": "text", "text": "abcd"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]
    messages = [{"role": "system", "content": "12345678"}, {"role": "user", "content": parts}]
    assert answer_chat(make_call({**HELLO, "messages": messages})).usage.input == 3 + 85


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": ["hello"]}, "messages"),
        ({"n": 0}, "n"),
        ({"n": 17}, "n"),
        ({"n": "2"}, "n"),
    ],
)
def test_bad_chat_is_refused(change: dict[str, Any], param: str) -> None:
    with pytest.raises(Refusal) as caught:
        answer_chat(make_call({**HELLO, **change}))
    assert (caught.value.status, caught.value.param) == (400, param)


def test_chat_reports_no_hour_long_cache_writes() -> None:
    with pytest.raises(Refusal, match="cache_write_1h"):
        answer_chat(make_call(HELLO, "cache_write_1h=1"))


@pytest.mark.parametrize(
    ("prompt", "count", "tokens"),
    [("hello", 1, 2), (["ab", "cdef"], 2, 2), ([1, 2, 3], 1, 3), ([[1, 2], [3]], 2, 3)],
)
def test_prompts_of_every_kind(prompt: Any, count: int, tokens: int) -> None:
    payload = {"model": "mock-small", "prompt": prompt, "max_tokens": 2}
    answer = answer_completion(make_call({**payload, "n": 2}))
    body = join(answer).json
    assert [(one["index"], one["text"], one["finish_reason"]) for one in body["choices"]] == [
        (index, "the river", "length") for index in range(2 * count)
    ]
    assert answer.usage == Usage(input=tokens, output=4 * count)
    events = join(answer_completion(make_call({**payload, **WITH_USAGE}))).events
    assert "".join(one["text"] for event in events[:-2] for one in event["choices"]) == "the river" * count
    assert events[-2]["usage"]["completion_tokens"] == 2 * count
    assert events[0]["usage"] is None


@pytest.mark.parametrize("prompt", [None, [], [1, "a"], ["a", 1], [[1], []], [True], {}])
def test_bad_prompt_is_refused(prompt: Any) -> None:
    with pytest.raises(Refusal) as caught:
        answer_completion(make_call({"model": "mock-small", "prompt": prompt}))
    assert caught.value.param == "prompt"


def test_embeddings_as_floats_and_base64_are_the_same() -> None:
    payload = {"model": "mock-embed", "input": ["one", "two"], "dimensions": 8}
    answer = answer_embeddings(make_call(payload))
    floats = join(answer).json
    packed = join(answer_embeddings(make_call({**payload, "encoding_format": "base64"}))).json
    for plain, text in zip(floats["data"], packed["data"], strict=True):
        assert list(struct.unpack("<8f", base64.b64decode(text["embedding"]))) == pytest.approx(plain["embedding"])
    assert floats["data"][0]["embedding"] != floats["data"][1]["embedding"]
    assert floats["usage"] == {"prompt_tokens": 2, "total_tokens": 2}
    assert answer.usage == Usage(input=2)


def test_embeddings_of_token_lists() -> None:
    one = join(answer_embeddings(make_call({"model": "mock-embed", "input": [1, 2, 3]}))).json
    two = join(answer_embeddings(make_call({"model": "mock-embed", "input": [[1, 2, 3], [4]]}))).json
    assert (len(one["data"]), len(two["data"])) == (1, 2)
    assert one["data"][0] == two["data"][0]
    assert len(one["data"][0]["embedding"]) == 32


@pytest.mark.parametrize("dimensions", [0, 4097, "8"])
def test_bad_dimensions_are_refused(dimensions: Any) -> None:
    with pytest.raises(Refusal, match="dimensions"):
        answer_embeddings(make_call({"model": "mock-embed", "input": "a", "dimensions": dimensions}))


def test_model_list() -> None:
    assert [model["id"] for model in orjson.loads(list_models())["data"]] == ["mock-small", "mock-large", "mock-embed"]
