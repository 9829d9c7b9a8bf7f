"""The two sides of a relay for tests of either: what a client's requests are served by, and a provider that is called.

Both record what reaches them; the test decides when they go on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import monotonic_ns
from typing import Any

from fastgw._native.errors import ClientGone
from fastgw._native.exchange import Exchange
from fastgw._native.lane import Lane, Wait
from fastgw._native.provider_conn import ProviderPool
from fastgw._native.timers import TimerWheel
from tests.model.transport import SECOND, FakeTransport

HTTP_OK = b"HTTP/1.1 200 OK\r\n"
PLAIN_ANSWER = HTTP_OK + b"Content-Length: 5\r\n\r\nhello"


class Upstream:
    """Reads the body of each request, and answers when the test says so."""

    def __init__(self) -> None:
        self.begun: list[bytes] = []
        self.gone = 0
        self.answer = Wait()
        self.exchanges: list[Exchange] = []

    async def handle(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        try:
            self.begun.append(await exchange.body())
            self.answer = Wait()
            exchange.reply(await self.answer)
        except ClientGone:
            self.gone += 1
        except Exception as error:
            exchange.reply(b"%s;" % type(error).__name__.encode())


async def echo(exchange: Exchange) -> None:
    exchange.reply(b"<" + await exchange.body() + b">")


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
        self.conn.send(b"request;", rest, 10 * SECOND, 5 * SECOND, total_ns)

    def ask(self, *wanted: Callable[[], Awaitable[object]]) -> None:
        """Await these, one after the other, in a lane of their own."""

        async def work() -> None:
            for want in wanted:
                try:
                    found = await want()
                except Exception as error:
                    self.got.append(error)
                else:
                    self.got.append(found)

        Lane(print).start(work())

    async def headed(self) -> int:
        await self.conn.headed()
        return self.conn.head.status

    def errors(self) -> list[Any]:
        return [getattr(found, "which", type(found)) if isinstance(found, Exception) else found for found in self.got]

    def all(self) -> None:
        """Ask for the head and then for chunks until the end."""

        async def work() -> None:
            try:
                self.got.append(await self.headed())
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
