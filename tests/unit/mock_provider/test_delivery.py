"""Faults and pace as bytes on a real socket; h11 is the judge of what is whole."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import h11
import pytest

from fastgw.mock_provider.delivery import Break, find_break
from fastgw.mock_provider.faults import read_directives
from fastgw.mock_provider.raw_faults import GARBAGE
from fastgw.mock_provider.server import RunningMock
from tests.unit.mock_provider.talk import (
    CHAT,
    HELLO,
    Reply,
    encode_request,
    exchange,
    exchange_until_reset,
    post,
    read_reply,
    with_mock,
)

STREAM = {**HELLO, "stream": True}


def ask(asked: str, payload: Any = HELLO) -> tuple[bytes, bool, Any]:
    """What arrived, whether it ended with RST, and the row of the bill."""

    async def talk(mock: RunningMock) -> tuple[bytes, bool, Any]:
        raw, reset = await exchange_until_reset(mock, encode_request(CHAT, payload, {"x-mock": asked}))
        while mock.bill.rows()[0].state == "open":
            await asyncio.sleep(0.001)
        return raw, reset, mock.bill.rows()[0]

    return with_mock(talk)


def body_of(raw: bytes) -> bytes:
    return raw.split(b"\r\n\r\n", 1)[1]


def test_break_is_the_earliest_one() -> None:
    asked = read_directives("m", "cut_after_bytes=30,stall_after_bytes=20,reset_after_bytes=25")[1]
    assert find_break(asked) == Break(20, "stall")
    assert find_break(read_directives("m", "reset=after_head,cut_after_bytes=3")[1]) == Break(0, "reset")
    assert find_break(read_directives("m", "")[1]) is None


def test_plain_answer_is_whole() -> None:
    raw, _, row = ask("")
    assert read_reply(raw).headers["content-length"] == str(len(read_reply(raw).body))
    assert (row.state, row.words_sent, row.usage.output) == ("complete", 16, 16)


@pytest.mark.parametrize("position", [0, 30, 10_000_000])
def test_cut_plain_answer_never_ends_well(position: int) -> None:
    raw, reset, row = ask(f"cut_after_bytes={position}")
    whole = read_reply(ask("")[0])
    assert body_of(raw) == whole.body[: min(position, len(whole.body) - 1)]
    with pytest.raises(h11.RemoteProtocolError):
        read_reply(raw)
    assert not reset
    assert (row.state, row.usage.output) == ("cut", 16)


@pytest.mark.parametrize("position", [0, 700, 10_000_000])
def test_cut_stream_never_ends_well(position: int) -> None:
    raw, _, row = ask(f"cut_after_bytes={position}", STREAM)
    with pytest.raises(h11.RemoteProtocolError):
        read_reply(raw)
    # Ended as its framing demands, what arrived is exactly the part of the stream that was asked for.
    part = read_reply(raw + b"0\r\n\r\n").body
    whole = read_reply(ask("", STREAM)[0]).body
    assert part == whole[:position]
    said = part.count(b'"content":"') - part.count(b'"content":""')
    assert row.state == "cut"
    assert row.usage.output == row.words_sent <= said <= row.words_sent + 1


def test_stall_is_silence_and_then_a_cut() -> None:
    raw, _, row = ask("stall_after_bytes=40,stall_ms=30")
    assert len(body_of(raw)) == 40
    assert row.state == "cut"


def test_reset_before_the_head_sends_nothing_and_bills_nothing() -> None:
    raw, reset, row = ask("reset=before_head")
    assert (raw, reset) == (b"", True)
    assert (row.state, row.cost_usd) == ("cut", "0")


def test_reset_after_the_head() -> None:
    raw, reset, row = ask("reset=after_head", STREAM)
    assert reset
    assert raw.endswith(b"\r\n\r\n")
    assert raw.count(b"\r\n\r\n") == 1
    assert (row.usage.input, row.usage.output) == (3, 0)


def test_reset_after_bytes() -> None:
    raw, reset, _ = ask("reset_after_bytes=25")
    assert reset
    assert len(body_of(raw)) == 25


def test_break_beyond_the_end_of_a_stream_comes_before_its_last_chunk() -> None:
    raw, reset, row = ask("reset_after_bytes=10000000", STREAM)
    assert reset
    assert read_reply(raw + b"0\r\n\r\n").body == read_reply(ask("", STREAM)[0]).body
    assert (row.state, row.words_sent) == ("cut", 16)


def test_garbage_is_no_http_and_free() -> None:
    raw, _, row = ask("garbage=1")
    assert raw == GARBAGE
    assert (row.state, row.cost_usd) == ("cut", "0")


@pytest.mark.parametrize("payload", [HELLO, STREAM])
def test_answer_twice_is_billed_once(payload: Any) -> None:
    once, twice = ask("", payload), ask("twice=1", payload)
    assert twice[0] == once[0] * 2
    assert (twice[2].usage, twice[2].words_sent) == (once[2].usage, once[2].words_sent)


@pytest.mark.parametrize("how", ["head", "head_length_twice"])
def test_malformed_head_is_refused_by_a_parser_and_free(how: str) -> None:
    raw, _, row = ask(f"malformed={how}")
    with pytest.raises(h11.RemoteProtocolError):
        read_reply(raw)
    assert (row.state, row.cost_usd) == ("cut", "0")


@pytest.mark.parametrize("payload", [HELLO, STREAM])
def test_malformed_chunk_comes_after_a_good_one(payload: Any) -> None:
    raw, _, row = ask("malformed=chunk", payload)
    with pytest.raises(h11.RemoteProtocolError, match="chunk"):
        read_reply(raw)
    assert b"transfer-encoding: chunked" in raw
    assert b"chatcmpl" in raw
    assert row.state == "cut"


@pytest.mark.parametrize("payload", [HELLO, STREAM])
def test_byte_by_byte_is_the_same_answer(payload: Any) -> None:
    slow = read_reply(ask("chunk_bytes=1", payload)[0])
    assert slow.body == read_reply(ask("", payload)[0]).body
    if payload is STREAM:
        assert slow.raw.count(b"\r\n1\r\n") >= len(slow.body) - 1


def test_burst_is_the_same_stream() -> None:
    assert ask("burst=1", STREAM)[0] == ask("", STREAM)[0]


def test_error_event_ends_the_framing_well_but_counts_as_cut() -> None:
    raw, _, row = ask("error_event=1", STREAM)
    assert read_reply(raw).events[-1]["error"]["type"] == "server_error"
    assert (row.state, row.words_sent, row.usage.output) == ("cut", 8, 8)


def test_pace_delays_head_first_event_and_words() -> None:
    async def talk(mock: RunningMock) -> list[float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", mock.port)
        clock = asyncio.get_running_loop().time
        started = clock()
        asked = {"x-mock": "slow_head_ms=40,ttft_ms=60,tps=50,words=4"}
        writer.write(encode_request(CHAT, STREAM, asked))
        moments = []
        for end in (b"\r\n\r\n", b'"role"', b'"content":"the"', b'"content":" its"'):
            await reader.readuntil(end)
            moments.append(clock() - started)
        writer.close()
        return moments

    head, role, first, last = with_mock(talk)
    # Only lower bounds: what was asked to be late may be later on a busy machine, never earlier.
    assert head >= 0.04
    assert role >= 0.1
    assert first >= 0.1
    assert last >= 0.16


@pytest.mark.parametrize("payload", [HELLO, STREAM])
def test_the_row_says_when_it_was_worked_on(payload: Any) -> None:
    before_ns = time.perf_counter_ns()
    _, _, row = ask("ttft_ms=40,words=3", payload)
    assert before_ns < row.opened_ns
    assert row.opened_ns + 20_000_000 < row.paced_ns < time.perf_counter_ns()


def test_plain_answer_waits_for_all_its_words() -> None:
    async def talk(mock: RunningMock) -> float:
        started = asyncio.get_running_loop().time()
        await post(mock, CHAT, HELLO, {"x-mock": "ttft_ms=20,tps=100,words=6"})
        return asyncio.get_running_loop().time() - started

    assert with_mock(talk) >= 0.07


async def ask_twice_on_one_connection(mock: RunningMock, asked: str, payload: Any) -> tuple[bytes, bytes]:
    """The first answer, and what comes after a second request on the same connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", mock.port)
    writer.write(encode_request(CHAT, payload, {"x-mock": asked}, close=False))
    head = await reader.readuntil(b"\r\n\r\n")
    if b"chunked" in head:
        first = head + await reader.readuntil(b"\r\n0\r\n\r\n")
    else:
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        first = head + await reader.readexactly(length)
    second = b""
    try:
        writer.write(encode_request(CHAT, payload))
        second = await reader.read()
    except ConnectionError:
        pass
    finally:
        writer.close()
    return first, second


