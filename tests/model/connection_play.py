"""Two clients, a pool of provider connections and a handler between them, driven by random events, with what must hold.

* A client sees exactly what its handlers wrote, request after request; a request begins when the one before has ended.
* An answer relayed from a provider holds only bytes that were meant for this call, and ends cleanly only if they were all.
* When nobody holds anything back any more, every request that arrived whole has been answered: no wakeup is lost.
* Nothing is written after a connection is lost (the transport asserts it), every handler ends, no exception escapes.
* In the end no timer is listed, and no connection and no exchange is alive.
"""

from __future__ import annotations

import gc
import random
from collections import Counter
from functools import partial
from time import monotonic_ns
from typing import Any

from fastgw._native.client_conn import ClientConn
from fastgw._native.errors import ClientGone, ConnectionLost, NativeError
from fastgw._native.exchange import Exchange
from fastgw._native.lane import Wait
from fastgw._native.provider_conn import ProviderConn, ProviderPool
from tests.model.transport import SECOND, Door, FakeTransport, request

KINDS = ("echo", "wait", "early", "pieces", "crash", "abort", "relay", "relay", "relay")
INTERIM = (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 102 Processing\r\n\r\n")
NOISE = (
    b"\r\n",
    b"\r",
    b"\n",
    b"\0",
    b" ",
    b":",
    b"0",
    b"f",
    b"\xff",
    b"Content-Length: 3\r\n",
    b"Expect: 100-continue\r\n",
)


def mutate(rng: random.Random, text: bytes) -> bytes:
    """Some bytes lost, changed, doubled or thrown in."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(text) + 1)
        end = min(len(text), at + rng.randrange(12))
        text = rng.choice(
            (
                text[:at] + rng.choice(NOISE) + text[at:],
                text[:at] + text[end:],
                text[:at] + bytes([rng.randrange(256)]) + text[at + 1 :],
                text[:end] + text[at:],
                text[:at],
            )
        )
    return text


class Client:
    """A client who comes back when its connection is lost, the text it still sends, and what the handlers wrote to it."""

    def __init__(self, play: Play) -> None:
        self._play = play
        self.door = Door(partial(play.handle, self), keep_alive_ns=2 * SECOND, max_body_bytes=200_000)
        self.connect()

    def connect(self) -> None:
        rng = self._play.rng
        self.door.handed.clear()
        self.written: list[bytes] = []
        self.busy = False
        self.text = b"".join(self._request(rng) for _ in range(rng.randrange(1, 6)))
        if rng.random() < self._play.mutated:
            self.text = mutate(rng, self.text)
        self.transport = self.door.connect(stalled=rng.random() < 0.3, half_close=rng.random() < 0.8)

    def receive(self, size: int) -> None:
        if self.text and self.transport.reading and not self.door.handed:
            piece, self.text = self.text[:size], self.text[size:]
            self.transport.receive(piece)

    @staticmethod
    def _request(rng: random.Random) -> bytes:
        body = b"b" * rng.choice((0, 1, 5, 5, 300, 70_000))
        path = b"/v1/x?" + rng.choice(KINDS).encode() if rng.random() < 0.95 else b"/elsewhere"
        lines = rng.choice((b"", b"", b"Expect: 100-continue\r\n", b"Connection: close\r\n"))
        if rng.random() < 0.6:
            return request(body, path=path, headers=lines, version=rng.choice((b"1.1", b"1.1", b"1.0")))
        head = b"POST " + path + b" HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n" + lines + b"\r\n"
        size = rng.randrange(1, 9)
        pieces = [body[at : at + size] for at in range(0, min(len(body), 60), size)] + [body[60:]]
        return head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece) + b"0\r\n\r\n"

    def check(self) -> None:
        seen = [data for data in self.transport.writes + self.transport.late_writes if data not in INTERIM]
        if seen and seen[-1].startswith(b"refused "):
            seen.pop()
        assert seen == self.written


class Call:
    """A provider connection and the answers that are still to come on it."""

    def __init__(self, conn: ProviderConn) -> None:
        self.conn = conn
        self.transport = FakeTransport(conn)
        self.text = b""
        self.whole = False
        self.until_close = False


class Play:
    """One play, a function of the random numbers. ``mutated`` is the share of texts that are damaged."""

    def __init__(self, rng: random.Random, mutated: float) -> None:
        self.rng = rng
        self.mutated = mutated
        self.seen: Counter[str] = Counter()
        self.running = 0
        self.calls: dict[ProviderConn, Call] = {}
        self.waits: list[Wait] = []
        self.clients = [Client(self) for _ in range(2)]
        self.pool = ProviderPool(
            self.clients[0].door.wheel, max_idle=rng.choice((0, 1, 9)), idle_connection_ns=3 * SECOND
        )

    # --- the handler -------------------------------------------------------------------------------------------------

    async def handle(self, client: Client, exchange: Exchange) -> None:
        assert not client.busy, "a request began before the one ahead of it had ended"
        client.busy = True
        self.running += 1
        kind = exchange.head.target.partition(b"?")[2].decode("latin-1")
        try:
            await self._serve(client, exchange, kind)
            self.seen[f"ended {kind}"] += 1
        except ClientGone:
            assert exchange.gone
            self.seen["gone"] += 1
        except NativeError as error:
            self.seen[type(error).__name__] += 1
            if exchange.started:
                self._abort(client, exchange)
            else:
                self._reply(client, exchange, b"[error]")
        finally:
            self.running -= 1

    async def _serve(self, client: Client, exchange: Exchange, kind: str) -> None:
        if kind == "early":
            self._reply(client, exchange, b"[early]")
            return
        if kind == "crash":
            client.busy = False
            raise KeyError(kind)
        body = exchange.take_whole()
        if body is None:
            body = await exchange.body()
        if kind == "abort":
            self._abort(client, exchange)
        elif kind == "wait":
            self.waits.append(Wait())
            self._reply(client, exchange, await self.waits[-1])
        elif kind == "pieces":
            await self._pieces(client, exchange)
        elif kind == "relay":
            await self._relay(client, exchange, body)
        else:
            self._reply(client, exchange, b"[%d]" % len(body))

    async def _pieces(self, client: Client, exchange: Exchange) -> None:
        chunked = self._start(client, exchange)
        for size in (1, 66_000, 500):
            self._send(client, exchange, b"d" * size, chunked)
            if self.rng.random() < 0.5:
                await exchange.room()
        self._finish(client, exchange, chunked)

    async def _relay(self, client: Client, exchange: Exchange, body: bytes) -> None:
        name = b"%d" % self.rng.randrange(1 << 40)
        payload = b""
        while True:
            conn = self.pool.take_idle()
            if conn is None:
                conn = self.pool.connection()
                self.calls[conn] = Call(conn)
            call = self.calls[conn]
            try:
                conn.send(name, body, SECOND, SECOND, monotonic_ns() + 20 * SECOND)
                payload = self._answer(call, name)
                await conn.headed()
                break
            except ConnectionLost as lost:
                conn.release()
                if not lost.stale:
                    raise
            except BaseException:
                conn.release()
                raise
        try:
            await self._pass_on(client, exchange, call, payload)
        finally:
            conn.release()

    async def _pass_on(self, client: Client, exchange: Exchange, call: Call, payload: bytes) -> None:
        limit_bytes = self.rng.choice((0, 100_000))
        whole = call.conn.take_whole(limit_bytes)
        if whole is None:
            whole = await call.conn.body(limit_bytes)
        if whole is not None:
            assert whole == payload or not call.whole
            self._reply(client, exchange, b"[" + whole + b"]")
            return
        chunked = self._start(client, exchange)
        got = b""
        while (chunk := await call.conn.chunk()) is not None:
            got += chunk
            assert got == payload[: len(got)] or not call.whole, "bytes of another call"
            self._send(client, exchange, chunk, chunked)
            if exchange.slow:
                await exchange.room()
        assert got == payload or not call.whole
        self._finish(client, exchange, chunked)

    def _answer(self, call: Call, name: bytes) -> bytes:
        payload = (b"p" + name + b";") * self.rng.choice((0, 1, 40, 12_000))
        framing = self.rng.randrange(4)
        text = b"HTTP/1.1 100 Continue\r\n\r\n" * (framing == 3) + b"HTTP/1.1 200 OK\r\n"
        if framing == 0:
            text += b"Transfer-Encoding: chunked\r\n\r\n"
            text += b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (payload[:7], payload[7:]) if part)
            text += b"0\r\n\r\n"
        elif framing == 1:
            text += b"\r\n" + payload
        else:
            text += b"Content-Length: %d\r\n\r\n%s" % (len(payload), payload)
        call.until_close = framing == 1
        call.whole = self.rng.random() >= self.mutated
        call.text = text if call.whole else mutate(self.rng, text)
        return payload

    # --- a model of what an exchange writes --------------------------------------------------------------------------

    def _note(self, client: Client, exchange: Exchange, *data: bytes) -> None:
        if not exchange.gone and not exchange.finished:
            client.written += data

    def _reply(self, client: Client, exchange: Exchange, data: bytes) -> None:
        self._note(client, exchange, data)
        client.busy = False
        exchange.reply(data)

    def _start(self, client: Client, exchange: Exchange) -> bool:
        framing = self.rng.randrange(3)
        self._note(client, exchange, b"head;")
        exchange.start(b"head;", framing == 0, framing == 1)
        return framing == 0

    def _send(self, client: Client, exchange: Exchange, data: bytes, chunked: bool) -> None:
        if data:
            self._note(client, exchange, b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
        exchange.send(data)

    def _finish(self, client: Client, exchange: Exchange, chunked: bool) -> None:
        if chunked:
            self._note(client, exchange, b"0\r\n\r\n")
        client.busy = False
        exchange.finish()

    def _abort(self, client: Client, exchange: Exchange) -> None:
        client.busy = False
        exchange.abort()
        assert exchange.gone or client.transport.closing

    # --- events ------------------------------------------------------------------------------------------------------

    def step(self) -> None:
        rng = self.rng
        dice = rng.random()
        if dice < 0.4:
            self._client_event(rng.choice(self.clients))
        elif dice < 0.75 and self.calls:
            self._provider_event(rng.choice(list(self.calls.values())))
        elif dice < 0.85:
            self._turn()
        elif dice < 0.92:
            self._resolve()
        elif dice < 0.94:
            seconds = rng.choice((0.02,) * 12 + (0.3, 0.3, 1.1, 2.1, 61))
            for client in self.clients:
                client.door.wait(seconds)

    def _turn(self) -> None:
        for client in self.clients:
            client.door.loop.run()
            client.transport.settle()
            if client.transport.lost or client.door.handed:
                client.check()
                client.transport.lose()
                client.connect()
        for conn, call in list(self.calls.items()):
            call.transport.settle()
            if call.transport.lost:
                del self.calls[conn]

    def _resolve(self) -> None:
        if self.waits:
            self.waits.pop(self.rng.randrange(len(self.waits))).resolve(b"[waited]")

    def _client_event(self, client: Client) -> None:
        dice = self.rng.random()
        if dice < 0.85:
            client.receive(self.rng.choice((1, 7, 60, 400, 100_000)))
        elif dice < 0.97:
            client.transport.flush()
        elif dice < 0.98:
            client.transport.end()
        else:
            client.transport.lose(self.rng.choice((None, ConnectionResetError())))

    def _provider_event(self, call: Call) -> None:
        dice = self.rng.random()
        if dice < 0.96:
            self._provide(call, self.rng.choice((1, 30, 1000, 65536, 1 << 20)))
        elif dice < 0.98:
            call.whole = call.whole and not call.text
            call.transport.end()
        else:
            call.transport.lose(self.rng.choice((None, ConnectionResetError())))

    @staticmethod
    def _provide(call: Call, size: int) -> None:
        if not call.transport.reading:
            return
        if not call.text:
            if call.until_close:
                call.transport.end()
            return
        piece, call.text = call.text[:size], call.text[size:]
        got = call.transport.delivered_bytes
        if not call.transport.receive(piece):
            call.text = piece[call.transport.delivered_bytes - got :] + call.text

    def calm(self) -> None:
        """Nobody holds anything back any more, and no time passes."""
        for _ in range(60):
            for client in self.clients:
                client.transport.stalled = False
                client.transport.flush()
                client.receive(1 << 20)
                client.door.loop.run()
            for call in list(self.calls.values()):
                self._provide(call, 1 << 20)
                call.transport.settle()
            while self.waits:
                self._resolve()
        if not self.mutated:
            assert all(client.transport.closing or not client.busy for client in self.clients), "a wakeup was lost"

    def finish(self) -> None:
        """Everybody goes, and what must hold in the end is looked at."""
        self.calm()
        for client in self.clients:
            client.transport.lose()
            client.door.loop.run()
            client.check()
            assert all(type(error) is KeyError for error in client.door.crashes)
            assert client.door.port.connections == client.door.port.in_flight == 0
        assert self.running == 0, "a handler did not end"
        self.pool.close()
        for call in self.calls.values():
            call.transport.settle()
            call.transport.lose()
        assert self.pool.open == self.pool.idle == 0
        assert self.clients[1].door.wheel.listed == self.clients[0].door.wheel.listed == 0


def alive() -> dict[str, int]:
    """How many native objects of a request there are."""
    gc.collect()
    found: list[Any] = gc.get_objects()
    return {kind.__name__: sum(type(one) is kind for one in found) for kind in (ClientConn, Exchange, ProviderConn)}


def play(rng: random.Random, mutated: float, steps: int = 400) -> Counter[str]:
    """Play once; what happened, counted."""
    found = Play(rng, mutated)
    for _ in range(steps):
        found.step()
    found.finish()
    return found.seen
