"""Answers that nobody waits for any more: read to their end where that is wanted, within bounds, and settled once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.gateway.playbook import (
    ANSWER,
    CHAT,
    COST_NANO_USD,
    DONE,
    EVENT,
    STREAM,
    USAGE_EVENT,
    Play,
    chunk,
    plain,
    stream_head,
)

DRAIN = '[server]\non_disconnect = "drain"\ndisconnect_drain_s = 5\ndisconnect_drain_kib = 1\n'
LAST = b"0\r\n\r\n"


@pytest.fixture
def draining() -> Play:
    return Play(DRAIN)


def gone(play: Play, body: dict[str, Any], *pieces: bytes) -> None:
    play.ask(body)
    for piece in pieces:
        play.answer(piece)
    play.client.lose()
    assert play.books.rows == []


def check_exact(play: Play) -> None:
    assert (play.row.status, play.row.error_code, play.row.usage_source) == (499, "client_gone", "reported")
    assert (play.row.input_tokens, play.row.output_tokens, play.row.cost_nano_usd) == (10, 5, COST_NANO_USD)


def test_a_stream_is_read_to_its_usage(draining: Play) -> None:
    gone(draining, STREAM, stream_head(), chunk(EVENT))
    draining.answer(chunk(EVENT), chunk(USAGE_EVENT))
    assert draining.books.rows == []
    draining.answer(chunk(DONE), LAST)
    check_exact(draining)
    assert draining.counts == ["client_gone"]


def test_who_leaves_before_the_head_is_charged_exactly_too(draining: Play) -> None:
    gone(draining, STREAM)
    draining.answer(stream_head(), chunk(USAGE_EVENT), chunk(DONE), LAST)
    check_exact(draining)


@pytest.mark.parametrize("pieces", [(), (plain()[:60],), (plain()[:-3],)])
def test_a_plain_answer_is_read_to_its_end(draining: Play, pieces: tuple[bytes, ...]) -> None:
    gone(draining, CHAT, *pieces)
    draining.answer(plain()[sum(map(len, pieces)) :])
    check_exact(draining)
    assert not draining.up.transports[0].closing, "its connection can be used again"


def test_a_refusal_costs_nothing_but_the_prompt(draining: Play) -> None:
    gone(draining, CHAT)
    draining.answer(plain(status=500, body=b"{}"))
    assert (draining.row.status, draining.row.usage_source, draining.row.output_tokens) == (499, "estimated", 0)


def test_more_than_the_bound_is_estimated(draining: Play) -> None:
    gone(draining, STREAM, stream_head(), chunk(EVENT))
    draining.answer(chunk(EVENT * 40))
    assert (draining.row.usage_source, draining.row.output_tokens) == ("estimated", 41)
    assert draining.up.transports[0].closing


@pytest.mark.parametrize("begun", [False, True])
def test_longer_than_the_bound_is_estimated(draining: Play, begun: bool) -> None:
    gone(draining, STREAM, *((stream_head(), chunk(EVENT)) if begun else ()))
    draining.door.wait(4)
    assert draining.books.rows == []
    draining.door.wait(2)
    assert (draining.row.usage_source, draining.row.output_tokens) == ("estimated", int(begun))
    assert draining.up.transports[0].closing


@pytest.mark.parametrize("ending", [b"garbage", LAST])
def test_an_answer_that_breaks_off_is_estimated(draining: Play, ending: bytes) -> None:
    gone(draining, STREAM, stream_head(), chunk(EVENT))
    draining.answer(ending)
    if not draining.books.rows:
        draining.up.transports[-1].lose()
    assert (draining.row.status, draining.row.usage_source) == (499, "estimated")


def test_an_answer_that_is_no_json_is_charged_by_what_it_reported(draining: Play) -> None:
    gone(draining, CHAT)
    draining.answer(plain(ANSWER[:-1]))
    assert (draining.row.status, draining.row.usage_source, draining.row.output_tokens) == (499, "reported", 5)
    other = Play(DRAIN)
    gone(other, CHAT)
    other.answer(plain(b"nothing"))
    assert (other.row.status, other.row.usage_source) == (499, "estimated")


def test_without_the_setting_the_provider_is_hung_up_on() -> None:
    play = Play()
    play.ask(STREAM)
    play.answer(stream_head(), chunk(EVENT))
    play.client.lose()
    assert (play.row.usage_source, play.up.transports[0].closing) == ("estimated", True)
