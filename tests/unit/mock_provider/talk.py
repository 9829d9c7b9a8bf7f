"""Talks to a mock in the test's own process: raw bytes out and in, read by h11 where they are meant to be HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import h11
import msgspec
import orjson

from fastgw.mock_provider.answer import Answer, Call
from fastgw.mock_provider.faults import read_directives
from fastgw.mock_provider.server import RunningMock, start
from fastgw.mock_provider.service import Options

T = TypeVar("T")
CHAT = "/v1/chat/completions"
HELLO = {"model": "mock-small", "messages": [{"role": "user", "content": "hello there"}]}
ANTHROPIC = {"anthropic-version": "2023-06-01"}


class Reply(msgspec.Struct):
    """An answer; ``raw`` is what came over the wire, ``body`` without its framing."""

    status: int
    headers: dict[str, str]
    body: bytes
    raw: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The decoded ``data:`` lines, ``[DONE]`` as text."""
        data = [line[6:] for line in self.body.split(b"\n") if line.startswith(b"data: ")]
        return ["[DONE]" if line == b"[DONE]" else orjson.loads(line) for line in data]


def with_mock(talk: Callable[[RunningMock], Awaitable[T]], options: Options | None = None) -> T:
    """What ``talk`` returns, given a mock that runs for as long as it does."""

    async def run() -> T:
        mock = await start("127.0.0.1", 0, options or Options())
        try:
            async with asyncio.timeout(30):
                return await talk(mock)
        finally:
            await mock.stop()

    return asyncio.run(run())


def encode_request(
    path: str, payload: Any, headers: dict[str, str] | None = None, *, method: str = "POST", close: bool = True
) -> bytes:
    body = b"" if payload is None else payload if isinstance(payload, bytes) else orjson.dumps(payload)
    fields = {"host": "mock", "content-length": str(len(body)), **(headers or {})}
    if close:
        fields["connection"] = "close"
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def exchange(mock: RunningMock, request: bytes) -> bytes:
    """Everything the mock answers to ``request`` until it closes. Raises :class:`ConnectionResetError` on RST."""
    reader, writer = await asyncio.open_connection("127.0.0.1", mock.port)
    try:
        writer.write(request)
        return await reader.read()
    finally:
        writer.close()


async def exchange_until_reset(mock: RunningMock, request: bytes) -> tuple[bytes, bool]:
    """What arrived, and whether it ended with RST and not with FIN."""
    reader, writer = await asyncio.open_connection("127.0.0.1", mock.port)
    received = b""
    try:
        writer.write(request)
        while data := await reader.read(65536):
            received += data
    except ConnectionResetError:
        return received, True
    finally:
        writer.close()
    return received, False


def read_reply(raw: bytes) -> Reply:
    """``raw`` as h11 reads it. Raises :class:`h11.RemoteProtocolError` when it is not one whole answer."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="POST", target="/", headers=[("host", "mock"), ("content-length", "0")]))
    client.send(h11.EndOfMessage())
    client.receive_data(raw)
    client.receive_data(b"")
    head = client.next_event()
    while isinstance(head, h11.InformationalResponse):
        head = client.next_event()
    assert isinstance(head, h11.Response), head
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage), event
    headers = {name.decode(): value.decode() for name, value in head.headers}
    return Reply(head.status_code, headers, body, raw)


async def post(mock: RunningMock, path: str, payload: Any, headers: dict[str, str] | None = None) -> Reply:
    return read_reply(await exchange(mock, encode_request(path, payload, headers)))


async def get(mock: RunningMock, path: str, headers: dict[str, str] | None = None) -> Reply:
    return read_reply(await exchange(mock, encode_request(path, None, headers, method="GET")))


def make_call(payload: dict[str, Any], asked: str = "") -> Call:
    """A call as the service hands it to a route."""
    model = payload.get("model", "mock-small")
    return Call(payload, model, read_directives(model, asked)[1], 7)


def join(answer: Answer) -> Reply:
    """The body of ``answer`` as one, for a route's test."""
    return Reply(answer.status, {}, b"".join(data for data, _ in answer.pieces), b"")
