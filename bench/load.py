"""Load at a fixed rate (open loop), and a fixed number of requests as fast as they are answered (closed loop).

In the open loop request ``i`` is due at ``start + i / rate`` whatever happened before, and its latency counts from
then, not from when it could be sent: a contender that stalls is charged for everybody who waited. The schedule is a
kernel timer (``timerfd``), because the event loop's own timers tick in milliseconds. One connection carries one request
at a time.

    python -m bench.load --port 8080 --case 1k-plain-http --rate 1000 --seconds 3 --key K      (prints one line of JSON)
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import json
import os
import struct
import time
from collections.abc import Callable

import uvloop
from typing_extensions import override

from bench.framing import FramingError, MessageReader
from bench.measure import percentile
from bench.payloads import request_body, request_prefix, request_suffix, select_cases

MAX_IN_FLIGHT = 512
DRAIN_S = 3.0
_TIMER_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC
_ABSOLUTE = 1
_libc = ctypes.CDLL(None, use_errno=True)

Finished = Callable[["LoadConnection", int, bool], None]


class LoadConnection(asyncio.Protocol):
    """A connection of the pool. Calls ``finished(connection, due_ns, is_good)`` once a request, answered or failed."""

    __slots__ = ("_due_ns", "_finished", "_reader", "_transport", "first_byte_ns", "is_open", "reads")

    def __init__(self, finished: Finished) -> None:
        self._finished = finished
        self._reader = MessageReader()
        self._transport: asyncio.Transport | None = None
        self._due_ns = 0
        self.first_byte_ns = 0
        self.reads = 0
        self.is_open = True

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream protocol gets a Transport

    def send(self, data: bytes, due_ns: int) -> None:
        """Begin a request that was due at ``due_ns`` (monotonic). The connection must be idle."""
        if self._transport is None:
            raise RuntimeError("not connected")
        self._due_ns = due_ns
        self.reads = 0
        self._transport.write(data)

    def close(self) -> None:
        """Close without a word to ``finished``."""
        self._due_ns = 0
        if self._transport is not None:
            self._transport.close()

    @override
    def data_received(self, data: bytes) -> None:
        if not self.reads:
            self.first_byte_ns = time.monotonic_ns()
        self.reads += 1
        try:
            messages = self._reader.feed(data)
        except FramingError:
            self._fail()
            return
        if messages and self._due_ns:
            self._finish(len(messages) == 1 and messages[0].head.startswith(b"HTTP/1.1 200"))

    @override
    def connection_lost(self, _error: Exception | None) -> None:
        self._fail()
        self._transport = None

    def _fail(self) -> None:
        self.is_open = False
        if self._due_ns:
            self._finish(False)
        if self._transport is not None:
            self._transport.abort()

    def _finish(self, is_good: bool) -> None:
        due_ns, self._due_ns = self._due_ns, 0
        self._finished(self, due_ns, is_good)


class Latencies:
    """What a run measured, in nanoseconds from the due time."""

    def __init__(self) -> None:
        self.total_ns: list[int] = []
        self.first_byte_ns: list[int] = []
        self.reads = 0
        self.failed = 0
        self.skipped = 0

    def add(self, connection: LoadConnection, due_ns: int) -> None:
        """Take the answer that has just arrived whole."""
        self.total_ns.append(time.monotonic_ns() - due_ns)
        self.first_byte_ns.append(connection.first_byte_ns - due_ns)
        self.reads += connection.reads

    def summary(self) -> dict[str, float]:
        """Counts, and microseconds: p50 and p99 to the first and to the last byte."""
        found: dict[str, float] = {"requests": len(self.total_ns), "failed": self.failed, "skipped": self.skipped}
        if not self.total_ns:
            return found
        for name, values in (("total", sorted(self.total_ns)), ("first_byte", sorted(self.first_byte_ns))):
            for label, fraction in (("p50", 0.5), ("p99", 0.99)):
                found[f"{name}_{label}_us"] = round(percentile(values, fraction) / 1000, 1)
        found["reads_per_answer"] = round(self.reads / len(self.total_ns), 1)
        return found


def open_timer(start_ns: int, period_ns: int) -> int:
    """A descriptor that is readable at ``start_ns`` (monotonic) and every ``period_ns`` after. The caller closes it."""
    descriptor: int = _libc.timerfd_create(time.CLOCK_MONOTONIC, _TIMER_FLAGS)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "timerfd_create")
    spec = struct.pack("@4q", *divmod(period_ns, 1_000_000_000), *divmod(start_ns, 1_000_000_000))
    if _libc.timerfd_settime(descriptor, _ABSOLUTE, spec, None) < 0:
        raise OSError(ctypes.get_errno(), "timerfd_settime")
    return descriptor


class OpenLoop:
    """Sends request ``i`` at ``start + i * period``; the first ``warm_up`` of them are not counted.

    At most ``MAX_IN_FLIGHT`` wait at a time; a request that finds no room is skipped and counted, so an overload ends.
    """

    def __init__(self, port: int, prefix: bytes, suffix: bytes, *, count: int, warm_up: int) -> None:
        self._port = port
        self._prefix = prefix
        self._suffix = suffix
        self._count = count
        self._warm_up = warm_up
        self._idle: list[LoadConnection] = []
        self._busy: set[LoadConnection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._sent = 0
        self._start_ns = 0
        self._period_ns = 0
        self._all_due = asyncio.Event()
        self.latencies = Latencies()

    async def run(self, rate_per_s: float) -> Latencies:
        """Send everything, wait a little for the last answers, and close."""
        loop = asyncio.get_running_loop()
        self._period_ns = round(1e9 / rate_per_s)
        for _ in range(8):
            self._idle.append(await self._connect())
        self._start_ns = time.monotonic_ns() + 20_000_000
        timer = open_timer(self._start_ns, self._period_ns)
        loop.add_reader(timer, self._on_timer, timer)
        try:
            await self._all_due.wait()
        finally:
            loop.remove_reader(timer)
            os.close(timer)
        deadline = loop.time() + DRAIN_S
        while (self._busy or self._opening) and loop.time() < deadline:
            await asyncio.sleep(0.01)
        self.latencies.failed += len(self._busy)
        for connection in (*self._busy, *self._idle):
            connection.close()
        return self.latencies

    async def _connect(self) -> LoadConnection:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: LoadConnection(self._on_finished), "127.0.0.1", self._port
        )
        return connection

    def _on_timer(self, timer: int) -> None:
        (expired,) = struct.unpack("@Q", os.read(timer, 8))
        for _ in range(min(expired, self._count - self._sent)):
            self._send(self._start_ns + self._sent * self._period_ns)
            self._sent += 1
        if self._sent == self._count:
            self._all_due.set()

    def _send(self, due_ns: int) -> None:
        data = b"%b%d-%d%b" % (self._prefix, self._period_ns, self._sent, self._suffix)
        if len(self._busy) + len(self._opening) >= MAX_IN_FLIGHT:
            self.latencies.skipped += 1
        elif self._idle:
            self._send_on(self._idle.pop(), data, due_ns)
        else:
            task = asyncio.get_running_loop().create_task(self._open_and_send(data, due_ns))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _open_and_send(self, data: bytes, due_ns: int) -> None:
        try:
            connection = await self._connect()
        except OSError:
            self.latencies.failed += 1
            return
        self._send_on(connection, data, due_ns)

    def _send_on(self, connection: LoadConnection, data: bytes, due_ns: int) -> None:
        if connection.is_open:
            self._busy.add(connection)
            connection.send(data, due_ns)
        else:
            self.latencies.failed += 1

    def _on_finished(self, connection: LoadConnection, due_ns: int, is_good: bool) -> None:
        self._busy.discard(connection)
        if not is_good:
            self.latencies.failed += 1
        elif due_ns >= self._start_ns + self._warm_up * self._period_ns:
            self.latencies.add(connection, due_ns)
        if connection.is_open:
            self._idle.append(connection)


class ClosedLoop:
    """Sends ``count`` requests over ``connections``, each one when the last on its connection was answered."""

    def __init__(self, port: int, request: Callable[[int], bytes], *, count: int, connections: int) -> None:
        self._port = port
        self._request = request
        self._left = count
        self._number = 0
        self._connections = connections
        self._active = 0
        self._done = asyncio.Event()
        self.answered = 0
        self.failed = 0

    async def run(self) -> None:
        """Until all are answered or every connection failed."""
        loop = asyncio.get_running_loop()
        opened = []
        for _ in range(self._connections):
            _, connection = await loop.create_connection(
                lambda: LoadConnection(self._on_finished), "127.0.0.1", self._port
            )
            opened.append(connection)
        self._active = len(opened)
        for connection in opened:
            self._send_next(connection)
        await self._done.wait()
        for connection in opened:
            connection.close()

    def _send_next(self, connection: LoadConnection) -> None:
        if self._left and connection.is_open:
            self._left -= 1
            self._number += 1
            connection.send(self._request(self._number), 1)
            return
        self._active -= 1
        if not self._active:
            self._done.set()

    def _on_finished(self, connection: LoadConnection, _due_ns: int, is_good: bool) -> None:
        if is_good:
            self.answered += 1
        else:
            self.failed += 1
        self._send_next(connection)


def main() -> None:
    parser = argparse.ArgumentParser(description="requests at a fixed rate; prints one line of JSON")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--case", required=True)
    parser.add_argument("--key", default="none")
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--warm-up-seconds", type=float, default=0.5)
    options = parser.parse_args()
    (case,) = select_cases(options.case)
    body = request_body(case.request_bytes, streamed=case.streamed)
    warm_up = round(options.rate * options.warm_up_seconds)

    async def measure() -> Latencies:
        load = OpenLoop(
            options.port,
            request_prefix("127.0.0.1", options.key, body),
            request_suffix(body),
            count=warm_up + round(options.rate * options.seconds),
            warm_up=warm_up,
        )
        return await load.run(options.rate)

    gc.freeze()
    gc.disable()
    print(json.dumps(uvloop.run(measure()).summary()))


if __name__ == "__main__":
    main()
