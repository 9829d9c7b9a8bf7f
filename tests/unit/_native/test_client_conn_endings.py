"""How client connections end: by either side, by a deadline, or because the client does not read."""

from __future__ import annotations

import pytest

from fastgw._native.exchange import Exchange
from tests.model.sides import Upstream, echo
from tests.model.transport import SECOND, Door, request

PROBE = b"HTTP/1.1 102 Processing\r\n\r\n"
BIG = b"x" * 70_000


# --- ending ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("headers", "version"), [(b"Connection: close\r\n", b"1.1"), (b"", b"1.0")])
def test_closes_after_the_answer_when_the_client_wants_it(headers: bytes, version: bytes) -> None:
    door = Door(echo)
    client = door.connect()
    client.receive(request(b"a", headers=headers, version=version) + request(b"b"))
    assert client.sent == b"<a>"
    assert client.eof_written
    assert not client.closing, "the answer would be lost to a reset while input is unread"
    door.wait(1.1)
    assert client.aborted
    assert not client.socket.resets
    client.settle()
    assert door.port.connections == door.wheel.listed == 0


def test_a_transport_without_halves_is_closed() -> None:
    door = Door(echo)
    client = door.connect(half_close=False)
    client.receive(request(b"a", headers=b"Connection: close\r\n"))
    assert client.closing
    assert not client.aborted


def test_input_behind_the_last_answer_is_thrown_away_up_to_a_bound() -> None:
    door = Door(echo)
    client = door.connect()
    client.receive(request(b"a", headers=b"Connection: close\r\n"))
    client.receive(*[b"x" * (1 << 18)] * 4)
    assert client.is_open
    client.receive(b"x")
    assert client.aborted


def test_an_answer_that_leaves_slowly_is_not_cut_after_a_second() -> None:
    door = Door(echo)
    client = door.connect(stalled=True)
    client.receive(request(b"a" * 1000, headers=b"Connection: close\r\n"))
    for _ in range(50):
        door.wait(1)
        assert client.is_open
    client.flush()
    door.wait(1.1)
    assert client.aborted
    assert not client.socket.resets, "all of it is with the kernel"


@pytest.mark.parametrize("stops_reading", [BIG, b"x" * 1000])
def test_an_answer_that_never_leaves_ends_with_a_reset(stops_reading: bytes) -> None:
    async def until_close(exchange: Exchange) -> None:
        exchange.start(b"head;", False, True)
        exchange.send(stops_reading)
        exchange.finish()

    door = Door(until_close)
    client = door.connect(stalled=True)
    client.receive(request(version=b"1.0"))
    door.wait(59)
    assert client.is_open
    door.wait(2)
    assert client.aborted
    assert client.socket.resets, "a clean end would make the part that arrived look whole"


def test_half_closed_with_a_request_in_flight_is_probed_and_answered() -> None:
    upstream = Upstream()
    door = Door(upstream.handle)
    client = door.connect()
    client.receive(request(b"a"))
    client.end()
    assert client.sent == PROBE
    door.wait(0.3)
    assert client.sent == PROBE * 2
    assert not upstream.exchanges[0].keep_alive
    upstream.answer.resolve(b"1;")
    assert client.sent == PROBE * 2 + b"1;"
    client.settle()
    assert client.lost
    assert not client.aborted
    assert door.wheel.listed == 0


def test_probes_come_less_and_less_often() -> None:
    upstream = Upstream()
    door = Door(upstream.handle)
    client = door.connect()
    client.receive(request(b"a"))
    client.end()
    door.wait(10)
    assert client.sent.count(PROBE) == 7, "at once and after 0.25, 0.5, 1, 2, 4 and 8 s"
    door.wait(5.9)
    assert client.sent.count(PROBE) == 7
    client.lose(ConnectionResetError())
    assert upstream.gone == 1


def test_an_old_client_is_not_sent_interim_answers() -> None:
    upstream = Upstream()
    door = Door(upstream.handle)
    client = door.connect()
    client.receive(request(b"a", version=b"1.0"))
    client.end()
    door.wait(10)
    assert client.sent == b""


def test_half_closed_inside_the_body() -> None:
    upstream = Upstream()
    door = Door(upstream.handle)
    client = door.connect()
    client.receive(request(b"abc")[:-1])
    client.end()
    assert client.sent == b"HttpSyntaxError;"
    client.settle()
    assert client.lost


@pytest.mark.parametrize("text", [b"", b"POST /v1/x HT", request(b"a")])
def test_half_closed_between_requests(text: bytes) -> None:
    door = Door(echo)
    client = door.connect(stalled=True)
    client.receive(text)
    client.end()
    assert client.closing
    client.settle()
    if client.buffered_bytes:
        door.wait(61)
        assert client.aborted, "a client that reads nothing does not keep the connection for ever"
        client.settle()
    assert door.port.connections == door.wheel.listed == 0


