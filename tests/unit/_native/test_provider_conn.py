"""The provider connection, every state against every event: bytes in, effects expected."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from fastgw._native.errors import ConnectionLost, HttpLimitError, HttpSyntaxError
from tests.model.sides import HTTP_OK as OK
from tests.model.sides import PLAIN_ANSWER as PLAIN
from tests.model.sides import Provider
from tests.model.transport import SECOND

CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSE = OK + b"Server: x\r\n\r\n"
READ_BYTES = 65536


# --- one answer ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "payload", "reusable"),
    [
        (PLAIN, b"hello", True),
        (CHUNKED + b"2\r\nhe\r\n3\r\nllo\r\n0\r\nVary: a\r\n\r\n", b"hello", True),
        (OK + b"Content-Length: 0\r\n\r\n", b"", True),
        (b"HTTP/1.1 204 None\r\n\r\n", b"", True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: a\r\n\r\n" + PLAIN, b"hello", True),
        (OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello", b"hello", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", False),
        (PLAIN + b"H", b"hello", False),
        (PLAIN + PLAIN, b"hello", False),
    ],
)
def test_any_split_gives_the_same_answer(text: bytes, payload: bytes, reusable: bool) -> None:
    status = int(text.rpartition(b"HTTP/1.")[2][2:5]) if text != PLAIN + b"H" else 200
    for cut in range(len(text)):
        for asks_first in (True, False):
            provider = Provider()
            provider.send()
            if asks_first:
                provider.all()
            provider.transport.receive(text[:cut], text[cut:])
            if not asks_first:
                provider.all()
            assert provider.got[0] == status
            assert provider.payload == payload, cut
            assert provider.got[-1] is None
            provider.conn.release()
            assert provider.pool.idle == reusable
            assert provider.transport.aborted is not reusable
            assert provider.freed == reusable


@pytest.mark.parametrize("text", [PLAIN, CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"])
def test_byte_by_byte(text: bytes) -> None:
    provider = Provider()
    provider.send(b"the body")
    assert provider.transport.writes == [b"request;", b"the body"]
    provider.all()
    for at in range(len(text)):
        provider.transport.receive(text[at : at + 1])
    assert provider.got == [200, b"h", b"e", b"l", b"l", b"o", None]


def test_until_the_connection_ends() -> None:
    for asks_first in (True, False):
        provider = Provider()
        provider.send(total_s=20)
        if asks_first:
            provider.all()
        provider.transport.receive(UNTIL_CLOSE + b"he", b"llo")
        provider.transport.end()
        provider.wait(30)
        if not asks_first:
            provider.all()
        provider.transport.settle()
        assert provider.payload == b"hello"
        assert provider.got[-1] is None, "what came whole stays whole, however late it is asked for"
        provider.conn.release()
        assert provider.pool.idle == provider.pool.open == provider.wheel.listed == 0


def test_lost_without_an_end_is_no_end() -> None:
    # TLS without close_notify, or a transport closed under us: nobody said that this was all.
    provider = Provider()
    provider.send()
    provider.all()
    provider.transport.receive(UNTIL_CLOSE + b"he")
    provider.transport.lose()
    assert provider.errors() == [200, b"he", ConnectionLost]


@pytest.mark.parametrize(
    ("text", "got"),
    [
        (b"nonsense\r\n\r\n", [HttpSyntaxError] * 3),
        (b"HTTP/1.1 101 Switch\r\n\r\n", [HttpSyntaxError] * 3),
        (OK + b"X: " + b"y" * 70_000, [HttpLimitError] * 3),
        (OK + b"Content-Length: 2000\r\n\r\n", [200, HttpLimitError, HttpLimitError]),
        (CHUNKED + b"5\r\nhelloXX", [200, HttpSyntaxError, HttpSyntaxError]),
        (CHUNKED + b"5\r\nhello\r\n7d1\r\n", [200, HttpLimitError, HttpLimitError]),
        (UNTIL_CLOSE + b"x" * 2000, [200, HttpLimitError, HttpLimitError]),
    ],
)
def test_what_is_no_answer(text: bytes, got: list[Any]) -> None:
    for asks_first in (True, False):
        provider = Provider(max_body_bytes=1000)
        provider.send()
        if asks_first:
            provider.ask(provider.headed, provider.conn.chunk, provider.conn.chunk)
        provider.transport.receive(text)
        if not asks_first:
            provider.ask(provider.headed, provider.conn.chunk, provider.conn.chunk)
        assert provider.errors() == got
        assert provider.transport.aborted
        provider.conn.release()
        provider.transport.settle()
        assert provider.pool.open == provider.pool.idle == provider.wheel.listed == 0


def test_what_came_before_the_break_is_delivered_before_it() -> None:
    provider = Provider()
    provider.send()
    provider.transport.receive(CHUNKED + b"5\r\nhello\r\n", b"nonsense")
    provider.ask(provider.headed, provider.conn.chunk, provider.conn.chunk, provider.conn.chunk)
    assert provider.errors() == [200, b"hello", HttpSyntaxError, HttpSyntaxError]


@pytest.mark.parametrize("ending", ["end", "lose"])
@pytest.mark.parametrize("error", [None, ConnectionResetError()])
@pytest.mark.parametrize(
    ("text", "got"),
    [
        (b"", [ConnectionLost] * 3),
        (b"HTTP/1.1 2", [ConnectionLost] * 3),
        (PLAIN[:-1], [200, b"hell", ConnectionLost]),
        (CHUNKED + b"5\r\nhello\r\n0\r\n", [200, b"hello", ConnectionLost]),
    ],
)
def test_cut_by_the_provider(ending: str, error: Exception | None, text: bytes, got: list[Any]) -> None:
    for reused in (False, True):
        provider = Provider()
        if reused:
            provider.conn.give_back()
            assert provider.pool.take_idle() is provider.conn
        assert provider.conn.reused is reused
        provider.send()
        provider.ask(provider.headed, provider.conn.chunk, provider.conn.chunk)
        provider.transport.receive(text)
        if ending == "end":
            provider.transport.end()
        provider.transport.lose(error)
        assert provider.errors() == got
        assert provider.got[-1].stale is (reused and not text), (
            "only a pooled connection without a byte may be repeated"
        )
        provider.conn.release()
        assert provider.pool.open == provider.pool.idle == provider.wheel.listed == 0


def test_ended_while_the_request_has_not_left() -> None:
    # The transport would wait for its buffer to empty before it reports the loss: with a provider that reads nothing, for ever.
    provider = Provider()
    provider.transport.stalled = True
    provider.send(b"x" * 1000)
    provider.all()
    provider.transport.end()
    assert provider.errors() == [ConnectionLost]
    assert provider.transport.aborted


# --- whole bodies ----------------------------------------------------------------------------------------------------


def test_a_whole_body() -> None:
    provider = Provider()
    provider.send()
    provider.ask(provider.headed, lambda: provider.conn.body(5))
    provider.transport.receive(PLAIN[:-2])
    assert provider.got == [200]
    provider.transport.receive(PLAIN[-2:])
    assert provider.got == [200, b"hello"]


def test_a_body_larger_than_wanted_is_left_for_chunks() -> None:
    for cut in (-2, -1, len(PLAIN)):
        provider = Provider()
        provider.send()
        provider.ask(provider.headed, partial(provider.conn.body, 3), provider.conn.chunk)
        provider.transport.receive(PLAIN[:cut], PLAIN[cut:])
        assert provider.got[:2] == [200, None]
        provider.ask(provider.conn.chunk)
        assert provider.payload == b"hello"


def test_what_is_here_whole_can_be_taken_without_waiting() -> None:
    provider = Provider()
    assert provider.conn.take_whole(100) is None
    provider.send()
    provider.ask(provider.headed)
    provider.transport.receive(PLAIN[:-1])
    assert provider.conn.take_whole(100) is None
    provider.transport.receive(PLAIN[-1:])
    assert provider.conn.take_whole(4) is None
    assert provider.conn.take_whole(5) == b"hello"
    provider.ask(provider.conn.chunk)
    assert provider.got == [200, None]
    provider.conn.release()
    assert provider.pool.idle == 1


def test_a_body_that_breaks_is_no_body() -> None:
    provider = Provider()
    provider.send()
    provider.ask(provider.headed, lambda: provider.conn.body(100))
    provider.transport.receive(PLAIN[:-1])
    provider.transport.end()
    provider.transport.lose()
    assert provider.errors() == [200, ConnectionLost]


# --- deadlines -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "waits_s", "got"),
    [
        (b"", (9.9, 10.1), ["first_byte"]),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP", (9.9, 10.1), ["first_byte"]),
        (PLAIN[:-1], (4.9, 5.1), [200, b"hell", "idle"]),
        (CHUNKED, (4.9, 5.1), [200, "idle"]),
    ],
)
def test_deadlines(text: bytes, waits_s: tuple[float, float], got: list[Any]) -> None:
    provider = Provider()
    provider.send()
    provider.all()
    provider.transport.receive(text)
    provider.wait(waits_s[0])
    assert provider.transport.is_open
    provider.wait(waits_s[1])
    assert provider.errors() == got
    assert provider.transport.aborted
    provider.transport.settle()
    assert provider.wheel.listed == 0


@pytest.mark.parametrize("text", [b"", PLAIN[:-1]])
def test_the_total_deadline_comes_first(text: bytes) -> None:
    provider = Provider()
    provider.send(total_s=3)
    provider.all()
    provider.transport.receive(text)
    provider.wait(2.9)
    assert provider.transport.is_open
    provider.wait(3.1)
    assert provider.got[-1].which == "total"


def test_the_end_is_expected_soon() -> None:
    provider = Provider()
    provider.send()
    provider.all()
    provider.transport.receive(CHUNKED + b"5\r\nhello\r\n")
    provider.conn.expect_end(SECOND)
    provider.conn.expect_end(50 * SECOND)
    provider.transport.receive(b"1\r\n!\r\n")
    provider.wait(1.1)
    assert provider.errors() == [200, b"hello", b"!", "total"]


def test_a_whole_answer_has_no_deadline() -> None:
    provider = Provider()
    provider.send(total_s=3)
    provider.transport.receive(PLAIN)
    provider.conn.expect_end(SECOND)
    provider.wait(100)
    provider.all()
    assert provider.got == [200, b"hello", None]


# --- back-pressure ---------------------------------------------------------------------------------------------------


def test_reading_stops_while_nobody_takes_and_the_idle_clock_with_it() -> None:
    provider = Provider()
    provider.send()
    provider.ask(provider.headed)
    provider.transport.receive(CHUNKED)
    sent = 0
    while provider.transport.receive(b"8000\r\n" + b"x" * 0x8000 + b"\r\n"):
        sent += 0x8000
    assert READ_BYTES <= sent <= 2 * READ_BYTES
    provider.wait(50)
    assert provider.transport.is_open, "it is the client that is slow, not the provider"
    provider.ask(provider.conn.chunk)
    assert provider.transport.reading
    assert len(provider.payload) == sent
    provider.wait(50.1)
    provider.ask(provider.conn.chunk)
    assert provider.errors()[-1] == "idle", "the provider's clock runs again"


def test_the_total_deadline_holds_for_a_slow_client_too() -> None:
    provider = Provider()
    provider.send(total_s=20)
    provider.transport.receive(CHUNKED + b"20000\r\n", b"x" * 0x20000)
    assert not provider.transport.reading
    provider.wait(20.1)
    assert provider.transport.aborted
    provider.ask(provider.headed, provider.conn.chunk, provider.conn.chunk)
    assert provider.errors()[2] == "total"


def test_a_reader_that_keeps_up_is_never_paused() -> None:
    provider = Provider()
    provider.send()
    provider.all()
    assert provider.transport.receive(CHUNKED, *[b"10000\r\n" + b"x" * 0x10000 + b"\r\n"] * 10)
    assert len(provider.payload) == 10 * 0x10000


def test_paused_when_released() -> None:
    provider = Provider()
    provider.send()
    provider.transport.receive(OK + b"Content-Length: 131072\r\n\r\n", b"x" * 65536)
    assert not provider.transport.reading
    provider.conn.release()
    assert provider.transport.aborted
    assert provider.pool.idle == 0
