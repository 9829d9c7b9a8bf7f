"""A provider account as something that can be called: one address, one pool of connections, the deadlines of a call.

Invariant: at most ``max_connections`` are open or being opened; who finds none free waits in line, no longer than the connect
deadline. A connection that its caller no longer wants when it is ready goes to the pool. A pooled connection that turns out dead
before one byte of the answer may be replaced by a fresh one (``send_fresh``); that is the caller's decision.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import cast

import msgspec

from fastgw._native.provider_conn import ProviderConn, ProviderPool
from fastgw._native.timers import TimerWheel
from fastgw.domain.errors import GatewayError
from fastgw.telemetry import tasks
from fastgw.telemetry.clock import monotonic_ns


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a pool is made from; equal settings may share one. ``max_connections`` and ``max_idle`` count for this worker alone."""

    name: str
    host: str
    port: int
    tls: bool
    ca_file: str
    connect_timeout_ns: int
    first_byte_timeout_ns: int
    idle_timeout_ns: int
    total_timeout_ns: int
    max_connections: int
    max_idle: int
    idle_connection_ns: int


class ProviderAccount:
    """Connections to one provider account. Lives in one event loop."""

    def __init__(self, settings: AccountSettings, wheel: TimerWheel) -> None:
        self.settings = settings
        self._tls = _tls_context(settings) if settings.tls else None
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._opening = 0
        self._first_byte_ns = settings.first_byte_timeout_ns
        self._idle_ns = settings.idle_timeout_ns
        self._total_ns = settings.total_timeout_ns
        self._pool = ProviderPool(
            wheel,
            max_idle=settings.max_idle,
            idle_connection_ns=settings.idle_connection_ns,
            freed=self._connection_freed,
        )

    @property
    def open_connections(self) -> int:
        """Open and being opened."""
        return self._pool.open + self._opening

    def send_pooled(self, head: bytes, body: bytes | None) -> ProviderConn | None:
        """Write one request on a connection from the pool; None when there is none, or the one there was is closed."""
        connection = self._pool.take_idle()
        if connection is None:
            return None
        connection.send(head, body, self._first_byte_ns, self._idle_ns, monotonic_ns() + self._total_ns)
        return connection

    async def send_fresh(self, head: bytes, body: bytes | None) -> ProviderConn:
        """Write one request on a new connection.

        Raises:
            GatewayError: 502 ``provider_unreachable``, 503 ``provider_busy``, 504 ``provider_connect_timeout``.
        """
        started_ns = monotonic_ns()
        connection = await self._open(started_ns)
        connection.send(head, body, self._first_byte_ns, self._idle_ns, started_ns + self._total_ns)
        return connection

    def close(self) -> None:
        """Let go of idle connections; those in use end with their call."""
        self._pool.close()

    async def _open(self, started_ns: int) -> ProviderConn:
        # The lane is no task, and asyncio.timeout wants one: so opening is a task, which also outlives a caller who has gone.
        opening = tasks.spawn(self._connect(started_ns), f"connect {self.settings.name}", awaited=True)
        try:
            return await opening
        except BaseException:
            opening.add_done_callback(_keep_unwanted)
            raise

    async def _connect(self, started_ns: int) -> ProviderConn:
        settings = self.settings
        try:
            async with asyncio.timeout((started_ns + settings.connect_timeout_ns - monotonic_ns()) / 1e9):
                while self.open_connections >= settings.max_connections:
                    waiting = asyncio.get_running_loop().create_future()
                    self._waiting.append(waiting)
                    try:
                        await waiting
                    except asyncio.CancelledError:
                        if waiting in self._waiting:
                            self._waiting.remove(waiting)
                        else:
                            self._connection_freed()  # it was this one's turn: the next takes it
                        raise
                    if (connection := self._pool.take_idle()) is not None:
                        return connection
        except TimeoutError:
            raise GatewayError(
                "provider_busy",
                f"all {settings.max_connections} connections to provider `{settings.name}` are in use",
                status=503,
                source="upstream",
                retry="other_target",
            ) from None
        return await self._dial(started_ns)

    async def _dial(self, started_ns: int) -> ProviderConn:
        settings = self.settings
        connection = None
        self._opening += 1
        try:
            async with asyncio.timeout(max(started_ns + settings.connect_timeout_ns - monotonic_ns(), 1_000_000) / 1e9):
                _, connection = await asyncio.get_running_loop().create_connection(
                    cast("Callable[[], asyncio.BaseProtocol]", self._pool.connection),
                    settings.host,
                    settings.port,
                    ssl=self._tls,
                )
        except TimeoutError:
            raise GatewayError(
                "provider_connect_timeout",
                f"provider `{settings.name}` did not accept a connection in time",
                status=504,
                source="upstream",
                retry="other_target",
            ) from None
        except (OSError, ssl.SSLError) as error:
            raise GatewayError(
                "provider_unreachable",
                f"provider `{settings.name}` cannot be reached: {_reason(error)}",
                status=502,
                source="upstream",
                retry="other_target",
                detail=str(error),
            ) from error
        finally:
            self._opening -= 1
            if connection is None:
                self._connection_freed()  # the room that it was to take
        return cast("ProviderConn", connection)

    def _connection_freed(self) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return


def _keep_unwanted(opening: asyncio.Task[ProviderConn]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().give_back()


def _reason(error: OSError) -> str:
    """The kind of failure, without addresses of the operator's network."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return "the TLS handshake failed"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ConnectionResetError):
        return "connection reset"
    return "no connection"


def _tls_context(settings: AccountSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ca_file or None)
    context.set_alpn_protocols(["http/1.1"])
    return context
