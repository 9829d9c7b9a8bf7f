"""What is written down of a call: once, whatever happened, and with the numbers that were used."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fastgw.domain.usage import usage_of
from fastgw.gateway import settle
from fastgw.gateway.context import Call
from tests.unit.gateway.playbook import (
    CHAT,
    COST_NANO_USD,
    DONE,
    EVENT,
    LAST_CHUNK,
    STREAM,
    USAGE_EVENT,
    Play,
    busy,
    chunk,
    plain,
    stream_head,
)


def test_the_row_that_stands_if_the_process_dies(play: Play) -> None:
    play.ask({**CHAT, "max_tokens": 50, "n": 2})
    (row,) = play.books.opened_rows
    assert (row.outcome, row.usage_source, row.status) == ("unknown", "estimated", 0)
    text_bytes = len("gpt") + len("user") + len("hello")
    assert (row.input_tokens, row.output_tokens) == (-(-text_bytes // 3), 100)
    assert row.cost_nano_usd == row.input_tokens * 1000 + row.output_tokens * 2000
    assert row.price_version == "config:providers.up.price"


def test_an_unpriced_call_is_opened_without_a_cost(play: Play) -> None:
    play.ask({**CHAT, "model": "nobody-knows/llama"})
    assert (play.books.opened_rows[0].cost_nano_usd, play.books.opened_rows[0].price_version) == (None, "")
    play.answer(plain(), account="nobody-knows")
    assert (play.row.cost_nano_usd, play.row.price_version) == (None, "")


def succeed(play: Play) -> None:
    play.ask()
    play.answer(plain())


def stream_to_its_end(play: Play) -> None:
    play.ask(STREAM)
    play.answer(stream_head(), chunk(EVENT), chunk(USAGE_EVENT + DONE), LAST_CHUNK)


def be_refused(play: Play) -> None:
    play.ask()
    play.answer(plain(b'{"error":{"message":"no"}}', 400))


def be_refused_our_credential(play: Play) -> None:
    play.ask()
    play.answer(plain(b"{}", 401))


def get_garbage(play: Play) -> None:
    play.ask()
    play.answer(plain(b"nonsense"))


def be_cut(play: Play) -> None:
    play.ask()
    play.answer(plain()[:-5])
    play.up.transports[0].lose()


def be_cut_in_a_stream(play: Play) -> None:
    play.ask(STREAM)
    play.answer(stream_head(), chunk(EVENT))
    play.up.transports[0].lose()


def find_nobody(play: Play) -> None:
    play.up.refuses = busy()
    play.ask()


def wait_for_nothing(play: Play) -> None:
    play.ask()
    play.door.wait(11)


def stop_in_the_middle(play: Play) -> None:
    play.ask()
    play.answer(plain()[:-5])
    play.door.wait(6)


def leave_before_the_answer(play: Play) -> None:
    play.ask()
    play.client.lose()


def leave_in_a_stream(play: Play) -> None:
    play.ask(STREAM)
    play.answer(stream_head(), chunk(EVENT))
    play.client.lose()


def leave_after_the_answer(play: Play) -> None:
    succeed(play)
    play.client.lose()


def meet_a_bug(play: Play) -> None:
    play.up.refuses = RuntimeError("bug")
    play.ask()


def ask_for_the_unknown(play: Play) -> None:
    play.ask({**CHAT, "model": "nowhere/x"})


@pytest.mark.parametrize(
    ("happen", "status", "code", "source", "is_charged"),
    [
        (succeed, 200, "", "reported", True),
        (stream_to_its_end, 200, "", "reported", True),
        (be_refused, 400, "provider_refused", "none", False),
        (be_refused_our_credential, 502, "provider_credential_refused", "none", False),
        (get_garbage, 502, "provider_protocol", "estimated", True),
        (be_cut, 502, "provider_connection_lost", "estimated", True),
        (be_cut_in_a_stream, 502, "provider_connection_lost", "estimated", True),
        (find_nobody, 503, "provider_busy", "none", False),
        (wait_for_nothing, 504, "provider_timeout", "none", False),
        (stop_in_the_middle, 504, "provider_timeout", "estimated", True),
        (leave_before_the_answer, 499, "client_gone", "estimated", True),
        (leave_in_a_stream, 499, "client_gone", "estimated", True),
        (leave_after_the_answer, 200, "", "reported", True),
        (meet_a_bug, 500, "internal_error", "none", False),
        (ask_for_the_unknown, 404, "model_not_found", "none", False),
    ],
)
def test_every_way_out_is_settled_once(
    play: Play, happen: Callable[[Play], None], status: int, code: str, source: str, is_charged: bool
) -> None:
    happen(play)
    assert play.comes_to_rest()
    assert (play.row.status, play.row.error_code, play.row.usage_source) == (status, code, source)
    assert play.row.outcome == "settled"
    assert bool(play.row.cost_nano_usd) is is_charged
    assert bool(play.row.input_tokens or play.row.output_tokens) is is_charged
    assert 0 <= play.row.overhead_ns <= play.row.latency_ns
    assert [row.id for row in play.books.opened_rows] == ([] if happen is ask_for_the_unknown else [play.row.id])


def test_later_settlements_are_no_ops(play: Play, calls: list[Call]) -> None:
    succeed(play)
    call = calls[-1]
    settle.complete(call, play.books, 500, settle.NOTHING, "none")
    settle.abandoned(call, play.books, 502, "provider_timeout")
    assert (play.row.status, play.row.cost_nano_usd) == (200, COST_NANO_USD)


def test_a_call_without_a_row_is_not_settled(play: Play, calls: list[Call]) -> None:
    play.ask(key="")
    call = calls[-1]
    settle.complete(call, play.books, 200, settle.NOTHING, "none")
    settle.abandoned(call, play.books, 502, "provider_timeout")
    assert play.books.rows == []


def test_the_units_go_into_their_columns(play: Play, calls: list[Call]) -> None:
    play.ask()
    call = calls[-1]
    usage = usage_of(
        {
            "input_tokens": 1000,
            "output_tokens": 500,
            "cache_read_tokens": 100,
            "cache_write_tokens": 60,
            "cache_write_5m_tokens": 10,
            "cache_write_1h_tokens": 20,
            "output_reasoning_tokens": 30,
            "input_audio_tokens": 1,
            "output_audio_tokens": 2,
            "input_image_tokens": 3,
            "output_image_tokens": 4,
            "web_searches": 5,
        }
    )
    settle.complete(call, play.books, 200, usage, "reported")
    row = play.row
    assert (row.input_tokens, row.output_tokens, row.cached_input_tokens, row.reasoning_tokens) == (1000, 500, 100, 30)
    assert (row.cache_write_5m_tokens, row.cache_write_1h_tokens) == (40, 20), "writes of no stated life count as short"
    assert (row.input_audio_tokens, row.output_audio_tokens) == (1, 2)
    assert (row.input_image_tokens, row.output_image_tokens) == (3, 4)
    assert row.other_usage == {"web_searches": 5}


def test_what_was_reported_before_the_cut_counts(play: Play) -> None:
    play.ask(
        {"model": "claude/c", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "hello"}]},
        path="/v1/messages",
    )
    start = b'event: message_start\ndata: {"type":"message_start","message":{"usage":%b}}\n\n'
    delta = b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"a dozen bytes"}}\n\n'
    play.answer(stream_head(), chunk(start % b'{"input_tokens":700,"output_tokens":1}' + delta), account="claude")
    play.client.lose()
    assert (play.row.input_tokens, play.row.usage_source, play.row.error_code) == (700, "estimated", "client_gone")
    assert play.row.output_tokens > 1, "the bytes that came are worth more than the provisional count"


def test_waiting_for_the_provider_is_not_our_overhead(play: Play, calls: list[Call]) -> None:
    succeed(play)
    call = calls[-1]
    assert call.upstream_ns > 0
    assert play.row.overhead_ns == play.row.latency_ns - call.upstream_ns
