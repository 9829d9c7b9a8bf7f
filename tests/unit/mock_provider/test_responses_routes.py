from __future__ import annotations

from typing import Any

import orjson
import pytest

from fastgw.mock_provider.refusal import Refusal
from fastgw.mock_provider.responses_routes import answer_response
from fastgw.mock_provider.text import say
from fastgw.mock_provider.usage import Usage
from tests.unit.mock_provider.talk import join, make_call

HELLO = {"model": "mock-small", "input": "hello there"}
WEATHER = {"type": "function", "name": "weather", "parameters": {"properties": {"city": {}}}}
ASKS_TOOL = {"model": "mock-small", "input": [{"role": "user", "content": "tool:weather"}], "tools": [WEATHER]}


def test_plain_response() -> None:
    answer = answer_response(make_call(HELLO, "cached=5,cache_write_5m=2,reasoning=4"))
    body = join(answer).json
    assert (body["object"], body["status"]) == ("response", "completed")
    assert body["output"][0]["content"][0]["text"] == "".join(say(16))
    assert (body["usage"]["input_tokens"], body["usage"]["output_tokens"]) == (3 + 5 + 2, 20)
    assert answer.usage == Usage(input=3, cached_input=5, cache_write_5m=2, output=20, reasoning=4)


def test_limit_makes_it_incomplete() -> None:
    body = join(answer_response(make_call({**HELLO, "max_output_tokens": 2}))).json
    assert (body["status"], body["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    events = join(answer_response(make_call({**HELLO, "max_output_tokens": 2, "stream": True}))).events
    assert events[-1]["type"] == "response.incomplete"


def test_stream_is_numbered_and_ends_with_the_plain_answer() -> None:
    answer = answer_response(make_call({**HELLO, "stream": True}))
    events = join(answer).events
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    kinds = [event["type"] for event in events]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[4:20] == ["response.output_text.delta"] * 16
    assert kinds[20:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert "".join(event["delta"] for event in events[4:20]) == events[20]["text"]
    assert events[-1]["response"] == join(answer_response(make_call(HELLO))).json
    assert b"event: response.created\ndata: " in join(answer).body


def test_usage_can_be_absent_at_the_end_of_a_stream() -> None:
    events = join(answer_response(make_call({**HELLO, "stream": True}, "usage=absent"))).events
    assert "usage" not in events[-1]["response"]


def test_function_call_plain_and_streamed_agree() -> None:
    (item,) = join(answer_response(make_call(ASKS_TOOL))).json["output"]
    assert (item["type"], item["name"], item["call_id"]) == ("function_call", "weather", "call_mock7")
    assert orjson.loads(item["arguments"]) == {"city": "".join(say(16))}
    events = join(answer_response(make_call({**ASKS_TOOL, "stream": True}))).events
    deltas = [event["delta"] for event in events if event["type"] == "response.function_call_arguments.delta"]
    assert "".join(deltas) == item["arguments"]
    assert events[-1]["response"]["output"] == [item]
    assert events[2]["item"]["arguments"] == ""


def test_function_call_of_no_words_counts_none() -> None:
    answer = answer_response(make_call({**ASKS_TOOL, "stream": True}, "words=0"))
    assert sum(words for _, words in answer.pieces) == answer.usage.output == 0
    assert join(answer).events[-1]["response"]["output"][0]["arguments"] == '{"city": ""}'


def test_error_event_takes_the_next_number() -> None:
    events = join(answer_response(make_call({**HELLO, "stream": True}, "words=4,error_event=1"))).events
    assert events[-1]["type"] == "error"
    assert [event["sequence_number"] for event in events] == list(range(4 + 2 + 1))


def test_every_text_of_the_input_counts() -> None:
    items: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "input_text", "text": "abcd"}, {"type": "input_image"}]},
        {"type": "function_call", "arguments": "not counted"},
        {"type": "function_call_output", "output": "efgh"},
    ]
    payload = {"model": "mock-small", "input": items, "instructions": "ijkl"}
    assert answer_response(make_call(payload)).usage.input == 3 + 85


@pytest.mark.parametrize("given", [None, "", [], 5, ["hello"]])
def test_bad_input_is_refused(given: Any) -> None:
    with pytest.raises(Refusal) as caught:
        answer_response(make_call({"model": "mock-small", "input": given}))
    assert (caught.value.status, caught.value.param) == (400, "input")


@pytest.mark.parametrize("asked", ["cache_write_1h=1", "audio_in=1", "audio_out=1"])
def test_units_it_does_not_report_are_refused(asked: str) -> None:
    with pytest.raises(Refusal, match="does not report"):
        answer_response(make_call(HELLO, asked))
