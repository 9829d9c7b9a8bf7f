"""Errors on the wire, byte for byte, and what becomes of an answer that has begun."""

from __future__ import annotations

import orjson
import pytest

from fastgw.domain.errors import GatewayError
from fastgw.domain.operation import Dialect
from fastgw.front.respond import error_response, malformed_response
from tests.unit.gateway.playbook import EVENT, STREAM, Play, chunk, read_reply, stream_head


def test_an_error_byte_for_byte() -> None:
    error = GatewayError("invalid_model", "no model", status=400, source="client", param="model")
    body = b'{"error":{"message":"gateway: no model","type":"invalid_request_error","param":"model","code":"invalid_model"}}'
    assert (
        error_response(error, "openai", "r-1", keep_alive=True)
        == (
            b"HTTP/1.1 400 Bad Request\r\n"
            b"content-type: application/json\r\n"
            b"x-fastgw-refused-by: gateway\r\n"
            b"x-request-id: r-1\r\n"
            b"x-should-retry: false\r\n"
            b"content-length: %d\r\n\r\n" % len(body)
        )
        + body
    )


def headers_of(error: GatewayError, dialect: Dialect = "openai", *, keep_alive: bool = True) -> dict[str, str]:
    return read_reply(error_response(error, dialect, "", keep_alive=keep_alive), ended=True).headers


@pytest.mark.parametrize(
    ("after_ns", "seconds", "ms"),
    [(0, "0", "0"), (1, "1", "1"), (1_000_000_000, "1", "1000"), (1_000_000_001, "2", "1001")],
)
def test_when_to_come_again_is_rounded_up(after_ns: int, seconds: str, ms: str) -> None:
    error = GatewayError("rate", "slow down", status=429, source="policy", retry="after", retry_after_ns=after_ns)
    headers = headers_of(error)
    assert (headers["retry-after"], headers["retry-after-ms"]) == (seconds, ms)
    assert "x-should-retry" not in headers


def test_only_our_own_final_refusals_tell_clients_not_to_retry() -> None:
    assert headers_of(GatewayError("a", "a", status=403, source="policy"))["x-should-retry"] == "false"
    for error in (
        GatewayError("a", "a", status=500, source="upstream"),
        GatewayError("a", "a", status=502, source="upstream", retry="other_target"),
        GatewayError("a", "a", status=503, source="internal", retry="same_target"),
    ):
        assert "x-should-retry" not in headers_of(error)


def test_who_refused() -> None:
    assert headers_of(GatewayError("a", "a", status=502, source="upstream"))["x-fastgw-refused-by"] == "provider"
    assert headers_of(GatewayError("a", "a", status=500, source="internal"))["x-fastgw-refused-by"] == "gateway"


def test_an_answer_after_which_the_connection_closes_says_so() -> None:
    error = GatewayError("a", "a", status=400, source="client")
    assert headers_of(error, keep_alive=False)["connection"] == "close"
    assert "connection" not in headers_of(error)
    assert "x-request-id" not in headers_of(error)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_request"),
        (408, "request_timeout"),
        (413, "body_too_large"),
        (417, "unsupported_expectation"),
        (431, "head_too_large"),
        (503, "too_many_connections"),
    ],
)
def test_bytes_that_did_not_become_a_request(status: int, code: str) -> None:
    reply = read_reply(malformed_response(status, "odd bytes", b"\x00\xff"), ended=True)
    assert (reply.status, reply.error["code"], reply.whole) == (status, code, True)
    assert reply.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("received", "is_anthropic"),
    [
        (b"POST /v1/messages HTTP/1.1\r\n", True),
        (b"POST /v1/messages/count_tokens?x HTTP/9", True),
        (b"POST /v1/chat/completions HTTP/1.1\r\nx: /v1/messages", False),
        (b"/v1/messages", False),
        (b"", False),
    ],
)
def test_it_is_told_in_the_dialect_of_its_first_line(received: bytes, is_anthropic: bool) -> None:
    body = orjson.loads(read_reply(malformed_response(400, "odd", received), ended=True).body)
    assert ("type" in body) is is_anthropic


# --- answers that have begun ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [stream_head(), b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"])
def test_inside_an_answer(play: Play, stream: bytes) -> None:
    play.ask(STREAM)
    if b"event-stream" in stream:
        play.answer(stream, chunk(EVENT))
    else:
        play.answer(stream + b"content-length: 900000\r\n\r\n", b"x" * 400_000)
    play.up.transports[0].lose()
    assert not play.reply().whole
    assert (b"provider_connection_lost" in play.client.sent) is (b"event-stream" in stream)
    assert play.client.closing


def test_an_anthropic_stream_is_ended_in_its_own_words(play: Play) -> None:
    play.ask({"model": "claude/c", "max_tokens": 5, "stream": True, "messages": []}, path="/v1/messages")
    play.answer(stream_head(), chunk(b"event: ping\ndata: {}\n\n"), account="claude")
    play.accounts["claude"].transports[0].lose()
    assert b'event: error\ndata: {"type":"error","error":{"type":"api_error"' in play.reply().body
    assert not play.reply().whole


def test_nothing_is_written_to_who_has_gone(play: Play) -> None:
    play.ask()
    play.client.lose()
    assert play.client.sent == b""
    assert play.client.late_writes == []
