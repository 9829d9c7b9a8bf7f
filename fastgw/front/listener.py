"""The front door: connections of clients, the fast lane's from their first byte to their last, all others handed over.

Invariant: a connection belongs to the settings that it was accepted under; a reload changes the settings of later ones.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from typing import Any, cast

from fastgw._native.client_conn import ClientConn
from fastgw._native.exchange import ClientPort, Exchange
from fastgw._native.timers import TimerWheel
from fastgw.front.config import ServerConfig
from fastgw.front.endpoints import ENDPOINTS
from fastgw.front.respond import malformed_response

DRAIN_POLL_S = 0.05
_log = logging.getLogger("fastgw.front")

HandOver = Callable[[asyncio.Transport, bytes], None]
Serve = Callable[[Exchange], Coroutine[Any, Any, None]]


class FrontDoor:
    """Accepts connections on a listening socket and gives their requests to ``serve``."""

    def __init__(self, serve: Serve, hand_over: HandOver, wheel: TimerWheel) -> None:
        self._serve = serve
        self._hand_over = hand_over
        self._wheel = wheel
        self._ports: list[ClientPort] = []
        self._server: asyncio.Server | None = None
        self._malformed = 0

    def configure(self, config: ServerConfig) -> None:
        """Settings for the connections that come from now on."""
        self._malformed += sum(port.refused for port in self._ports if not port.connections)
        self._ports = [port for port in self._ports if port.connections]
        self._ports.append(
            ClientPort(
                routes=dict(ENDPOINTS),
                handle=self._serve,
                refuse=malformed_response,
                hand_over=self._hand_over,
                on_crash=_report_crash,
                wheel=self._wheel,
                max_head_bytes=config.max_head_bytes,
                max_headers=config.max_headers,
                max_body_bytes=config.max_body_bytes,
                max_connections=config.max_connections,
                head_timeout_ns=config.head_timeout_ns,
                body_timeout_ns=config.body_timeout_ns,
                keep_alive_ns=config.keep_alive_ns,
                write_timeout_ns=config.write_timeout_ns,
            )
        )

    async def open(self, listening: socket.socket) -> None:
        """Accept connections. ``configure`` has been called."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            cast("Callable[[], asyncio.Protocol]", self._accept), sock=listening, backlog=4096
        )

    def _accept(self) -> ClientConn:
        return ClientConn(self._ports[-1])

    @property
    def connections(self) -> int:
        """Open connections of the fast lane."""
        return sum(port.connections for port in self._ports)

    @property
    def in_flight(self) -> int:
        """Requests being served."""
        return sum(port.in_flight for port in self._ports)

    @property
    def malformed(self) -> int:
        """Connections refused before a request was understood, since the start."""
        return self._malformed + sum(port.refused for port in self._ports)

    async def drain(self, within_s: float) -> None:
        """Accept no more, let requests finish, then close what is left."""
        if self._server is not None:
            self._server.close()
        for port in self._ports:
            port.drain()
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + within_s
        while self.in_flight and loop.time() < ends_at:  # noqa: ASYNC110 - the count lives in native code, which wakes nobody
            await asyncio.sleep(DRAIN_POLL_S)
        left = self.in_flight
        if left:
            _log.warning("closing %d unfinished requests after %.1f s of draining", left, within_s)
        for port in self._ports:
            port.abort()


def _report_crash(error: BaseException) -> None:
    _log.error("a request's lane crashed", exc_info=error)
