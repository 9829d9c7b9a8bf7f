"""A stream at the end of its money: what the client reads, what is charged, and that the provider is let go."""

from __future__ import annotations

import pytest

from tests.unit.gateway.playbook import DONE, STREAM, Play, chunk, stream_head

BUDGET = '[[budgets]]\nid = "b"\nwindow = "day"\nclamp = false\ncut = {cut}\nlimit_usd = "{usd}"\n'
TEXT = b"x" * 300
OPENING = (
    b'data: {"id":"c1","object":"chat.completion.chunk","model":"real","choices":[{"delta":{"role":"assistant"}}]}\n\n'
)
EVENT = b'data: {"id":"c1","choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % TEXT
# Ten tokens of output are reserved, at 2,000 nano-USD, and the prompt of 12 bytes, at 4,000; an event of 300 bytes has 100 tokens.
ASKED = {**STREAM, "max_tokens": 10}


def started(usd: str, cut: str = "true") -> Play:
    play = Play(BUDGET.format(usd=usd, cut=cut))
    play.ask(ASKED)
    play.answer(stream_head(), chunk(OPENING))
    return play


def test_a_stream_whose_money_is_spent_ends_as_if_by_its_length() -> None:
    play = started("0.000030")
    play.answer(chunk(EVENT))
    body = play.client.sent.partition(b"\r\n\r\n")[2]
    assert EVENT in body
    assert b'"finish_reason":"length"' in body
    assert b'"code":"budget_exhausted"' in body
    assert b'"id":"c1"' in body.rpartition(b'"finish_reason"')[0].rpartition(b"data: ")[2]
    assert body.index(b"length") < body.index(DONE) < body.index(b": x-fastgw-cost-usd: ")
    assert body.endswith(b"0\r\n\r\n")
    assert not play.client.aborted
    assert play.up.transports[0].closing
    assert (play.row.status, play.row.error_code, play.row.usage_source) == (200, "budget_exhausted", "estimated")
    assert play.row.output_tokens == 100
    assert play.counter_map.held() == (0, 0)


def test_a_stream_goes_on_while_more_can_be_reserved() -> None:
    play = started("0.6")
    play.answer(chunk(EVENT))
    # 4,000 for the prompt, and 20,000 and one more step of 256 tokens for the output.
    assert play.counter_map.held() == (1, 4_000 + 20_000 + 512_000)
    play.answer(chunk(EVENT * 3))
    assert play.counter_map.held() == (1, 4_000 + 20_000 + 2 * 512_000)
    play.answer(chunk(DONE), b"0\r\n\r\n")
    assert b"budget_exhausted" not in play.client.sent
    assert play.row.error_code == ""
    assert play.counter_map.held() == (0, 0)


def test_no_stream_is_cut_unless_the_rule_says_so() -> None:
    play = started("0.000030", cut="false")
    play.answer(chunk(EVENT * 3), chunk(DONE), b"0\r\n\r\n")
    assert b"length" not in play.client.sent
    assert play.row.error_code == ""


@pytest.mark.parametrize("include_usage", [True, False])
def test_who_asked_for_usage_is_told(include_usage: bool) -> None:
    play = Play(BUDGET.format(usd="0.000030", cut="true"))
    play.ask({**ASKED, "stream_options": {"include_usage": include_usage}})
    play.answer(stream_head(), chunk(OPENING), chunk(EVENT))
    assert (b'"completion_tokens":100' in play.client.sent) is include_usage


def test_an_end_that_comes_with_the_last_money_is_the_provider_s_own() -> None:
    play = started("0.000030")
    play.answer(chunk(EVENT + DONE), b"0\r\n\r\n")
    assert b"budget_exhausted" not in play.client.sent
    assert play.row.error_code == ""
