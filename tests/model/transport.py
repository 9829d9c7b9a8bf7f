"""A transport without a network: keeps what is written, lets the test say when the kernel takes it, and calls back.

Its rules are asyncio's and uvloop's: ``close`` lets the buffer out first, ``abort`` does not, ``connection_lost`` comes
later and once, a write after ``write_eof`` is an error, one after ``close`` or ``abort`` is dropped. Whatever breaks a
rule fails the test at once.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from time import monotonic_ns
from typing import Any

from fastgw._native.client_conn import ClientConn
from fastgw._native.exchange import ClientPort, Exchange
from fastgw._native.provider_conn import ProviderConn
from fastgw._native.timers import TimerWheel

SECOND = 1_000_000_000
HIGH_WATER_BYTES = 64 * 1024


class FakeSocket:
    """Records whether the connection was told to end by a reset."""

    def __init__(self) -> None:
        self.resets = False

    def setsockopt(self, level: int, option: int, value: bytes) -> None:
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER)
        assert struct.unpack("ii", value) == (1, 0)
        self.resets = True


class FakeTransport:
    """One end of a connection. ``stalled``: the peer reads nothing, so what is written stays in the buffer until ``flush``."""

    def __init__(self, protocol: Any, *, stalled: bool = False, half_close: bool = True) -> None:
        self.protocol = protocol
        self.writes: list[bytes] = []
        self.late_writes: list[bytes] = []
        self.socket = FakeSocket()
        self.stalled = stalled
        self.buffered_bytes = 0
        self.delivered_bytes = 0
        self.reading = True
        self.closing = False
        self.aborted = False
        self.eof_written = False
        self.lost = False
        self._half_close = half_close
        self._paused = False
        protocol.connection_made(self)

    # --- what a protocol calls ---------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        assert type(data) is bytes
        assert not self.lost, "written after connection_lost"
        if self.closing:
            self.late_writes.append(data)
            return
        if self.eof_written:
            raise RuntimeError("Cannot call write() after write_eof()")
        self.writes.append(data)
        if self.stalled:
            self.buffered_bytes += len(data)
            if self.buffered_bytes > HIGH_WATER_BYTES and not self._paused:
                self._paused = True
                self.protocol.pause_writing()

    def can_write_eof(self) -> bool:
        return self._half_close

    def write_eof(self) -> None:
        assert not self.lost
        assert self._half_close
        assert not self.closing
        self.eof_written = True

    def close(self) -> None:
        assert not self.lost
        self.closing = True
        self.reading = False

    def abort(self) -> None:
        assert not self.lost
        self.closing = True
        self.aborted = True
        self.reading = False
        self.buffered_bytes = 0

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        assert not self.lost
        if not self.closing:
            assert self.reading, "paused twice"
            self.reading = False

    def resume_reading(self) -> None:
        assert not self.lost
        if not self.closing:
            assert not self.reading, "resumed twice"
            self.reading = True

    def get_write_buffer_size(self) -> int:
        assert not self.lost
        return self.buffered_bytes

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self.socket if name == "socket" else default

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    # --- what the network does ---------------------------------------------------------------------------------------

    @property
    def sent(self) -> bytes:
        return b"".join(self.writes)

    @property
    def is_open(self) -> bool:
        return not self.closing and not self.lost

    def receive(self, *pieces: bytes) -> bool:
        """Deliver bytes; False when the protocol does not read any more, and so did not get all of them."""
        for data in pieces:
            if not self.reading or self.lost:
                return False
            if not isinstance(self.protocol, ProviderConn):
                self.protocol.data_received(data)
            elif not self._fill(self.protocol, data):
                return False
        return True

    def _fill(self, protocol: ProviderConn, data: bytes) -> bool:
        at = 0
        while at < len(data) and self.reading:
            buffer = protocol.get_buffer(-1)
            piece = data[at : at + len(buffer)]
            buffer[: len(piece)] = piece
            protocol.buffer_updated(len(piece))
            at += len(piece)
            self.delivered_bytes += len(piece)
        return at == len(data)

    def end(self) -> None:
        """The peer's half of the connection ends."""
        if self.reading and not self.lost:
            keeps_open = self.protocol.eof_received()
            self.reading = False
            if not keeps_open:
                self.close()

    def flush(self) -> None:
        """The peer reads everything there is."""
        self.buffered_bytes = 0
        if self._paused and not self.lost:
            self._paused = False
            self.protocol.resume_writing()

    def settle(self) -> None:
        """One turn of the loop: a transport that was closed reports that it is lost, once its buffer is empty."""
        if self.closing and not self.lost and not self.buffered_bytes:
            self.lose()

    def lose(self, error: Exception | None = None) -> None:
        if not self.lost:
            self.lost = True
            self.closing = True
            self.reading = False
            self.protocol.connection_lost(error)


