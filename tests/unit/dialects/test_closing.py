"""The events that end a stream early. That official clients take them for an end is in tests/wire/test_cut_streams.py."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fastgw._native.sse_split import SseSplitter, event_name, event_payload
from fastgw.dialects.closing import Cut, closing_events
from fastgw.domain.operation import Operation
from fastgw.domain.usage import Usage

CHAT = b'data: {"id":"c1","object":"chat.completion.chunk","created":5,"model":"m","choices":[]}\n\n'
RESPONSE = (
    b"event: response.created\n"
    b'data: {"type":"response.created","response":{"id":"r1","status":"in_progress","model":"m","output":[]}}\n\n'
)


def events(operation: Operation, opening: bytes = b"", **fields: Any) -> list[tuple[bytes, Any]]:
    cut = Cut(operation=operation, opening=opening, code="budget_exhausted", usage=Usage(7, 11), **fields)
    found = SseSplitter().feed(closing_events(cut))
    payloads = [(event_name(event), event_payload(event) or b"") for event in found]
    return [(name, payload if payload == b"[DONE]" else msgspec.json.decode(payload)) for name, payload in payloads]


def test_chat_ends_each_choice_by_its_length() -> None:
    (_, last), done = events("chat", CHAT + CHAT, choices=2)
    assert {name: last[name] for name in ("id", "object", "created", "model")} == {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 5,
        "model": "m",
    }
    assert [(each["index"], each["finish_reason"]) for each in last["choices"]] == [(0, "length"), (1, "length")]
    assert last["fastgw"] == {"code": "budget_exhausted"}
    assert done == (b"", b"[DONE]")


def test_usage_is_told_to_who_asked() -> None:
    _, (_, told), _ = events("chat", CHAT, tells_usage=True)
    assert told["choices"] == []
    assert told["usage"] == {"prompt_tokens": 7, "completion_tokens": 11, "total_tokens": 18}


def test_a_completion_ends_with_an_empty_text() -> None:
    (_, last), _ = events("complete", CHAT)
    assert last["choices"] == [{"index": 0, "text": "", "logprobs": None, "finish_reason": "length"}]


@pytest.mark.parametrize("open_block", [-1, 0, 3])
def test_a_message_ends_its_open_block_first(open_block: int) -> None:
    found = events("message", open_block=open_block)
    names = [name for name, _ in found]
    assert names == [b"content_block_stop"] * (open_block >= 0) + [b"message_delta", b"message_stop"]
    if open_block >= 0:
        assert found[0][1]["index"] == open_block
    assert found[-2][1]["delta"]["stop_reason"] == "max_tokens"
    assert found[-2][1]["usage"] == {"output_tokens": 11}


def test_a_response_is_incomplete() -> None:
    ((name, event),) = events("respond", RESPONSE)
    assert name == b"response.incomplete"
    response = event["response"]
    assert (response["id"], response["status"], response["model"]) == ("r1", "incomplete", "m")
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert response["usage"]["total_tokens"] == 18


@pytest.mark.parametrize("opening", [b"", b"data: [1]\n\n", b"data: nonsense\n\n", b": only a comment\n\n"])
@pytest.mark.parametrize("operation", ["chat", "complete", "respond", "message"])
def test_whatever_a_stream_began_with_it_ends(operation: Operation, opening: bytes) -> None:
    assert len(events(operation, opening)) >= 1