@pytest.mark.parametrize("payload", [HELLO, STREAM])
def test_connection_is_kept(payload: Any) -> None:
    first, second = with_mock(lambda mock: ask_twice_on_one_connection(mock, "", payload))
    assert read_reply(first).status == read_reply(second).status == 200
    assert b"connection" not in first.split(b"\r\n\r\n")[0]


@pytest.mark.parametrize(("asked", "announced"), [("close=header", True), ("close=silent", False)])
def test_connection_is_closed_after_a_whole_answer(asked: str, announced: bool) -> None:
    first, second = with_mock(lambda mock: ask_twice_on_one_connection(mock, asked, HELLO))
    assert read_reply(first).status == 200
    assert second == b""
    assert (b"connection: close" in first) is announced


def test_http_1_0_gets_no_chunks() -> None:
    async def talk(mock: RunningMock) -> Reply:
        request = encode_request(CHAT, STREAM).replace(b"HTTP/1.1", b"HTTP/1.0")
        return read_reply(await exchange(mock, request))

    reply = with_mock(talk)
    assert "transfer-encoding" not in reply.headers
    assert reply.headers["connection"] == "close"
    assert reply.events[-1] == "[DONE]"


def test_client_that_goes_away_is_billed_for_what_it_was_sent() -> None:
    async def talk(mock: RunningMock) -> Any:
        reader, writer = await asyncio.open_connection("127.0.0.1", mock.port)
        writer.write(encode_request(CHAT, STREAM, {"x-mock": "tps=200,words=1000"}))
        await reader.readuntil(b'"content":" river"')
        writer.close()
        while mock.bill.rows()[0].state == "open":
            await asyncio.sleep(0.005)
        return mock.bill.rows()[0]

    row = with_mock(talk)
    assert row.state == "cut"
    assert 2 <= row.words_sent < 1000
    assert row.usage.output == row.words_sent
