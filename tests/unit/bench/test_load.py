"""The load generator against the mock upstream, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import time
from collections.abc import AsyncIterator, Callable

from typing_extensions import override

from bench.load import ClosedLoop, Latencies, LoadConnection, OpenLoop, open_timer
from bench.payloads import request_body, request_prefix, request_suffix
from bench.upstream import UpstreamProtocol


class Tracked(UpstreamProtocol):
    """The mock upstream, known to ``peers`` while its connection is open; ``refusal`` replaces its answers."""

    def __init__(self, peers: set[Tracked], refusal: bytes | None) -> None:
        super().__init__(asyncio.get_running_loop(), 0.001)
        self._peers = peers
        self._refusal = refusal

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._peers.add(self)
        super().connection_made(transport)

    @override
    def connection_lost(self, _error: Exception | None) -> None:
        self._peers.discard(self)
        super().connection_lost(_error)

    @override
    def data_received(self, data: bytes) -> None:
        if self._refusal is None:
            super().data_received(data)
        elif self._transport is not None:
            self._transport.write(self._refusal)
            self._transport.close()


@contextlib.asynccontextmanager
async def serving(refusal: bytes | None = None) -> AsyncIterator[int]:
    """A mock upstream on loopback; ends when its peers have closed, so that a connection left open shows."""
    peers: set[Tracked] = set()
    server = await asyncio.get_running_loop().create_server(lambda: Tracked(peers, refusal), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    async with asyncio.timeout(10):
        while peers:
            await asyncio.sleep(0.01)


def make_request(*, streamed: bool) -> tuple[bytes, bytes]:
    body = request_body(1024, streamed=streamed)
    return request_prefix("127.0.0.1", "k", body), request_suffix(body)


def run_open_loop(*, count: int = 30, streamed: bool = False, refusal: bytes | None = None) -> Latencies:
    async def run() -> Latencies:
        async with serving(refusal) as port:
            return await OpenLoop(port, *make_request(streamed=streamed), count=count, warm_up=10).run(200)

    return asyncio.run(run())


def run_closed_loop(request: Callable[[int], bytes], refusal: bytes | None = None) -> ClosedLoop:
    async def run() -> ClosedLoop:
        async with serving(refusal) as port:
            load = ClosedLoop(port, request, count=50, connections=4)
            await load.run()
            return load

    return asyncio.run(run())


def test_open_loop_counts_after_the_warm_up() -> None:
    seen = run_open_loop()
    assert (len(seen.total_ns), seen.failed, seen.skipped) == (20, 0, 0)
    assert all(0 < first <= total for first, total in zip(seen.first_byte_ns, seen.total_ns, strict=True))
    assert seen.summary()["requests"] == 20


def test_open_loop_takes_streams_whole() -> None:
    seen = run_open_loop(streamed=True)
    assert len(seen.total_ns) == 20
    assert min(seen.total_ns) > 20_000_000  # 31 pauses of a millisecond lie between the first and the last event
    assert 20 * 2 <= seen.reads <= 20 * 32


def test_open_loop_counts_failures() -> None:
    seen = run_open_loop(count=15, refusal=b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")
    assert (len(seen.total_ns), seen.failed) == (0, 15)
    assert "total_p50_us" not in seen.summary()


def test_closed_loop_sends_exactly_as_many_as_asked() -> None:
    prefix, suffix = make_request(streamed=False)
    numbers: list[int] = []

    def request(number: int) -> bytes:
        numbers.append(number)
        return prefix + b"%d" % number + suffix

    load = run_closed_loop(request)
    assert (load.answered, load.failed) == (50, 0)
    assert sorted(numbers) == list(range(1, 51))


def test_closed_loop_ends_when_the_peer_is_gone() -> None:
    load = run_closed_loop(lambda _: b"POST / HTTP/1.1\r\n\r\n", refusal=b"")
    assert (load.answered, load.failed) == (0, 4)


def test_timer_keeps_a_schedule_that_was_late() -> None:
    timer = open_timer(time.monotonic_ns() - 5_500_000, 1_000_000)
    os.set_blocking(timer, True)
    (expired,) = struct.unpack("@Q", os.read(timer, 8))
    os.close(timer)
    assert expired >= 6


def test_bytes_that_are_no_message_fail_the_request() -> None:
    outcomes: list[tuple[int, bool]] = []
    connection = LoadConnection(lambda _, due_ns, is_good: outcomes.append((due_ns, is_good)))

    class Transport(asyncio.Transport):
        @override
        def write(self, data: object) -> None:
            pass

        @override
        def abort(self) -> None:
            pass

    connection.connection_made(Transport())
    connection.send(b"x", 77)
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n")
    connection.connection_lost(None)
    assert outcomes == [(77, False)]
    assert not connection.is_open
