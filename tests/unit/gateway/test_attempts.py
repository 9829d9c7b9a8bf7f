"""The call to the provider: the bytes of its request, and the one replacement of a connection that was dead before it."""

from __future__ import annotations

import pytest

from fastgw._native.http_write import INLINE_BODY_BYTES
from fastgw._native.lane import Wait
from tests.unit.gateway.playbook import (
    ANSWER,
    CHAT,
    COST_NANO_USD,
    STREAM,
    UPSTREAM_KEY,
    Play,
    busy,
    chunk,
    plain,
    stream_head,
)

MESSAGE = {"model": "claude/c", "max_tokens": 9, "messages": []}


def warm(play: Play) -> None:
    """One good call, after which its connection waits in the pool."""
    play.ask()
    play.answer(plain())
    play.books.rows.clear()
    play.books.opened_rows.clear()
    play.connect()


def test_the_request_byte_for_byte(play: Play) -> None:
    play.ask(b'{"model":"gpt"}', headers={"x-request-id": "r1", "x-custom": "kept", "user-agent": "me"})
    (sent,) = play.up.requests
    assert sent == (
        b"POST /v1/chat/completions HTTP/1.1\r\n"
        b"host: up.test\r\n"
        b"accept-encoding: identity\r\n"
        b"authorization: Bearer " + UPSTREAM_KEY.encode() + b"\r\n"
        b"x-request-id: r1\r\n"
        b"x-custom: kept\r\n"
        b"user-agent: me\r\n"
        b"content-length: 20\r\n\r\n"
        b'{"model":"gpt-real"}'
    )


@pytest.mark.parametrize(
    "name",
    [
        "cookie",
        "x-api-key",
        "accept-encoding",
        "x-fastgw-user",
        "x-fastgw-anything",
        "x-tfy-metadata",
        "x-forwarded-for",
        "openai-organization",
        "te",
    ],
)
def test_what_is_not_the_providers_business_stays_here(play: Play, name: str) -> None:
    value = {"x-tfy-metadata": '{"a":"zebra"}', "x-api-key": "app-secret-0123456789abcdef"}.get(name, "zebra")
    play.ask(headers={name: value})
    (sent,) = play.up.requests
    assert b"zebra" not in sent
    assert sent.count(b"app-secret") == 0


def test_the_query_goes_along(play: Play) -> None:
    play.ask(path="/v1/chat/completions?beta=true&x=%20")
    assert play.up.requests[0].startswith(b"POST /v1/chat/completions?beta=true&x=%20 HTTP/1.1\r\n")


@pytest.mark.parametrize(("headers", "version"), [({}, b"2023-06-01"), ({"Anthropic-Version": "2099"}, b"2099")])
def test_default_headers_give_way_to_the_clients(play: Play, headers: dict[str, str], version: bytes) -> None:
    play.ask(MESSAGE, path="/v1/messages", headers=headers)
    (sent,) = play.accounts["claude"].requests
    assert sent.lower().count(b"anthropic-version") == 1
    assert b"nthropic-" in sent
    assert b"ersion: " + version + b"\r\n" in sent
    assert b"\r\nx-api-key: " + UPSTREAM_KEY.encode() in sent


@pytest.mark.parametrize("extra", [0, 1])
def test_a_large_body_is_written_apart(play: Play, extra: int) -> None:
    # The model's name does not change in length here, so the bound can be met exactly.
    body = b'{"model":"up/a","x":"%b"}'
    body %= b"y" * (INLINE_BODY_BYTES + len("up/") + extra - len(body % b""))
    play.ask(body)
    writes = play.up.transports[0].writes
    forwarded = body.replace(b"up/a", b"a")
    assert len(forwarded) == INLINE_BODY_BYTES + extra
    assert len(writes) == 1 + extra
    assert b"".join(writes).endswith(b"\r\ncontent-length: %d\r\n\r\n" % len(forwarded) + forwarded)


# --- connections ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["ends", "is lost"])
def test_a_pooled_connection_found_dead_is_replaced_once(play: Play, how: str) -> None:
    warm(play)
    play.ask()
    old = play.up.transports[0]
    assert old.sent.count(b"POST ") == 2, "the pooled one is tried first"
    if how == "ends":
        old.end()
    else:
        old.lose()
    assert len(play.up.transports) == 2
    assert play.up.requests[1] == old.writes[1]
    play.answer(plain())
    assert play.reply().body == ANSWER
    assert (play.row.cost_nano_usd, play.row.attempts) == (COST_NANO_USD, 1)


def test_the_replacement_is_not_replaced(play: Play) -> None:
    warm(play)
    play.ask()
    play.up.transports[0].lose()
    play.up.transports[1].lose()
    assert len(play.up.transports) == 2
    assert (play.reply().status, play.reply().error["code"]) == (502, "provider_connection_lost")


def test_a_fresh_connection_that_dies_is_not_replaced(play: Play) -> None:
    play.ask()
    play.up.transports[0].lose()
    assert len(play.up.transports) == 1
    assert (play.reply().status, play.row.status, play.row.cost_nano_usd) == (502, 502, 0)


@pytest.mark.parametrize("byte", [b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", plain()[:-1]])
def test_never_after_a_byte(play: Play, byte: bytes) -> None:
    warm(play)
    play.ask()
    play.up.transports[0].receive(byte)
    play.up.transports[0].lose()
    assert len(play.up.transports) == 1
    assert (play.reply().status, play.row.error_code) == (502, "provider_connection_lost")


def test_a_pooled_connection_that_is_only_silent_is_not_replaced(play: Play) -> None:
    warm(play)
    play.ask()
    play.door.wait(11)
    assert len(play.up.transports) == 1
    assert (play.reply().status, play.row.error_code) == (504, "provider_timeout")


def test_no_replacement_can_be_had(play: Play) -> None:
    warm(play)
    play.up.refuses = busy()
    play.ask()
    play.up.transports[0].lose()
    assert (play.reply().status, play.reply().error["code"]) == (503, "provider_busy")
    assert play.row.error_code == "provider_busy"


def test_the_client_leaves_while_a_connection_is_opened(play: Play) -> None:
    play.up.opening = Wait()
    play.ask()
    play.client.lose()
    assert (play.row.status, play.row.error_code) == (499, "client_gone")
    assert play.up.transports == []


def test_interim_answers_are_not_the_answer(play: Play) -> None:
    play.ask()
    play.answer(b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", plain())
    assert play.reply().body == ANSWER


def test_a_connection_is_kept_after_a_stream_and_closed_when_it_asks_to(play: Play) -> None:
    play.ask(STREAM)
    play.answer(stream_head(), chunk(b"data: [DONE]\n\n"), b"0\r\n\r\n")
    assert play.up.pool.idle == 1
    play.ask(CHAT)
    play.answer(plain(lines=b"connection: close\r\n"))
    assert play.up.pool.idle == 0
