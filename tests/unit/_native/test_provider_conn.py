"""The provider connection and its pool, every state against every event: bytes in, effects expected."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic_ns
from typing import Any

import pytest

from fastgw._native.errors import ConnectionLost, DeadlineExceeded, HttpLimitError, HttpSyntaxError
from fastgw._native.http_head import ResponseHead
from fastgw._native.lane import Lane
from fastgw._native.provider_conn import ProviderConn, ProviderPool
from fastgw._native.timers import TimerWheel
from tests.model.transport import SECOND, FakeTransport

OK = b"HTTP/1.1 200 OK\r\n"
PLAIN = OK + b"Content-Length: 5\r\n\r\nhello"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSE = OK + b"Server: x\r\n\r\n"
READ_BYTES = 65536


class Provider:
    """A pool, one connection to it, and what the one call on it got."""

    def __init__(self, **settings: Any) -> None:
        self.wheel = TimerWheel()
        self.freed = 0
        self.pool = ProviderPool(self.wheel, freed=self._freed, **settings)
        self.conn = self.pool.connection()
        self.transport = FakeTransport(self.conn)
        self.got: list[Any] = []

    def _freed(self) -> None:
        self.freed += 1

    def send(self, rest: bytes | None = None, total_s: float = 100) -> None:
        total_ns = monotonic_ns() + int(total_s * SECOND)
        self.conn.send(b"request;", rest, first_byte_ns=10 * SECOND, idle_ns=5 * SECOND, total_deadline_ns=total_ns)

    def ask(self, *wanted: Callable[[], Awaitable[object]]) -> None:
        """Await these, one after the other, in a lane of their own."""

        async def work() -> None:
            for want in wanted:
                try:
                    found = await want()
                except Exception as error:
                    self.got.append(error)
                else:
                    self.got.append(found.status if isinstance(found, ResponseHead) else found)

        Lane(print).start(work())

    def errors(self) -> list[Any]:
        return [getattr(found, "which", type(found)) if isinstance(found, Exception) else found for found in self.got]

    def all(self) -> None:
        """Ask for the head and then for chunks until the end."""

        async def work() -> None:
            try:
                self.got.append((await self.conn.head()).status)
                while (chunk := await self.conn.chunk()) is not None:
                    self.got.append(chunk)
                self.got.append(None)
            except Exception as error:
                self.got.append(error)

        Lane(print).start(work())

    @property
    def payload(self) -> bytes:
        return b"".join(found for found in self.got if isinstance(found, bytes))

    def wait(self, seconds: float) -> None:
        self.wheel.advance(monotonic_ns() + int(seconds * SECOND))


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
            provider.ask(provider.conn.head, provider.conn.chunk, provider.conn.chunk)
        provider.transport.receive(text)
        if not asks_first:
            provider.ask(provider.conn.head, provider.conn.chunk, provider.conn.chunk)
        assert provider.errors() == got
        assert provider.transport.aborted
        provider.conn.release()
        provider.transport.settle()
        assert provider.pool.open == provider.pool.idle == provider.wheel.listed == 0


def test_what_came_before_the_break_is_delivered_before_it() -> None:
    provider = Provider()
    provider.send()
    provider.transport.receive(CHUNKED + b"5\r\nhello\r\n", b"nonsense")
    provider.ask(provider.conn.head, provider.conn.chunk, provider.conn.chunk, provider.conn.chunk)
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
        provider.ask(provider.conn.head, provider.conn.chunk, provider.conn.chunk)
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
    provider.ask(provider.conn.head, lambda: provider.conn.body(5))
    provider.transport.receive(PLAIN[:-2])
    assert provider.got == [200]
    provider.transport.receive(PLAIN[-2:])
    assert provider.got == [200, b"hello"]


def test_a_body_larger_than_wanted_is_left_for_chunks() -> None:
    for cut in (-2, -1, len(PLAIN)):
        provider = Provider()
        provider.send()
        provider.ask(provider.conn.head, partial(provider.conn.body, 3), provider.conn.chunk)
        provider.transport.receive(PLAIN[:cut], PLAIN[cut:])
        assert provider.got[:2] == [200, None]
        provider.ask(provider.conn.chunk)
        assert provider.payload == b"hello"


def test_a_body_that_breaks_is_no_body() -> None:
    provider = Provider()
    provider.send()
    provider.ask(provider.conn.head, lambda: provider.conn.body(100))
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
    provider.ask(provider.conn.head)
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
    provider.ask(provider.conn.head, provider.conn.chunk, provider.conn.chunk)
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


# --- the pool --------------------------------------------------------------------------------------------------------


def exchange(provider: Provider) -> None:
    provider.send()
    provider.all()
    provider.transport.receive(PLAIN)
    provider.conn.release()


def test_a_connection_comes_back_and_is_taken_again() -> None:
    provider = Provider()
    assert provider.pool.open == 1
    for _ in range(3):
        exchange(provider)
        assert (provider.pool.idle, provider.pool.open) == (1, 1)
        assert provider.pool.take_idle() is provider.conn
        assert provider.pool.take_idle() is None
    assert provider.got == [200, b"hello", None] * 3
    assert provider.freed == 3


def test_last_used_first() -> None:
    provider = Provider()
    second = provider.pool.connection()
    FakeTransport(second)
    provider.conn.give_back()
    second.give_back()
    assert provider.pool.take_idle() is second
    assert provider.pool.take_idle() is provider.conn


@pytest.mark.parametrize("event", ["data", "end", "lose", "timer", "close"])
def test_an_idle_connection_leaves_the_pool(event: str) -> None:
    provider = Provider(idle_connection_ns=30 * SECOND)
    exchange(provider)
    if event == "data":
        provider.transport.receive(PLAIN)
    elif event == "end":
        provider.transport.end()
    elif event == "lose":
        provider.transport.lose()
    elif event == "close":
        provider.pool.close()
    else:
        provider.wait(29.9)
        assert provider.pool.idle == 1
        provider.wait(30.1)
    assert provider.pool.idle == 0, "an answer nobody asked for must never meet the next request"
    assert provider.pool.take_idle() is None
    provider.transport.settle()
    assert provider.pool.open == provider.wheel.listed == 0
    assert provider.freed == 2, "once when it came back, once when it was lost"


@pytest.mark.parametrize("event", ["data", "end", "lose"])
def test_a_new_connection_that_ends_before_its_first_request(event: str) -> None:
    provider = Provider()
    if event == "data":
        provider.transport.receive(b"x")
    elif event == "end":
        provider.transport.end()
    else:
        provider.transport.lose()
    with pytest.raises(ConnectionLost) as lost:
        provider.send()
    assert lost.value.stale
    provider.conn.give_back()
    assert provider.pool.idle == 0


def test_a_request_that_has_not_left_spoils_the_connection() -> None:
    provider = Provider()
    provider.transport.stalled = True
    exchange(provider)
    assert provider.pool.idle == 0
    assert provider.transport.aborted


@pytest.mark.parametrize("text", [b"", PLAIN[:3], PLAIN[:-1]])
def test_released_before_the_answer_is_whole(text: bytes) -> None:
    provider = Provider()
    provider.send()
    provider.transport.receive(text)
    provider.conn.release()
    assert provider.transport.aborted
    provider.conn.release()
    provider.transport.settle()
    assert provider.pool.open == provider.pool.idle == provider.wheel.listed == 0
    assert provider.freed == 1


def test_surplus_behind_a_whole_answer_is_found_before_release() -> None:
    provider = Provider()
    provider.send()
    provider.all()
    provider.transport.receive(PLAIN, b"HTTP/1.1 200 OK\r\n")
    assert provider.got == [200, b"hello", None]
    provider.conn.release()
    assert provider.transport.aborted


def test_a_full_pool_closes_what_comes_back() -> None:
    provider = Provider(max_idle=1)
    second = provider.pool.connection()
    transport = FakeTransport(second)
    provider.conn.give_back()
    second.give_back()
    assert transport.aborted
    assert provider.freed == 1
    transport.settle()
    assert provider.freed == 2, "told once, when its place is free"
    assert (provider.pool.idle, provider.pool.open) == (1, 1)


def test_a_closed_pool_keeps_nothing() -> None:
    provider = Provider()
    provider.send()
    provider.pool.close()
    provider.all()
    provider.transport.receive(PLAIN)
    assert provider.got == [200, b"hello", None], "a call in flight ends well"
    provider.conn.release()
    assert provider.transport.aborted


def count(kind: type[Any]) -> int:
    return sum(type(found) is kind for found in gc.get_objects())


def test_an_idle_connection_holds_no_answer() -> None:
    provider = Provider()
    provider.send()
    provider.transport.receive(OK + b"Content-Length: 60000\r\n\r\n" + b"x" * 60_000)
    provider.all()
    provider.conn.release()
    gc.collect()
    assert not [found for found in gc.get_referents(provider.conn) if isinstance(found, ResponseHead)]


@pytest.mark.parametrize("ending", ["lost", "dropped", "pool first"])
def test_nothing_is_left(ending: str) -> None:
    gc.collect()
    before = count(ProviderConn)
    provider = Provider()
    wheel = provider.wheel
    exchange(provider)
    if ending == "lost":
        provider.transport.lose()
    elif ending == "pool first":
        conn = provider.pool.take_idle()
        assert conn is not None
        del provider
        gc.collect()
        assert wheel.listed == 1
        del conn
        gc.collect()
        assert (count(ProviderConn), wheel.listed) == (before, 0)
        return
    del provider
    gc.collect()
    assert (count(ProviderConn), wheel.listed) == (before, 0)


def test_the_wheel_goes_with_the_last_connection() -> None:
    """The last owner of pool and wheel is a connection that is listed in this wheel itself."""
    conn = ProviderPool(TimerWheel()).connection()
    FakeTransport(conn).protocol = None
    conn.give_back()
    conn.abort()
    conn = ProviderPool(TimerWheel()).connection()
    transport = FakeTransport(conn)
    conn.send(b"x", None, first_byte_ns=SECOND, idle_ns=SECOND, total_deadline_ns=monotonic_ns() + SECOND)
    transport.protocol = None
    del conn, transport
    gc.collect()


def test_deadline_errors_name_themselves() -> None:
    provider = Provider()
    provider.send()
    provider.all()
    provider.wait(11)
    assert isinstance(provider.got[0], DeadlineExceeded)
