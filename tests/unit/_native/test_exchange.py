"""The exchange: the body of a request, and the rules of an answer."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic_ns

import pytest

from fastgw._native.errors import ClientGone, DeadlineExceeded, HttpLimitError, HttpSyntaxError
from fastgw._native.exchange import Exchange
from fastgw._native.lane import Wait
from tests.model.transport import SECOND, Door, FakeTransport, request

CHUNKED = b"POST /v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def begin(text: bytes = b"", **options: bool) -> tuple[Door, FakeTransport, Exchange]:
    """An exchange whose handler sleeps: the test does what a handler does."""
    exchanges: list[Exchange] = []

    async def handle(exchange: Exchange) -> None:
        exchanges.append(exchange)
        await Wait()

    door = Door(handle)
    client = door.connect(**options)
    client.receive(text or request())
    return door, client, exchanges[0]


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


def test_what_a_handler_sees() -> None:
    before_ns = monotonic_ns()
    _, _, exchange = begin(request(b"a"))
    assert exchange.head.path == b"/v1/x"
    assert exchange.endpoint == "x"
    assert before_ns <= exchange.received_ns <= monotonic_ns()
    assert (exchange.started, exchange.finished, exchange.gone, exchange.sent_bytes) == (False, False, False, 0)
    assert exchange.keep_alive
    assert not exchange.slow


@pytest.mark.parametrize("text", [request(b"abc"), CHUNKED + b"3\r\nabc\r\n0\r\n\r\n"])
def test_a_body_that_came_behind_its_head_wakes_who_waits_for_it(text: bytes) -> None:
    for cut in range(text.index(b"\r\n\r\n") + 4, len(text) + 1):
        _, client, got = begin_reading(text[:cut], times=2)
        client.receive(text[cut:])
        assert got == [b"abc", b"abc"], cut


def test_a_body_nobody_waits_for_is_kept() -> None:
    _, client, exchange = begin(request(b"abc")[:-2])
    assert exchange.take_whole() is None
    client.receive(b"bc")
    assert exchange.keep_alive
    assert exchange.take_whole() == b"abc"
    assert next_value(exchange.body) == b"abc"


def next_value(wanted: Callable[[], object]) -> object:
    """What awaiting gives without sleeping."""
    with pytest.raises(StopIteration) as stopped:
        next(wanted().__await__())  # type: ignore[attr-defined]
    return stopped.value.value


@pytest.mark.parametrize(
    ("text", "more", "error"),
    [
        (CHUNKED, b"x", HttpSyntaxError),
        (CHUNKED, b"100001\r\n", HttpLimitError),
        (CHUNKED + b"80000\r\n", b"a" * 0x80000 + b"\r\n80001\r\n", HttpLimitError),
    ],
)
def test_a_broken_body(text: bytes, more: bytes, error: type[Exception]) -> None:
    _, client, got = begin_reading(text, times=2)
    client.receive(more)
    assert got == [error, error], "it stays broken"


def test_a_late_body() -> None:
    door, client, got = begin_reading(request(b"abc")[:-1])
    door.wait(19)
    assert got == []
    door.wait(1.1)
    assert got == [DeadlineExceeded]
    client.receive(b"c")
    assert got == [DeadlineExceeded]


def test_a_body_asked_for_when_the_client_has_gone() -> None:
    _, client, exchange = begin(request(b"abc")[:-1])
    client.lose()
    with pytest.raises(ClientGone):
        next(exchange.body().__await__())


def test_no_interim_answer_inside_an_answer() -> None:
    _, client, exchange = begin(request(b"abc", headers=b"Expect: 100-continue\r\n")[:-3])
    exchange.start(b"head;", True)
    _ = exchange.body()
    assert client.sent == b"head;"


@pytest.mark.parametrize(
    ("chunked", "until_close", "sent"),
    [
        (True, False, b"head;1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"),
        (False, True, b"head;abc"),
        (False, False, b"head;abc"),
    ],
)
def test_an_answer_in_pieces(chunked: bool, until_close: bool, sent: bytes) -> None:
    _, client, exchange = begin()
    exchange.start(b"head;", chunked, until_close)
    assert exchange.started
    exchange.send(b"a")
    exchange.send(b"")
    exchange.send(b"bc")
    assert not exchange.finished
    exchange.finish()
    assert exchange.finished
    assert exchange.sent_bytes == 3
    assert client.sent == sent
    assert client.eof_written is until_close


def test_an_answer_in_one() -> None:
    _, client, exchange = begin()
    exchange.reply(b"all of it")
    assert exchange.started
    assert exchange.finished
    assert exchange.sent_bytes == 9
    assert client.sent == b"all of it"


def start(exchange: Exchange) -> None:
    exchange.start(b"s", True)


def reply(exchange: Exchange) -> None:
    exchange.reply(b"r")


def send(exchange: Exchange) -> None:
    exchange.send(b"d")


def finish(exchange: Exchange) -> None:
    exchange.finish()


@pytest.mark.parametrize("then", [send, finish, start, reply])
def test_out_of_order_is_a_bug_of_the_caller(then: Callable[[Exchange], None]) -> None:
    # Else one request would have two answers or none, and the client would take the next one's for it.
    _, client, exchange = begin()
    if then in {start, reply}:
        start(exchange)
    sent = client.sent
    with pytest.raises(RuntimeError, match="an answer begins once"):
        then(exchange)
    assert client.sent == sent
    assert not exchange.finished


@pytest.mark.parametrize("how", ["reply", "finish", "abort", "abort early"])
def test_after_the_end_nothing_is_written(how: str) -> None:
    _, client, exchange = begin()
    if how == "reply":
        exchange.reply(b"r")
    else:
        if how != "abort early":
            exchange.start(b"head;", True)
        exchange.finish() if how == "finish" else exchange.abort()
    sent, closing = client.sent, client.closing
    for call in (start, reply, send, finish):
        call(exchange)
    exchange.abort()
    assert (client.sent, client.closing) == (sent, closing)


@pytest.mark.parametrize(
    ("framing", "resets"),
    [(None, False), ((True, False), False), ((False, True), True), ((False, False), True)],
)
def test_abort(framing: tuple[bool, bool] | None, resets: bool) -> None:
    door, client, exchange = begin(stalled=True)
    if framing is not None:
        exchange.start(b"head;", *framing)
        exchange.send(b"a")
    exchange.abort()
    assert client.closing
    assert client.aborted is client.socket.resets is resets
    client.receive(b"x")
    client.settle()
    if framing == (True, False):
        assert not client.lost, "the error event still goes out"
        door.wait(61)
        assert client.aborted, "but a client that takes nothing does not keep the connection for ever"
        client.settle()
    assert client.lost
    assert door.wheel.listed == 0


def test_aborted_with_more_behind_it() -> None:
    async def handle(exchange: Exchange) -> None:
        exchange.abort()

    door = Door(handle)
    client = door.connect()
    client.receive(request() + b"x" * 100_000)
    assert client.closing
    client.settle()
    assert door.port.connections == 0


def test_room_is_waited_for_while_the_client_is_slow() -> None:
    got: list[str] = []

    async def handle(exchange: Exchange) -> None:
        exchange.start(b"head;", True)
        await exchange.room()
        got.append("room")
        exchange.send(b"x" * 70_000)
        assert exchange.slow
        await exchange.room()
        got.append("room again")
        assert not exchange.slow
        exchange.finish()

    door = Door(handle, write_timeout_ns=5 * SECOND)
    client = door.connect(stalled=True)
    client.receive(request())
    assert got == ["room"]
    door.wait(4)
    client.flush()
    assert got == ["room", "room again"]
    door.wait(70)
    assert client.is_open, "the write's deadline is gone"


def test_a_client_that_takes_nothing_is_cut_off() -> None:
    ended: list[type[BaseException]] = []

    async def handle(exchange: Exchange) -> None:
        exchange.start(b"head;", True)
        exchange.send(b"x" * 70_000)
        try:
            await exchange.room()
        except ClientGone as gone:
            ended.append(type(gone))
            assert next_value(exchange.room) is None, "nobody waits for a client that has gone"

    door = Door(handle)
    client = door.connect(stalled=True)
    client.receive(request())
    door.wait(60.1)
    assert client.aborted
    client.settle()
    assert ended == [ClientGone]
    assert door.crashes == []
    assert door.wheel.listed == 0
