from __future__ import annotations

from typing import Any

import orjson
import pytest

from fastgw.mock_provider.anthropic_routes import answer_message, answer_token_count, list_models
from fastgw.mock_provider.refusal import Refusal
from fastgw.mock_provider.text import say
from fastgw.mock_provider.usage import NOTHING, Usage
from tests.unit.mock_provider.talk import join, make_call

HELLO = {"model": "mock-small", "max_tokens": 100, "messages": [{"role": "user", "content": "hello there"}]}
WEATHER = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {}}}}
ASKS_TOOL = {**HELLO, "messages": [{"role": "user", "content": "tool:weather"}], "tools": [WEATHER]}


def test_plain_message() -> None:
    answer = answer_message(make_call(HELLO, "cached=5,cache_write_5m=2,cache_write_1h=1,reasoning=4"))
    body = join(answer).json
    assert body["content"] == [{"type": "text", "text": "".join(say(16))}]
    assert (body["type"], body["role"], body["stop_reason"]) == ("message", "assistant", "end_turn")
    assert (body["usage"]["input_tokens"], body["usage"]["output_tokens"]) == (3, 20)
    assert answer.usage == Usage(input=3, cached_input=5, cache_write_5m=2, cache_write_1h=1, output=20, reasoning=4)


def test_limit_is_the_stop_reason() -> None:
    assert join(answer_message(make_call({**HELLO, "max_tokens": 3}))).json["stop_reason"] == "max_tokens"


def test_stream_says_what_the_plain_answer_says() -> None:
    answer = answer_message(make_call({**HELLO, "stream": True, "max_tokens": 3}, "cached=9"))
    events = join(answer).events
    assert [event["type"] for event in events] == [
        "message_start",
        "content_block_start",
        "ping",
        *["content_block_delta"] * 3,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert events[0]["message"]["usage"]["input_tokens"] == 3
    assert events[0]["message"]["usage"]["cache_read_input_tokens"] == 9
    assert events[0]["message"]["usage"]["output_tokens"] == 1
    assert "".join(event["delta"]["text"] for event in events[3:6]) == "the river keeps"
    assert events[-2]["delta"] == {"stop_reason": "max_tokens", "stop_sequence": None}
    assert events[-2]["usage"]["output_tokens"] == 3
    names = [line[7:] for line in join(answer).body.decode().split("\n") if line.startswith("event: ")]
    assert names == [event["type"] for event in events]


def test_tool_use_plain_and_streamed_agree() -> None:
    body = join(answer_message(make_call(ASKS_TOOL))).json
    block = {"type": "tool_use", "id": "toolu_mock7", "name": "weather", "input": {"city": "".join(say(16))}}
    assert (body["content"], body["stop_reason"]) == ([block], "tool_use")
    events = join(answer_message(make_call({**ASKS_TOOL, "stream": True}))).events
    assert events[1]["content_block"] == {**block, "input": {}}
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    assert {delta["type"] for delta in deltas} == {"input_json_delta"}
    assert orjson.loads("".join(delta["partial_json"] for delta in deltas)) == block["input"]


def test_tool_use_of_no_words_counts_none() -> None:
    answer = answer_message(make_call({**ASKS_TOOL, "stream": True}, "words=0"))
    assert sum(words for _, words in answer.pieces) == answer.usage.output == 0
    deltas = [event["delta"] for event in join(answer).events if event["type"] == "content_block_delta"]
    assert deltas == [{"type": "input_json_delta", "partial_json": '{"city": ""}'}]


def test_usage_lies_in_both_places() -> None:
    absent = join(answer_message(make_call({**HELLO, "stream": True}, "usage=absent"))).events
    assert "usage" not in absent[0]["message"]
    assert "usage" not in absent[-2]
    late = join(answer_message(make_call({**HELLO, "stream": True}, "usage=after_done"))).events
    assert "usage" not in late[0]["message"]
    assert [event["type"] for event in late[-2:]] == ["message_stop", "message_delta"]
    text = join(answer_message(make_call({**HELLO, "stream": True}, "usage=string"))).events
    assert (text[0]["message"]["usage"]["input_tokens"], text[-2]["usage"]["output_tokens"]) == ("3", "16")


def test_error_event_has_the_vendors_shape() -> None:
    events = join(answer_message(make_call({**HELLO, "stream": True}, "error_event=1"))).events
    assert events[-1]["error"]["type"] == "overloaded_error"


def test_every_text_counts_and_counting_is_free() -> None:
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": "abcd"},
        {"type": "image", "source": {}},
        {"type": "tool_result", "content": [{"type": "text", "text": "efgh"}]},
    ]
    payload = {"model": "mock-small", "system": [{"type": "text", "text": "ijkl"}]}
    payload["messages"] = [{"role": "user", "content": parts}]
    answer = answer_token_count(make_call(payload))
    assert join(answer).json == {"input_tokens": 3 + 85}
    assert answer.usage is NOTHING


@pytest.mark.parametrize(
    "change", [{"messages": None}, {"messages": []}, {"messages": [1]}, {"max_tokens": 0}, {"max_tokens": None}]
)
def test_bad_message_is_refused(change: dict[str, Any]) -> None:
    payload = {name: value for name, value in {**HELLO, **change}.items() if value is not None}
    with pytest.raises(Refusal) as caught:
        answer_message(make_call(payload))
    assert caught.value.status == 400


def test_audio_is_refused() -> None:
    with pytest.raises(Refusal, match="audio_out"):
        answer_message(make_call(HELLO, "audio_out=1"))


def test_model_list() -> None:
    page = orjson.loads(list_models())
    assert [model["id"] for model in page["data"]] == ["mock-small", "mock-large", "mock-embed"]
    assert (page["first_id"], page["last_id"], page["has_more"]) == ("mock-small", "mock-embed", False)
