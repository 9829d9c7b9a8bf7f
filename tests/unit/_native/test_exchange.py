"""The exchange: the body of a request, and the rules of an answer."""

from __future__ import annotations

import pytest

from fastgw._native.exchange import Exchange
from tests.model.transport import Door, FakeTransport, request

CHUNKED = b"POST /v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def begin_reading(text: bytes, times: int = 1) -> tuple[Door, FakeTransport, list[object]]:
    """An exchange whose handler reads the body, and says what it got."""
    got: list[object] = []

    async def handle(exchange: Exchange) -> None:
        for _ in range(times):
            try:
                got.append(await exchange.body())
            except Exception as error:
                got.append(type(error))

    door = Door(handle)
    client = door.connect()
    client.receive(text)
    return door, client, got


@pytest.mark.parametrize("text", [request(b"abc"), CHUNKED + b"3\r\nabc\r\n0\r\n\r\n"])
def test_a_body_that_came_behind_its_head_wakes_who_waits_for_it(text: bytes) -> None:
    for cut in range(text.index(b"\r\n\r\n") + 4, len(text) + 1):
        _, client, got = begin_reading(text[:cut], times=2)
        client.receive(text[cut:])
        assert got == [b"abc", b"abc"], cut
