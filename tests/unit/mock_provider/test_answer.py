from __future__ import annotations

import orjson
import pytest

from fastgw.mock_provider.answer import SSE_TYPE, Script, answer_plain, play, spoil
from fastgw.mock_provider.faults import CLEAN, Directives, read_directives
from fastgw.mock_provider.refusal import Refusal
from fastgw.mock_provider.usage import Usage
from tests.unit.mock_provider.talk import make_call

USAGE = Usage(input=1, output=4)


def asked(text: str) -> Directives:
    return read_directives("m", text)[1]


def make_script(done: bytes | None = b"done") -> Script:
    return Script([b"open"], [b"w1", b"w2", b"w3", b"w4"], [b"close"], b"usage", done, b"error")


def order(script: Script, text: str = "") -> str:
    return " ".join(data.decode() for data, _ in play(script, USAGE, asked(text)).pieces)


def test_events_come_in_order_and_only_words_count() -> None:
    answer = play(make_script(), USAGE, CLEAN)
    assert order(make_script()) == "open w1 w2 w3 w4 close usage done"
    assert [words for _, words in answer.pieces] == [0, 1, 1, 1, 1, 0, 0, 0]
    assert (answer.streamed, answer.content_type, answer.usage) == (True, SSE_TYPE, USAGE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("usage=twice", "open w1 w2 w3 w4 close usage usage done"),
        ("usage=after_done", "open w1 w2 w3 w4 close done usage"),
        ("no_done=1", "open w1 w2 w3 w4 close usage"),
        ("error_event=1", "open w1 w2 error"),
    ],
)
def test_event_faults(text: str, expected: str) -> None:
    assert order(make_script(), text) == expected


def test_dialect_whose_last_event_has_the_usage() -> None:
    assert order(make_script(done=None)) == "open w1 w2 w3 w4 close usage"
    assert order(make_script(done=None), "no_done=1") == "open w1 w2 w3 w4 close"
    with pytest.raises(Refusal, match="nothing follows"):
        order(make_script(done=None), "usage=after_done")


def test_spoilt_event_is_the_middle_one_and_keeps_its_words() -> None:
    script = Script([], [b'data: {"a":1}\n\n', b'data: {"b":2}\n\n', b'data: {"c":3}\n\n'], [], None, None, b"")
    pieces = play(script, USAGE, asked("malformed=json")).pieces
    assert [data for data, _ in pieces] == [b'data: {"a":1}\n\n', b'data: {"b\n\n', b'data: {"c":3}\n\n']
    assert [words for _, words in pieces] == [1, 1, 1]


def test_spoilt_bytes_are_neither_json_nor_utf8() -> None:
    event = b'event: x\ndata: {"a":1}\n\n'
    broken = spoil(event, "json")
    assert broken.startswith(b"event: x\ndata: {")
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(broken.split(b"data: ")[1])
    with pytest.raises(UnicodeDecodeError):
        spoil(event, "event").decode()


def test_plain_answer_and_its_broken_half() -> None:
    assert answer_plain(b"123456", USAGE, 4, CLEAN).pieces == [(b"123456", 4)]
    assert answer_plain(b"123456", USAGE, 4, asked("malformed=json")).pieces == [(b"123", 4)]


@pytest.mark.parametrize("text", ["malformed=event", "error_event=1", "no_done=1"])
def test_stream_faults_are_refused_for_plain_answers(text: str) -> None:
    with pytest.raises(Refusal, match="for streams"):
        answer_plain(b"1", USAGE, 1, asked(text))


def test_words_are_bounded_by_the_first_limit_the_request_has() -> None:
    limits = ("max_completion_tokens", "max_tokens")
    assert make_call({}).words(*limits) == (16, False)
    assert make_call({"max_tokens": 5}).words(*limits) == (5, True)
    assert make_call({"max_tokens": 16}).words(*limits) == (16, False)
    assert make_call({"max_tokens": 5, "max_completion_tokens": 7}).words(*limits) == (7, True)
    assert make_call({"max_tokens": 5, "max_completion_tokens": None}).words(*limits) == (5, True)
    assert make_call({"max_tokens": 500}, "words=100").words(*limits) == (100, False)


@pytest.mark.parametrize("limit", [0, -1, "5", 1.5, True])
def test_limit_that_is_no_count_is_refused(limit: object) -> None:
    with pytest.raises(Refusal, match="max_tokens"):
        make_call({"max_tokens": limit}).words("max_tokens")


def test_stream_must_be_true_itself() -> None:
    assert make_call({"stream": True}).stream
    assert not make_call({"stream": 1}).stream
    assert not make_call({}).stream