class FakeLoop:
    """Keeps what it is asked to call, until it is told to."""

    def __init__(self) -> None:
        self.ready: list[Callable[[], object]] = []
        self.timers: list[tuple[float, Callable[[], object]]] = []

    def call_soon(self, callback: Callable[[], object]) -> None:
        self.ready.append(callback)

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> FakeHandle:
        self.timers.append((delay_s, callback))
        return FakeHandle(self, callback)

    def run(self) -> None:
        while self.ready:
            self.ready.pop(0)()


class FakeHandle:
    def __init__(self, loop: FakeLoop, callback: Callable[[], object]) -> None:
        self._loop = loop
        self._callback = callback

    def cancel(self) -> None:
        self._loop.timers = [entry for entry in self._loop.timers if entry[1] != self._callback]


class Door:
    """A client port with a wheel whose time only the test moves, and a record of what the port was told."""

    def __init__(self, handle: Callable[[Exchange], Any], **settings: Any) -> None:
        self.loop = FakeLoop()
        self.wheel = TimerWheel()
        self.wheel.start(self.loop)  # type: ignore[arg-type]
        self.refused: list[tuple[int, bytes]] = []
        self.handed: list[tuple[Any, bytes]] = []
        self.crashes: list[BaseException] = []
        self._ahead_ns = 0
        self.port = ClientPort(
            handle=handle,
            wheel=self.wheel,
            **{
                "routes": {b"/v1/x": "x"},
                "refuse": self._refuse,
                "hand_over": self._hand_over,
                "on_crash": self.crashes.append,
                "max_head_bytes": 4096,
                "max_headers": 20,
                "max_body_bytes": 1 << 20,
                "max_connections": 100,
                "head_timeout_ns": 10 * SECOND,
                "body_timeout_ns": 20 * SECOND,
                "keep_alive_ns": 75 * SECOND,
                "write_timeout_ns": 60 * SECOND,
                **settings,
            },
        )

    def _refuse(self, status: int, message: str, received: bytes) -> bytes:
        assert message
        self.refused.append((status, received))
        return b"refused %d;" % status

    def _hand_over(self, transport: Any, received: bytes) -> None:
        self.handed.append((transport, received))

    def connect(self, **options: Any) -> FakeTransport:
        """A client's connection."""
        return FakeTransport(ClientConn(self.port), **options)

    def wait(self, seconds: float) -> None:
        """Move the wheel's time. Deadlines are taken from the real clock, so one that is set after a wait is early by that much."""
        self._ahead_ns += int(seconds * SECOND)
        self.wheel.advance(monotonic_ns() + self._ahead_ns)


def request(body: bytes = b"", *, path: bytes = b"/v1/x", headers: bytes = b"", version: bytes = b"1.1") -> bytes:
    """A request whose body has its length announced."""
    return (b"POST %s HTTP/%s\r\nHost: a\r\n%sContent-Length: %d\r\n\r\n" % (path, version, headers, len(body))) + body
