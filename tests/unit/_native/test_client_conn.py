"""The client connection and its port: requests in, in any pieces, and answers out, in their order."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from fastgw._native.client_conn import ClientConn
from fastgw._native.exchange import Exchange
from fastgw._native.lane import Wait
from tests.model.sides import Upstream, echo
from tests.model.transport import Door, FakeTransport, request

CHUNKED = b"POST /v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


# --- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        (request(b"abc"), b"<abc>"),
        (request(), b"<>"),
        (request(b"a" * 100_000), b"<" + b"a" * 100_000 + b">"),
        (CHUNKED + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nVary: a\r\n\r\n", b"<abcde>"),
        (CHUNKED + b"0\r\n\r\n", b"<>"),
        (request(b"a") + request(b"b") + request() + request(b"c"), b"<a><b><><c>"),
        (CHUNKED + b"1\r\na\r\n0\r\n\r\n" + request(b"b"), b"<a><b>"),
        (b"\r\n" + request(b"a"), b"<a>"),
    ],
)
def test_any_split_gives_the_same_answers(text: bytes, sent: bytes) -> None:
    cuts = range(len(text)) if len(text) < 1000 else (1, 50, 60, 62, 70, 40_000, len(text) - 1)
    for cut in cuts:
        door = Door(echo)
        client = door.connect()
        assert client.receive(text[:cut]) or cut == 0
        door.loop.run()
        assert client.receive(text[cut:])
        door.loop.run()
        assert client.sent == sent, cut
        assert client.is_open
        assert door.port.in_flight == 0
    door = Door(echo)
    client = door.connect()
    if len(text) < 1000:
        for at in range(len(text)):
            client.receive(text[at : at + 1])
            door.loop.run()
        assert client.sent == sent


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"POST /v1/x HTTP/3.0\r\nHost: a\r\n\r\n", 400),
        (b"POST /v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST /v1/x HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", 417),
        (b"POST /v1/x HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 5000, 431),
        (b"POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n", 413),
        (CHUNKED + b"zz", 400),
        (CHUNKED + b"200000\r\n", 413),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_closed(text: bytes, status: int) -> None:
    door = Door(echo)
    client = door.connect()
    client.receive(request(b"a") + text)
    assert client.sent == b"<a>refused %d;" % status
    assert door.refused == [(status, text)]
    assert door.port.refused == 1
    assert client.eof_written
    assert door.port.in_flight == 0
    client.receive(request(b"b"))
    assert client.sent == b"<a>refused %d;" % status, "nothing is served behind a refusal"


def test_a_broken_body_in_a_later_piece_is_the_handlers() -> None:
    for waits in (True, False):
        upstream = Upstream()
        door = Door(upstream.handle)
        client = door.connect()
        client.receive(CHUNKED)
        if waits:
            client.receive(b"3\r\nab")
        client.receive(b"3\r\nabXX" if not waits else b"cXX")
        client.receive(b"more of it")
        assert client.sent == b"HttpSyntaxError;"
        assert client.eof_written
        assert door.refused == []


@pytest.mark.parametrize(
    "text",
    [
        b"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /v1/x HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /elsewhere HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab",
    ],
)
@pytest.mark.parametrize("before", [b"", request(b"a")])
def test_what_is_not_the_fast_lanes_is_handed_over_whole(before: bytes, text: bytes) -> None:
    door = Door(echo)
    client = door.connect()
    half = len(text) // 2
    client.receive(before + text[:half])
    assert door.handed == []
    client.receive(text[half:])
    assert door.handed == [(client, text)]
    assert door.port.connections == 0
    door.wait(1000)
    assert client.is_open, "no deadline of ours is left on it"
    client.protocol = None
    gc.collect()
    assert door.wheel.listed == 0


def test_pipelined_requests_wait_bounded_for_the_one_in_flight() -> None:
    upstream = Upstream()
    door = Door(upstream.handle)
    client = door.connect()
    client.receive(request(b"a") + request(b"b"))
    client.receive(request(b"c")[:10])
    client.receive(request(b"c")[10:])
    assert upstream.begun == [b"a"]
    while client.reading:
        client.receive(request(b"y" * 1000))
    assert len(b"".join(upstream.begun)) == 1
    upstream.answer.resolve(b"1;")
    assert upstream.begun == [b"a"], "the next one does not begin inside the coroutine of the one before"
    door.loop.run()
    assert upstream.begun == [b"a", b"b"]
    upstream.answer.resolve(b"2;")
    door.loop.run()
    assert upstream.begun == [b"a", b"b", b"c"]
    assert client.sent == b"1;2;"
    while len(upstream.begun) < 60:
        upstream.answer.resolve(b".")
        door.loop.run()
    assert client.reading, "there is room again"


def test_bytes_that_come_before_a_pipelined_request_is_resumed() -> None:
    upstream = Upstream()
    door = Door(upstream.handle)
    client = door.connect()
    client.receive(request(b"a") + request(b"b"))
    upstream.answer.resolve(b"1;")
    client.receive(request(b"c"))
    assert upstream.begun == [b"a", b"b"]
    door.loop.run()
    upstream.answer.resolve(b"2;")
    door.loop.run()
    upstream.answer.resolve(b"3;")
    assert client.sent == b"1;2;3;"


@pytest.mark.parametrize("ending", ["drain", "eof", "lost"])
def test_a_pipelined_request_does_not_begin_on_a_connection_that_ends(ending: str) -> None:
    upstream = Upstream()
    door = Door(upstream.handle)
    client = door.connect()
    client.receive(request(b"a") + request(b"b"))
    upstream.answer.resolve(b"1;")
    if ending == "drain":
        door.port.drain()
    elif ending == "eof":
        client.end()
    else:
        client.lose()
    door.loop.run()
    assert upstream.begun == [b"a"], "its call would be paid for and nobody would get the answer"


def test_expectation_is_met_once_and_only_when_the_body_is_wanted() -> None:
    text = request(b"abc", headers=b"Expect: 100-continue\r\n")
    for cut, sent in (
        (len(text) - 3, b"HTTP/1.1 100 Continue\r\n\r\n<abc>"),
        (len(text) - 2, b"<abc>"),
        (len(text), b"<abc>"),
    ):
        door = Door(echo)
        client = door.connect()
        client.receive(text[:cut], text[cut:])
        assert client.sent == sent


def test_refused_before_the_body_was_asked_for() -> None:
    async def refuse(exchange: Exchange) -> None:
        assert not exchange.keep_alive, "the body still comes: this connection cannot be used again"
        exchange.reply(b"no;")

    door = Door(refuse)
    client = door.connect()
    client.receive(request(b"abc", headers=b"Expect: 100-continue\r\n")[:-3])
    assert client.sent == b"no;"
    assert client.eof_written
    assert client.receive(b"abc" + request(b"b"))
    assert client.sent == b"no;"
    client.end()
    client.settle()
    assert client.lost


# --- the port --------------------------------------------------------------------------------------------------------


def test_one_connection_too_many_is_told_so() -> None:
    door = Door(echo, max_connections=1)
    first = door.connect()
    second = door.connect()
    assert second.sent == b"refused 503;"
    assert second.eof_written
    second.receive(request(b"a"))
    assert second.sent == b"refused 503;"
    door.wait(1.1)
    assert second.aborted
    second.settle()
    assert door.port.connections == 1
    first.lose()
    third = door.connect()
    third.receive(request(b"a"))
    assert third.sent == b"<a>"


def test_drain_closes_idle_connections_at_once_and_others_after_their_answer() -> None:
    upstream = Upstream()
    door = Door(upstream.handle)
    idle, half, busy, late = (door.connect() for _ in range(4))
    half.receive(b"POST /v1")
    busy.receive(request(b"a") + request(b"b"))
    late.receive(request(b"abc")[:-1])
    assert (door.port.connections, door.port.in_flight, door.port.closing) == (4, 2, False)
    door.port.drain()
    assert door.port.closing
    assert [client.closing for client in (idle, half, busy, late)] == [True, True, False, False]
    assert not upstream.exchanges[0].keep_alive
    upstream.answer.resolve(b"1;")
    late.receive(b"c")
    upstream.answer.resolve(b"2;")
    door.loop.run()
    assert busy.sent == b"1;"
    assert busy.eof_written
    assert late.sent == b"2;"
    assert door.port.in_flight == 0
    for client in (idle, half, busy, late):
        client.end()
        client.settle()
        assert client.lost
    assert door.port.connections == door.wheel.listed == 0


@pytest.mark.parametrize(("chunked", "resets"), [(True, False), (False, True)])
def test_abort_cuts_so_that_nobody_takes_the_part_for_the_whole(chunked: bool, resets: bool) -> None:
    async def begin(exchange: Exchange) -> None:
        exchange.start(b"head;", chunked, not chunked)
        exchange.send(b"a part")
        await Wait()

    door = Door(begin)
    client, idle = door.connect(), door.connect()
    client.receive(request())
    door.port.abort()
    assert client.aborted
    assert idle.aborted
    assert client.socket.resets is resets
    assert not idle.socket.resets
    door.port.abort()
    client.settle()
    idle.settle()
    door.port.abort()
    assert door.port.connections == 0


def test_a_crash_is_reported_and_ends_the_connection() -> None:
    async def crash(exchange: Exchange) -> None:
        if await exchange.body() == b"later":
            exchange.start(b"head;", True)
        raise KeyError("a bug")

    door = Door(crash)
    now, later = door.connect(), door.connect()
    now.receive(request(b"now") + request(b"now"))
    later.receive(request(b"later")[:-1], b"r")
    assert [type(error) for error in door.crashes] == [KeyError] * 2
    for client, sent in ((now, b""), (later, b"head;")):
        assert client.sent == sent
        assert client.closing
        client.settle()
    assert door.port.connections == door.wheel.listed == 0


def count(kind: type[Any]) -> int:
    return sum(type(found) is kind for found in gc.get_objects())


def test_nothing_is_left_of_requests_and_connections() -> None:
    gc.collect()
    before = count(Exchange), count(ClientConn)
    gc.disable()
    try:
        door = Door(echo)
        client = door.connect()
        for _ in range(5):
            client.receive(request(b"abc"), request(b"abc")[:-1], b"c")
        assert count(Exchange) == before[0], "a request leaves no cycle"
        client.lose()
        client.protocol = None
        del client
        assert count(ClientConn) == before[1]
    finally:
        gc.enable()
    upstream = Upstream()
    door = Door(upstream.handle)
    client = door.connect()
    client.receive(request(b"a"))
    client.lose()
    upstream.exchanges.clear()
    del client
    gc.collect()
    assert (count(Exchange), count(ClientConn)) == before
    assert door.wheel.listed == 0


def test_callbacks_after_the_end_do_nothing() -> None:
    door = Door(echo)
    client = door.connect()
    client.receive(request(b"a"))
    client.lose()
    protocol = client.protocol
    protocol.data_received(request(b"b"))
    assert protocol.eof_received() is False
    protocol.connection_lost(None)
    assert client.sent == b"<a>"
    assert isinstance(FakeTransport(ClientConn(door.port)).protocol, ClientConn)
