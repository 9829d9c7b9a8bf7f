"""The mock upstream: right answers, one write an event, and no patience with bad framing."""

from __future__ import annotations

import asyncio

from typing_extensions import override

from bench.payloads import plain_answer, request_body, request_prefix, request_suffix, stream_writes
from bench.upstream import UpstreamProtocol


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.ended = ""

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    @override
    def close(self) -> None:
        self.ended = "closed"

    @override
    def abort(self) -> None:
        self.ended = "aborted"


def make_request(size: int, *, streamed: bool) -> bytes:
    body = request_body(size, streamed=streamed)
    return request_prefix("a", "k", body) + b"1" + request_suffix(body)


def talk(*pieces: bytes, turns: int = 0) -> Transport:
    async def run() -> Transport:
        protocol, transport = UpstreamProtocol(asyncio.get_running_loop(), 0), Transport()
        protocol.connection_made(transport)
        for piece in pieces:
            protocol.data_received(piece)
        for _ in range(turns):
            await asyncio.sleep(0)
        protocol.connection_lost(None)
        return transport

    return asyncio.run(run())


def test_answer_has_the_size_of_the_request() -> None:
    small, large = make_request(1024, streamed=False), make_request(20_480, streamed=False)
    assert talk(small, large[:9_000], large[9_000:]).writes == [plain_answer(1024), plain_answer(20_480)]


def test_a_stream_is_one_write_a_turn() -> None:
    request = make_request(1024, streamed=True)
    assert talk(request).writes == stream_writes()[:1]
    assert talk(request, turns=5).writes == stream_writes()[:6]
    assert talk(request, turns=100).writes == stream_writes()


def test_a_request_during_a_stream_ends_the_connection() -> None:
    request = make_request(1024, streamed=True)
    assert talk(request, request).ended == "aborted"


def test_bad_framing_is_refused() -> None:
    transport = talk(b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n")
    assert transport.writes[0].startswith(b"HTTP/1.1 400 ")
    assert transport.ended == "closed"
