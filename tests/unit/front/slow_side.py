"""The slow lane behind a front door on loopback, and what a client that sends raw bytes gets of it."""

from __future__ import annotations

import asyncio
import socket

import orjson
from aiohttp import web

from fastgw._native.exchange import Exchange
from fastgw._native.timers import TimerWheel
from fastgw.front.config import ServerConfig
from fastgw.front.listener import FrontDoor
from fastgw.front.slow_lane import SlowLane
from tests.unit.gateway.playbook import Reply, read_reply


def request(method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> bytes:
    """A request of the slow lane."""
    lines = {"host": "gw", **({"content-length": str(len(body))} if body else {}), **(headers or {})}
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return head.encode() + b"\r\n" + body


def talk(routes: web.RouteTableDef, *requests: bytes, max_body_bytes: int = 1000) -> list[Reply]:
    """Each request on a connection of its own, read until the gateway closes it."""

    async def main() -> list[Reply]:
        wheel = TimerWheel()
        wheel.start(asyncio.get_running_loop())
        slow = SlowLane([routes], max_body_bytes)
        await slow.start()
        door = FrontDoor(_serve, slow.hand_over, wheel)
        door.configure(ServerConfig())
        listening = socket.create_server(("127.0.0.1", 0))
        await door.open(listening)
        try:
            async with asyncio.timeout(10):
                return [await _ask(listening.getsockname()[1], data) for data in requests]
        finally:
            await door.drain(0)
            await slow.stop()
            wheel.stop()

    return asyncio.run(main())


async def _ask(port: int, data: bytes) -> Reply:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    received = await reader.read(-1)
    writer.close()
    return read_reply(received, ended=True)


async def _serve(exchange: Exchange) -> None:
    exchange.reply(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\nfast")


def code_of(reply: Reply) -> str:
    """The code of a refusal in either dialect."""
    error = orjson.loads(reply.body)["error"]
    code: str = error["details"]["error_code"] if "details" in error else error["code"]
    return code
