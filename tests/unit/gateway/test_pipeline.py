"""The order of the phases, seen from outside: who is let in, who gets a row, and what a bug or a lost client leaves behind."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from fastgw.gateway import metering, pipeline
from fastgw.gateway.context import Call
from tests.unit.gateway.playbook import (
    ANSWER,
    APP_KEY,
    CHAT,
    COST_NANO_USD,
    EVENT,
    NARROW_KEY,
    STREAM,
    USAGE_EVENT,
    Play,
    chunk,
    plain,
    request,
    stream_head,
)


def break_down(*_: Any) -> NoReturn:
    raise RuntimeError("bug at /secret/path")


# --- who is let in ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "missing_key"),
        ({"authorization": "Bearer nobody-0123456789"}, "unknown_key"),
        ({"authorization": f"Basic {APP_KEY}"}, "invalid_authorization"),
        ({"authorization": f"Bearer {APP_KEY}", "x-api-key": NARROW_KEY}, "ambiguous_credentials"),
    ],
)
def test_a_stranger_is_counted_but_has_no_row(play: Play, headers: dict[str, str], code: str) -> None:
    play.ask(key="", headers=headers)
    assert (play.reply().status, play.reply().error["code"]) == (401, code)
    assert play.counts == [code]
    assert (play.books.opened_rows, play.books.rows, play.up.requests) == ([], [], [])


@pytest.mark.parametrize("name", ["x-api-key", "x-goog-api-key", "api-key"])
def test_the_other_places_for_a_key(play: Play, name: str) -> None:
    play.ask(key="", headers={name: APP_KEY})
    play.answer(plain())
    assert (play.row.key, play.row.status) == ("app", 200)
    assert APP_KEY.encode() not in b"".join(play.up.requests)


def test_a_stranger_is_refused_before_the_body_is_there(play: Play) -> None:
    play.client.receive(request(CHAT, key="")[:-5])
    assert play.reply().status == 401
    assert play.client.closing or play.client.eof_written


def test_a_known_caller_that_is_refused_has_a_row_of_nothing_used(play: Play) -> None:
    play.ask({"model": "gpt", "stream": 1})
    assert (play.reply().status, play.reply().error["param"]) == (400, "stream")
    assert play.reply().headers["x-should-retry"] == "false"
    row = play.row
    assert (row.key, row.user, row.team, row.metadata) == (
        "app",
        "ada",
        "web",
        {"team_tag": "t", "application": "shop"},
    )
    assert (row.status, row.error_code, row.outcome, row.usage_source) == (400, "invalid_stream", "settled", "none")
    assert (row.cost_nano_usd, row.input_tokens, row.alias, row.provider, row.attempts) == (0, 0, "", "", 0)
    assert (row.dialect, row.operation) == ("openai", "chat")
    assert play.books.opened_rows == []
    assert play.counts == ["invalid_stream"]


# --- request ids ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mine", ["a", "trace-0123/xyz:{}", "x" * 128])
def test_a_callers_own_request_id_is_kept(play: Play, mine: str) -> None:
    play.ask(headers={"x-request-id": mine})
    play.answer(plain())
    assert play.row.request_id == play.reply().headers["x-request-id"] == mine
    assert play.up.requests[0].count(b"x-request-id: ") == 1
    assert b"x-request-id: %b\r\n" % mine.encode() in play.up.requests[0]


@pytest.mark.parametrize("odd", ["", "x" * 129, "a b", "a\tb", "é"])
def test_an_odd_request_id_is_replaced_by_ours(play: Play, odd: str) -> None:
    play.ask(headers={"x-request-id": odd})
    play.answer(plain())
    assert play.row.request_id == f"fgw_{play.row.id:016x}"
    assert play.reply().headers["x-request-id"] == play.row.request_id


def test_ids_rise(play: Play) -> None:
    for _ in range(3):
        play.ask()
        play.answer(plain())
    ids = [row.id for row in play.books.rows]
    assert ids == sorted(set(ids))
    assert len(ids) == 3


# --- calls one after the other, and at once -------------------------------------------------------------------------------------


def test_one_connection_serves_many_calls(play: Play) -> None:
    for _ in range(3):
        play.ask()
        play.answer(plain())
    assert play.client.sent.count(ANSWER) == 3
    assert len(play.up.transports) == 1
    assert play.comes_to_rest()


def test_a_body_in_pieces_is_waited_for(play: Play) -> None:
    data = request(CHAT)
    play.client.receive(data[:-20], data[-20:-1])
    assert play.up.requests == []
    play.client.receive(data[-1:])
    play.answer(plain())
    assert play.reply().body == ANSWER


def test_a_call_keeps_the_configuration_it_began_with(play: Play) -> None:
    data = request(CHAT)
    play.client.receive(data[:-1])
    play.pipeline.snapshot = None  # type: ignore[assignment]  # whoever looks at the new one fails
    play.client.receive(data[-1:])
    play.answer(plain())
    assert play.row.status == 200


# --- clients that go --------------------------------------------------------------------------------------------------------


def test_gone_before_the_body_is_there(play: Play) -> None:
    play.client.receive(request(CHAT)[:-1])
    play.client.lose()
    assert (play.row.status, play.row.error_code, play.row.cost_nano_usd) == (499, "client_gone", 0)
    assert play.up.requests == []
    assert play.counts == ["client_gone"]


def test_gone_while_the_provider_works_costs_the_prompt(play: Play) -> None:
    play.ask()
    play.client.lose()
    opened = play.books.opened_rows[0]
    assert (play.row.status, play.row.usage_source) == (499, "estimated")
    assert (play.row.input_tokens, play.row.output_tokens) == (opened.input_tokens, 0)
    assert play.row.cost_nano_usd == opened.input_tokens * 1000
    assert play.up.transports[0].closing, "the provider is told to stop"


def test_gone_inside_the_answer(play: Play) -> None:
    play.ask(STREAM)
    play.answer(stream_head(), chunk(EVENT))
    play.client.lose()
    assert (play.row.status, play.row.error_code, play.row.usage_source) == (499, "client_gone", "estimated")
    assert play.row.output_tokens > 0
    assert play.up.transports[0].closing


def test_gone_after_the_answer(play: Play) -> None:
    play.ask()
    play.answer(plain())
    play.client.lose()
    assert (play.row.status, play.row.cost_nano_usd) == (200, COST_NANO_USD)
    assert play.counts == []
    assert play.up.pool.idle == 1


# --- bodies and deadlines of the client ----------------------------------------------------------------------------------------


def test_a_body_that_does_not_come(play: Play) -> None:
    play.client.receive(request(CHAT)[:-1])
    play.door.wait(25)
    assert (play.reply().status, play.reply().error["code"]) == (408, "request_timeout")
    assert (play.row.status, play.row.error_code) == (408, "request_timeout")


def test_a_body_that_ends_early(play: Play) -> None:
    play.client.receive(request(CHAT)[:-1])
    play.client.end()
    assert (play.row.status, play.row.error_code) == (400, "invalid_request")
    assert play.reply().error["message"].startswith("gateway: ")


def test_a_body_that_is_too_large(play: Play) -> None:
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {APP_KEY}\r\n"
    play.client.receive(head.encode() + b"transfer-encoding: chunked\r\n\r\n", *[chunk(b" " * (1 << 20))] * 5)
    assert (play.reply().status, play.reply().error["code"]) == (413, "body_too_large")
    assert play.row.error_code == "body_too_large"


# --- bugs -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["decide", "call_provider", "relay_at_once", "relay"])
def test_a_bug_in_a_phase_is_a_500(
    play: Play, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, phase: str
) -> None:
    monkeypatch.setattr(pipeline, phase, break_down)
    with caplog.at_level(logging.ERROR, "fastgw.gateway"):
        play.ask(headers={"x-request-id": "case-7"})
        if play.up.transports:
            play.answer(plain()[:-1], plain()[-1:])
    reply = play.reply()
    assert (reply.status, reply.error["code"], reply.whole) == (500, "internal_error", True)
    assert "case-7" in reply.error["message"]
    assert b"secret" not in play.client.sent
    assert (play.row.status, play.row.error_code) == (500, "internal_error")
    assert "call case-7 failed" in caplog.text
    assert play.counts == ["internal_error"]
    assert play.comes_to_rest()


def test_a_bug_inside_a_stream_breaks_it_off(
    play: Play, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    play.ask(STREAM)
    play.answer(stream_head(), chunk(EVENT))
    monkeypatch.setattr(metering, "read_openai_chat", break_down)
    with caplog.at_level(logging.CRITICAL):
        play.answer(chunk(USAGE_EVENT))
    assert not play.reply().whole
    assert b'"code":"internal_error"' in play.reply().body
    assert (play.row.status, play.row.usage_source) == (500, "estimated")
    assert play.comes_to_rest()


def test_another_call_is_served_after_a_bug(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    play.up.refuses = RuntimeError("bug")
    with caplog.at_level(logging.CRITICAL):
        play.ask()
    play.up.refuses = None
    play.connect()
    play.ask()
    play.answer(plain())
    assert (play.reply().status, [row.status for row in play.books.rows]) == (200, [500, 200])


@pytest.mark.parametrize(
    "end",
    [
        lambda play: play.answer(plain()),
        lambda play: play.answer(plain(b"x")),
        lambda play: play.client.lose(),
        lambda play: play.up.transports[0].lose(),
        lambda play: play.door.wait(200),
    ],
)
def test_the_providers_connection_is_given_back_or_closed(
    play: Play, calls: list[Call], end: Callable[[Play], None]
) -> None:
    play.ask()
    end(play)
    assert calls[0].settled
    transport = play.up.transports[0]
    assert play.up.pool.idle == (1 if transport.is_open else 0)
    transport.settle()
    assert play.up.pool.open == play.up.pool.idle
