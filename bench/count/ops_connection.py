"""Timers, a lane, and whole requests through the native connections, between transports that keep nothing.

``connection.round_trip`` is the floor of the gateway itself: a request read and parsed, passed to a pooled provider connection, its
answer read, parsed and passed back, without any decision in between.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import count
from time import monotonic_ns
from typing import Any

from bench.count.ops_http import ANSWER, DROP, LINES, REQUEST
from bench.payloads import PATH
from fastgw._native.client_conn import ClientConn
from fastgw._native.exchange import ClientPort, Exchange
from fastgw._native.http_write import write_request, write_response
from fastgw._native.lane import Lane, Wait
from fastgw._native.provider_conn import ProviderConn, ProviderPool
from fastgw._native.timers import CallbackTimer, TimerWheel

SECOND = 1_000_000_000
HOUR_NS = 3600 * SECOND


class Sink:
    """A transport that drops what it is given."""

    def write(self, data: bytes) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        raise AssertionError("a connection of the benchmark was closed")

    close = abort


def fail(*arguments: Any) -> bytes:
    raise AssertionError(arguments)


def client(handle: Callable[[Exchange], Any]) -> ClientConn:
    port = ClientPort(
        routes={PATH.encode(): 1},
        handle=handle,
        refuse=fail,
        hand_over=fail,
        on_crash=fail,
        wheel=TimerWheel(),
        max_head_bytes=65536,
        max_headers=128,
        max_body_bytes=1 << 25,
        max_connections=10,
        head_timeout_ns=HOUR_NS,
        body_timeout_ns=HOUR_NS,
        keep_alive_ns=HOUR_NS,
        write_timeout_ns=HOUR_NS,
    )
    conn = ClientConn(port)
    conn.connection_made(Sink())  # type: ignore[arg-type] # a stand-in
    return conn


def provider() -> tuple[ProviderPool, Callable[[], None]]:
    """A pool with one idle connection, and the function that lets a whole answer arrive on it."""
    pool = ProviderPool(TimerWheel(), idle_connection_ns=HOUR_NS)
    conn = pool.connection()
    conn.connection_made(Sink())  # type: ignore[arg-type] # a stand-in
    conn.give_back()
    size = len(ANSWER)
    conn.get_buffer(-1)[:size] = ANSWER

    def answer() -> None:
        conn.buffer_updated(size)

    return pool, answer


def take(pool: ProviderPool, data: bytes) -> ProviderConn:
    conn = pool.take_idle()
    if conn is None:
        raise AssertionError("the answer before this one was not whole")
    conn.send(data, None, HOUR_NS, HOUR_NS, monotonic_ns() + HOUR_NS)
    return conn


def arm_timer() -> Callable[[], object]:
    wheel, timer, now_ns = TimerWheel(), CallbackTimer(fail), count(monotonic_ns() + SECOND, 1000)
    return lambda: timer.arm_at(wheel, next(now_ns))


def fire_timer() -> Callable[[], object]:
    wheel, fired = TimerWheel(), count()
    timer = CallbackTimer(lambda now_ns: next(fired))
    now_ns = count(monotonic_ns(), wheel.tick_ns)

    def run() -> int:
        at_ns = next(now_ns)
        timer.arm_at(wheel, at_ns)
        return wheel.advance(at_ns + wheel.tick_ns)

    return run


def lane_step() -> Callable[[], object]:
    wait = Wait()

    async def sleep(here: Awaitable[object]) -> None:
        while True:
            await here

    lane = Lane(fail)
    lane.start(sleep(wait))

    def run() -> Lane:
        wait.resolve(None)
        return lane

    return run


def client_request() -> Callable[[], object]:
    answer = write_response(200, None, DROP, b"", 2, False, True, b"{}")

    async def handle(exchange: Exchange) -> None:
        await exchange.body()
        exchange.reply(answer)

    conn = client(handle)
    return lambda: conn.data_received(REQUEST)


def provider_call() -> Callable[[], object]:
    pool, answer = provider()

    async def call() -> None:
        conn = take(pool, REQUEST)
        await conn.headed()
        await conn.body(1 << 18)
        conn.release()

    def run() -> None:
        Lane(fail).start(call())
        answer()

    return run


def round_trip() -> Callable[[], object]:
    pool, answer = provider()

    async def handle(exchange: Exchange) -> None:
        body = await exchange.body()
        conn = take(pool, write_request(b"POST", b"/v1/chat/completions", LINES, exchange.head, DROP, body))
        await conn.headed()
        head = conn.head
        whole = await conn.body(1 << 18) or b""
        exchange.reply(write_response(head.status, head, DROP, b"", len(whole), False, exchange.keep_alive, whole))
        conn.release()

    conn = client(handle)

    def run() -> None:
        conn.data_received(REQUEST)
        answer()

    return run


OPERATIONS = {
    "timer.arm": arm_timer,
    "timer.fire": fire_timer,
    "lane.step": lane_step,
    "connection.client_request": client_request,
    "connection.provider_call": provider_call,
    "connection.round_trip": round_trip,
}
