"""A body that comes after its head, in any pieces, wakes the coroutine that waits for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fastgw._native.client_conn import ClientConn
from fastgw._native.exchange import ClientPort, Exchange
from fastgw._native.timers import TimerWheel

PATH = b"/v1/chat/completions"
LONG_NS = 60_000_000_000


class Transport:
    """As much of a transport as a connection asks for."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False


def connect(bodies: list[bytes]) -> tuple[ClientConn, Transport]:
    async def handle(exchange: Exchange) -> None:
        bodies.append(await exchange.body())
        exchange.reply(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    def fail(*arguments: Any) -> bytes:
        raise AssertionError(arguments)

    port = ClientPort(
        routes={PATH: "chat"},
        handle=handle,
        refuse=fail,
        hand_over=fail,
        on_crash=fail,
        wheel=TimerWheel(),
        max_head_bytes=65_536,
        max_headers=128,
        max_body_bytes=1 << 20,
        max_connections=10,
        head_timeout_ns=LONG_NS,
        body_timeout_ns=LONG_NS,
        keep_alive_ns=LONG_NS,
        write_timeout_ns=LONG_NS,
    )
    connection, transport = ClientConn(port), Transport()
    connection.connection_made(transport)  # type: ignore[arg-type] # a stand-in
    return connection, transport


HEAD = b"POST " + PATH + b" HTTP/1.1\r\nhost: a\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        [HEAD + b"content-length: 5\r\n\r\nhello"],
        [HEAD + b"content-length: 5\r\n\r\n", b"hello"],
        [HEAD + b"content-length: 5\r\n\r\n", b"he", b"llo"],
        [HEAD + b"content-length: 5\r\n\r\nhe", b"llo"],
        [HEAD + b"transfer-encoding: chunked\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n"],
        [HEAD + b"transfer-encoding: chunked\r\n\r\n", b"5\r\nhel", b"lo\r\n0\r\n\r\n"],
    ],
)
def test_the_body_arrives_with_its_head_or_later(pieces: list[bytes]) -> None:
    bodies: list[bytes] = []
    connection, transport = connect(bodies)

    for piece in pieces:
        connection.data_received(piece)

    assert bodies == [b"hello"]
    assert transport.written.startswith(b"HTTP/1.1 200")


def test_what_follows_a_late_body_is_the_next_request() -> None:
    async def serve() -> list[bytes]:
        bodies: list[bytes] = []
        connection, _ = connect(bodies)
        connection.data_received(HEAD + b"content-length: 5\r\n\r\n")
        connection.data_received(b"hello" + HEAD + b"content-length: 4\r\n\r\n")
        await asyncio.sleep(0)
        connection.data_received(b"next")
        return bodies

    assert asyncio.run(serve()) == [b"hello", b"next"]
