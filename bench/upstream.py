"""The mock provider of the benches: fixed answers, as few instructions as Python allows, over http and https.

A request whose body says ``"stream":true`` gets 32 events, one write each, ``pace_ms`` apart: a contender that keeps up
reads 32 times, as from a real model. With a pace of 0 an event goes out each turn of the loop, and reads run together
when a contender is slow, which makes the slow one look better. It checks framing and nothing else, and keeps no bill
(that is what ``fastgw mock-provider`` does).

    python -m bench.upstream --port 9000 [--tls-port 9001 --certificate cert.pem --key key.pem] [--pace-ms 1]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import ssl

import uvloop
from typing_extensions import override

from bench.framing import FramingError, MessageReader
from bench.payloads import LARGE_FROM_BYTES, plain_answer, stream_writes

SMALL_ANSWER = plain_answer(1024)
LARGE_ANSWER = plain_answer(20_480)
STREAM = stream_writes()


class UpstreamProtocol(asyncio.Protocol):
    """One connection. Requests are answered in order; a request during a stream is a fault of the peer and ends it."""

    __slots__ = ("_loop", "_next", "_pace_s", "_reader", "_transport")

    def __init__(self, loop: asyncio.AbstractEventLoop, pace_s: float) -> None:
        self._loop = loop
        self._pace_s = pace_s
        self._reader = MessageReader()
        self._transport: asyncio.Transport | None = None
        self._next = 0

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream protocol gets a Transport

    @override
    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None

    @override
    def data_received(self, data: bytes) -> None:
        transport = self._transport
        if transport is None:
            return
        try:
            messages = self._reader.feed(data)
        except FramingError:
            transport.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            transport.close()
            return
        for _, body in messages:
            if self._next:
                transport.abort()
                return
            if b'"stream":true' in body or b'"stream": true' in body:
                self._write_event()
            else:
                transport.write(LARGE_ANSWER if len(body) >= LARGE_FROM_BYTES else SMALL_ANSWER)

    def _write_event(self) -> None:
        if self._transport is None:
            return
        self._transport.write(STREAM[self._next])
        self._next += 1
        if self._next == len(STREAM):
            self._next = 0
        elif self._pace_s:
            self._loop.call_later(self._pace_s, self._write_event)
        else:
            self._loop.call_soon(self._write_event)


async def serve(port: int, tls_port: int, certificate: str, key: str, pace_ms: int) -> None:
    """Listen on loopback until cancelled."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(lambda: UpstreamProtocol(loop, pace_ms / 1000), "127.0.0.1", port)]
    if tls_port:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        servers.append(
            await loop.create_server(lambda: UpstreamProtocol(loop, pace_ms / 1000), "127.0.0.1", tls_port, ssl=context)
        )
    gc.freeze()
    gc.disable()
    await asyncio.gather(*(server.serve_forever() for server in servers))


def main() -> None:
    parser = argparse.ArgumentParser(description="mock provider of the benches")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tls-port", type=int, default=0)
    parser.add_argument("--certificate", default="")
    parser.add_argument("--key", default="")
    parser.add_argument("--pace-ms", type=int, default=1)
    options = parser.parse_args()
    uvloop.run(serve(options.port, options.tls_port, options.certificate, options.key, options.pace_ms))


if __name__ == "__main__":
    main()
