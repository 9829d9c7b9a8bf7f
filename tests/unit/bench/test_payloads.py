"""The bytes of the cases are what their names say, and valid in the vendor's shape."""

from __future__ import annotations

import json

import pytest

from bench.framing import MessageReader
from bench.payloads import (
    CASES,
    MODEL,
    plain_answer,
    request_body,
    request_prefix,
    request_suffix,
    select_cases,
    stream_events,
    stream_writes,
)


def test_cases_are_all_combinations() -> None:
    assert len(CASES) == len({case.name for case in CASES}) == 8
    assert {(case.request_bytes, case.streamed, case.tls) for case in CASES} == {
        (size, streamed, tls) for size in (1024, 20_480) for streamed in (False, True) for tls in (False, True)
    }


def test_select_cases() -> None:
    assert [case.name for case in select_cases("1k-plain-https, 1k-plain-*")] == ["1k-plain-https", "1k-plain-http"]
    assert len(select_cases("*")) == 8
    with pytest.raises(ValueError, match="2k"):
        select_cases("1k-*,2k")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_request_has_its_size(case: object) -> None:
    size, streamed = case.request_bytes, case.streamed  # type: ignore[attr-defined]  # parametrize gives objects
    body = request_body(size, streamed=streamed)
    assert len(body) == size
    document = json.loads(body)
    assert document["model"] == MODEL
    assert document.get("stream", False) is streamed
    assert (b'"stream":true' in body) is streamed
    assert b"\\n" in body
    assert not body.isascii()


def test_request_on_the_wire() -> None:
    body = request_body(1024, streamed=False)
    wire = request_prefix("localhost", "sk-1", body) + b"id-7" + request_suffix(body)
    (message,) = MessageReader().feed(wire)
    assert message.body == body
    assert b"\r\nx-request-id: id-7\r\n" in message.head
    assert b"\r\nAuthorization: Bearer sk-1\r\n" in message.head


@pytest.mark.parametrize("size", [1024, 20_480])
def test_plain_answer_has_its_size(size: int) -> None:
    (message,) = MessageReader().feed(plain_answer(size))
    assert len(message.body) == size
    assert json.loads(message.body)["usage"]["total_tokens"] == 430


def test_stream_is_32_writes_of_one_event() -> None:
    writes, events = stream_writes(), stream_events()
    assert len(writes) == len(events) == 32
    (message,) = MessageReader().feed(b"".join(writes))
    assert message.body == b"".join(events)
    assert events[-1] == b"data: [DONE]\n\n"
    assert json.loads(events[-2].removeprefix(b"data: "))["usage"]["completion_tokens"] == 180
    assert all(event.startswith(b"data: ") and event.endswith(b"\n\n") and event.count(b"\n") == 2 for event in events)
