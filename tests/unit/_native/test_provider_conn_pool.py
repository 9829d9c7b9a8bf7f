"""The pool of provider connections: what comes back, what is taken, and what leaves it."""

from __future__ import annotations

import gc
from time import monotonic_ns
from typing import Any

import pytest

from fastgw._native.errors import ConnectionLost, DeadlineExceeded
from fastgw._native.http_head import ResponseHead
from fastgw._native.provider_conn import ProviderConn, ProviderPool
from fastgw._native.timers import TimerWheel
from tests.model.sides import HTTP_OK as OK
from tests.model.sides import PLAIN_ANSWER as PLAIN
from tests.model.sides import Provider
from tests.model.transport import SECOND, FakeTransport

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


@pytest.mark.parametrize("late", [False, True])
def test_who_answers_twice_gets_one_request_a_connection(late: bool) -> None:
    provider = Provider()
    exchange(provider)
    other = provider.pool.connection()
    transport = FakeTransport(other)
    other.give_back()
    if late:
        provider.transport.receive(PLAIN)
    else:
        assert provider.pool.take_idle() is other
        assert provider.pool.take_idle() is provider.conn
        other.give_back()
        provider.send()
        provider.all()
        provider.transport.receive(PLAIN + PLAIN)
        provider.conn.release()
    assert transport.aborted, "it may have a second answer under way too"
    assert provider.pool.idle == 0
    third = provider.pool.connection()
    FakeTransport(third)
    third.give_back()
    assert provider.pool.idle == 0


def test_a_server_that_says_that_it_has_waited_long_enough_is_trusted() -> None:
    provider = Provider()
    exchange(provider)
    other = provider.pool.connection()
    FakeTransport(other)
    other.give_back()
    provider.transport.receive(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
    assert provider.pool.idle == 1


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
    gc.collect()
    before = count(ProviderConn), count(TimerWheel)
    conn = ProviderPool(TimerWheel()).connection()
    FakeTransport(conn).protocol = None
    conn.give_back()
    conn.abort()
    conn = ProviderPool(TimerWheel()).connection()
    transport = FakeTransport(conn)
    conn.send(b"x", None, SECOND, SECOND, monotonic_ns() + SECOND)
    transport.protocol = None
    del conn, transport
    gc.collect()
    assert (count(ProviderConn), count(TimerWheel)) == before


def test_deadline_errors_name_themselves() -> None:
    provider = Provider()
    provider.send()
    provider.all()
    provider.wait(11)
    assert isinstance(provider.got[0], DeadlineExceeded)
