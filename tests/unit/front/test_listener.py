"""The front door: settings of a connection, its counters, and how it is closed."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

import pytest

from fastgw._native.exchange import Exchange
from fastgw._native.lane import Wait
from fastgw._native.timers import TimerWheel
from fastgw.front.config import ServerConfig
from fastgw.front.listener import FrontDoor
from tests.model.transport import FakeLoop, FakeTransport, request

PATH = b"/v1/chat/completions"


class Stage:
    """A front door on fake transports whose calls wait until the test answers them."""

    def __init__(self, **settings: Any) -> None:
        self.loop = FakeLoop()
        self.wheel = TimerWheel()
        self.wheel.start(self.loop)  # type: ignore[arg-type]
        self.exchanges: list[Exchange] = []
        self.answer = Wait()
        self.handed: list[bytes] = []
        self.door = FrontDoor(self.serve, lambda _, received: self.handed.append(received), self.wheel)
        self.door.configure(ServerConfig(**settings))

    async def serve(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        exchange.reply(await self.answer)

    def connect(self) -> FakeTransport:
        return FakeTransport(self.door._accept())


def test_the_fast_lane_serves_its_paths_and_hands_the_rest_over() -> None:
    stage = Stage()
    client = stage.connect()
    client.receive(request(b"{}", path=PATH + b"?x=1"))
    assert stage.exchanges[0].endpoint.operation == "chat"
    assert (stage.door.connections, stage.door.in_flight) == (1, 1)
    stage.answer.resolve(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    assert (client.sent[-4:], stage.door.in_flight) == (b"\r\n\r\n", 0)
    other = stage.connect()
    other.receive(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    assert stage.handed == [b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"]
    assert stage.door.connections == 1


def test_bytes_that_are_no_request_are_refused_and_counted() -> None:
    stage = Stage()
    stage.connect().receive(b"\x00\x01\r\n\r\n")
    client = stage.connect()
    client.receive(request(path=PATH, version=b"3.0"))
    assert client.sent.startswith(b"HTTP/1.1 400 ")
    assert stage.door.malformed == 2
    assert stage.exchanges == []


def test_a_connection_keeps_the_settings_it_was_accepted_under() -> None:
    stage = Stage(max_head_kib=1)
    before = stage.connect()
    stage.door.configure(ServerConfig(max_head_kib=8))
    after = stage.connect()
    assert stage.door.connections == 2
    large = request(path=PATH, headers=b"x: " + b"y" * 2000 + b"\r\n")
    before.receive(large)
    after.receive(large)
    assert before.sent.startswith(b"HTTP/1.1 431 ")
    assert after.sent == b""
    assert (len(stage.exchanges), stage.door.in_flight) == (1, 1)


def test_what_old_settings_refused_still_counts() -> None:
    stage = Stage()
    client = stage.connect()
    client.receive(b"nonsense\r\n\r\n")
    client.lose()
    for _ in range(3):
        stage.door.configure(ServerConfig())
    assert (stage.door.malformed, stage.door.connections) == (1, 0)


def test_the_limit_of_connections() -> None:
    stage = Stage(max_connections=1)
    stage.connect()
    refused = stage.connect()
    assert refused.sent.startswith(b"HTTP/1.1 503 ")
    assert b"too_many_connections" in refused.sent


def test_a_crashed_lane_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    client = stage.connect()
    client.receive(request(b"{}", path=PATH))
    with caplog.at_level(logging.ERROR, "fastgw.front"):
        stage.answer.reject(RuntimeError("bug"))
    assert "lane crashed" in caplog.text
    assert client.closing


def test_draining_lets_calls_finish_and_closes_idle_connections() -> None:
    stage = Stage()
    idle, busy = stage.connect(), stage.connect()
    busy.receive(request(b"{}", path=PATH))

    async def main() -> None:
        asyncio.get_running_loop().call_later(
            0.02, stage.answer.resolve, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
        )
        await stage.door.drain(10)

    asyncio.run(main())
    assert idle.closing
    assert busy.sent.startswith(b"HTTP/1.1 200 OK")
    assert stage.door.in_flight == 0


def test_draining_does_not_wait_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    client = stage.connect()
    client.receive(request(b"{}", path=PATH))
    with caplog.at_level(logging.WARNING, "fastgw.front"):
        asyncio.run(stage.door.drain(0))
    assert client.aborted
    assert "closing 1 unfinished requests" in caplog.text


def test_it_listens_and_after_draining_no_more() -> None:
    async def main() -> tuple[bytes, type[BaseException] | None]:
        wheel = TimerWheel()
        wheel.start(asyncio.get_running_loop())

        async def serve(exchange: Exchange) -> None:
            exchange.reply(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n" + await exchange.body())

        door = FrontDoor(serve, lambda transport, _: transport.abort(), wheel)
        door.configure(ServerConfig())
        listening = socket.create_server(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        await door.open(listening)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(b"{}", path=PATH))
        got = await reader.readuntil(b"{}")
        await door.drain(1)
        assert await reader.read() == b""
        writer.close()
        wheel.stop()
        try:
            await asyncio.open_connection("127.0.0.1", port)
        except OSError as error:
            return got, type(error)
        return got, None

    got, refused = asyncio.run(main())
    assert got.endswith(b"\r\n\r\n{}")
    assert refused is ConnectionRefusedError
