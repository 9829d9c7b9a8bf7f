"""The connection to a provider and the pool it comes from."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import final

from fastgw._native.http_head import ResponseHead
from fastgw._native.timers import Timer, TimerWheel

@final
class ProviderPool:
    """Idle connections to one address, last used first. Opening and queueing are the caller's. Times in ns, sizes in bytes.

    After an answer that nobody asked for on any of its connections, it keeps none for a minute.
    """

    def __new__(
        cls,
        wheel: TimerWheel,
        *,
        max_idle: int = 100,
        idle_connection_ns: int = 60_000_000_000,
        max_head_bytes: int = 65536,
        max_headers: int = 256,
        max_body_bytes: int = 1 << 40,
        freed: Callable[[], object] | None = None,
    ) -> ProviderPool:
        """``freed`` is called whenever a connection has come back or was lost."""

    @property
    def open(self) -> int:
        """Connections that are open, idle ones included."""

    @property
    def idle(self) -> int:
        """Connections in the pool."""

    def take_idle(self) -> ProviderConn | None:
        """A connection from the pool; the caller owns it."""

    def connection(self) -> ProviderConn:
        """A new protocol for ``create_connection``."""

    def close(self) -> None:
        """Close idle connections, and others when they come back."""

@final
class ProviderConn(Timer):
    """`headed`, `chunk` and `body` raise ConnectionLost, DeadlineExceeded, HttpSyntaxError, HttpLimitError."""

    def __new__(cls, pool: ProviderPool) -> ProviderConn: ...
    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
    def get_buffer(self, sizehint: int) -> bytearray: ...
    def buffer_updated(self, nbytes: int) -> None: ...
    def eof_received(self) -> bool: ...
    def connection_lost(self, exc: Exception | None) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
    @property
    def reused(self) -> bool:
        """Whether it came from the pool."""

    def send(self, data: bytes, rest: bytes | None, first_byte_ns: int, idle_ns: int, total_deadline_ns: int) -> None:
        """Write a request, in one or two pieces. Two durations, then a moment. ConnectionLost when it is closed."""

    @property
    def head(self) -> ResponseHead:
        """The head of the final answer; interim ones are skipped. Defined once `headed` has returned."""

    def headed(self) -> Awaitable[None]:
        """Until the head is here."""

    def take_whole(self, limit_bytes: int) -> bytes | None:
        """The whole payload if all of it has come and it is not larger than the limit, else None."""

    def chunk(self) -> Awaitable[bytes | None]:
        """Payload that has come since the last call, None at a clean end. Reading stops at 64 KiB that nobody asks for."""

    def body(self, limit_bytes: int) -> Awaitable[bytes | None]:
        """The whole payload, or None as soon as it is larger than the limit: then `chunk` has it."""

    def expect_end(self, within_ns: int) -> None:
        """Nothing more is expected: the total deadline moves to this soon."""

    def release(self) -> None:
        """Give the connection back after a whole answer, close it otherwise."""

    def give_back(self) -> None:
        """For a connection that was opened for somebody who has gone."""

    def abort(self) -> None:
        """Close at once."""