@pytest.mark.parametrize("text", [request(b"a"), request(b"abc")[:-1]])
@pytest.mark.parametrize("error", [None, ConnectionResetError()])
def test_lost_with_a_request_in_flight(text: bytes, error: Exception | None) -> None:
    upstream = Upstream()
    door = Door(upstream.handle)
    client = door.connect()
    client.receive(text)
    client.lose(error)
    assert upstream.gone == 1
    exchange = upstream.exchanges[0]
    assert exchange.gone
    exchange.reply(b"x")
    exchange.start(b"x", True)
    exchange.send(b"x")
    exchange.finish()
    exchange.abort()
    assert client.sent == b""
    assert door.port.connections == door.port.in_flight == door.wheel.listed == 0
    upstream.answer.resolve(b"nobody wants it")
    assert upstream.gone == 1


# --- deadlines -------------------------------------------------------------------------------------------------------


def test_a_silent_connection_is_closed() -> None:
    door = Door(echo)
    client = door.connect()
    door.wait(9.9)
    assert client.is_open
    door.wait(0.2)
    assert client.closing
    assert client.sent == b""


def test_an_idle_connection_is_closed() -> None:
    door = Door(echo)
    client = door.connect()
    client.receive(request(b"a"))
    door.wait(74.9)
    assert client.is_open
    door.wait(0.2)
    assert client.closing
    assert client.sent == b"<a>"


@pytest.mark.parametrize("before", [b"", request(b"a"), request(b"a") + request(b"b")])
def test_a_head_has_its_time_from_its_first_byte(before: bytes) -> None:
    # Not what is left of the keep-alive time: a request that begins at its end would be refused at once.
    door = Door(echo, keep_alive_ns=2 * SECOND)
    client = door.connect()
    client.receive(before)
    client.receive(request(b"c")[:20])
    door.wait(9)
    client.receive(request(b"c")[20:30])
    assert client.is_open
    door.wait(1.1)
    assert door.refused == [(408, request(b"c")[:30])]
    assert client.eof_written


def test_a_head_pipelined_in_part_has_its_time_too() -> None:
    upstream = Upstream()
    door = Door(upstream.handle, keep_alive_ns=SECOND)
    client = door.connect()
    client.receive(request(b"a") + request(b"b")[:20])
    upstream.answer.resolve(b"1;")
    door.loop.run()
    door.wait(9)
    assert client.is_open
    door.wait(1.1)
    assert [status for status, _ in door.refused] == [408]


def test_a_body_has_its_time_and_more_for_each_byte() -> None:
    upstream = Upstream()
    door = Door(upstream.handle)
    client = door.connect()
    client.receive(request(b"y" * 500_000)[:200_000])
    door.wait(19.9)
    assert client.sent == b""
    door.wait(12)
    assert client.sent == b"", "12 seconds more for 200,000 bytes"
    door.wait(0.7)
    assert client.sent == b"DeadlineExceeded;"
    assert client.eof_written


def test_a_body_that_came_has_no_deadline_left() -> None:
    upstream = Upstream()
    door = Door(upstream.handle)
    client = door.connect()
    client.receive(request(b"abc")[:-1], b"c")
    door.wait(1000)
    assert client.is_open
    assert upstream.begun == [b"abc"]


# --- a client that does not read -------------------------------------------------------------------------------------


def test_who_does_not_take_its_answers_is_not_asked_for_more_requests() -> None:
    async def big(exchange: Exchange) -> None:
        exchange.reply(BIG)

    door = Door(big)
    client = door.connect(stalled=True)
    client.receive(request() * 5)
    assert len(client.sent) == len(BIG)
    client.receive(request() * 5)
    while client.reading:
        client.receive(request() * 100)
    assert len(client.sent) == len(BIG), "answers would pile up without bound"
    client.stalled = False
    client.flush()
    door.loop.run()
    assert len(client.sent) > 10 * len(BIG)
    assert client.reading


def test_who_does_not_take_its_answers_is_cut_off_also_with_requests_coming() -> None:
    async def big(exchange: Exchange) -> None:
        exchange.reply(BIG)

    door = Door(big)
    client = door.connect(stalled=True)
    client.receive(request() * 5)
    door.wait(30)
    client.receive(request() * 5)
    door.wait(31)
    assert client.aborted
    assert client.socket.resets


def test_a_connection_is_handed_over_after_its_answers_have_left() -> None:
    async def big(exchange: Exchange) -> None:
        exchange.reply(BIG)

    other = b"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n"
    door = Door(big)
    client = door.connect(stalled=True)
    client.receive(request() + other)
    assert door.handed == [], "the new owner would be told to resume what it was never told to pause"
    client.flush()
    door.loop.run()
    assert door.handed == [(client, other)]


def test_an_idle_connection_that_was_slow_closes_in_time() -> None:
    async def big(exchange: Exchange) -> None:
        exchange.reply(BIG)

    door = Door(big)
    client = door.connect(stalled=True)
    client.receive(request())
    client.flush()
    door.wait(74)
    assert client.is_open
    door.wait(1.1)
    assert client.closing
