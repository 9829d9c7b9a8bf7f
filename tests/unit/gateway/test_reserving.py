"""What a call takes from limits before the provider sees it, what is written into its request, and that it is given back once."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fastgw.gateway.reserving import STRICT_IMAGE_TOKENS, STRICT_OUTPUT_TOKENS
from tests.unit.gateway.playbook import CHAT, COST_NANO_USD, DONE, STREAM, USAGE_EVENT, Play, chunk, plain, stream_head

BUDGET = '[[budgets]]\nid = "b"\nwindow = "day"\nlimit_usd = '
ONE_SLOT = '[[rate_limits]]\nid = "one"\nlimit = 1\nunit = "concurrent_requests"\n'


def sent_body(play: Play) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(play.up.requests[-1].partition(b"\r\n\r\n")[2])
    return found


def test_money_is_held_while_the_provider_works_and_then_is_what_it_cost() -> None:
    play = Play(BUDGET + "1\n")
    play.ask({**CHAT, "max_tokens": 1000})
    # The texts of the body are 12 bytes, 4 tokens, at 1 USD a million, and 1000 of output at 2.
    assert play.counter_map.held() == (1, 4_000 + 2_000_000)
    play.answer(plain())
    assert play.counter_map.held() == (0, 0)
    assert play.row.cost_nano_usd == COST_NANO_USD
    assert play.reply().headers["x-fastgw-rules"] == "b"


def test_what_does_not_fit_is_refused_before_the_provider_hears_of_it() -> None:
    play = Play(BUDGET + '"0.001"\nclamp = false\n')
    play.ask({**CHAT, "max_tokens": 1000})
    assert (play.reply().status, play.reply().error["code"]) == (429, "budget_exceeded")
    assert play.reply().headers["x-should-retry"] == "false"
    assert play.up.requests == []
    assert (play.row.status, play.row.error_code, play.row.cost_nano_usd) == (429, "budget_exceeded", 0)


@pytest.mark.parametrize(
    ("body", "member", "cap"),
    [
        ({"max_tokens": 1000}, "max_tokens", 498),
        ({"max_completion_tokens": 1000, "max_tokens": 7}, "max_completion_tokens", 498),
        ({"max_tokens": 1000, "n": 2}, "max_tokens", 249),
        ({}, "max_tokens", 498),
    ],
)
def test_output_is_clamped_to_what_the_money_buys(body: dict[str, Any], member: str, cap: int) -> None:
    play = Play(BUDGET + '"0.001"\n')
    play.ask({**CHAT, **body})
    assert sent_body(play)[member] == cap
    assert sent_body(play)["messages"] == CHAT["messages"]
    play.answer(plain())
    assert play.reply().headers["x-fastgw-clamped-max-tokens"] == str(cap * body.get("n", 1))


def test_no_money_at_all_is_not_clamped_to_nothing() -> None:
    play = Play(BUDGET + "0\n")
    play.ask(CHAT)
    assert play.reply().error["code"] == "budget_exceeded"


def test_a_strict_budget_reserves_a_token_a_byte_and_caps_who_names_no_cap() -> None:
    play = Play(BUDGET + "1\nstrict = true\n")
    play.ask(CHAT)
    assert sent_body(play)["max_tokens"] == STRICT_OUTPUT_TOKENS
    assert play.counter_map.held() == (1, 1000 * len("gptuserhello") + 2000 * STRICT_OUTPUT_TOKENS)


def test_a_strict_budget_reserves_for_images_that_have_few_bytes() -> None:
    play = Play(BUDGET + "1\nstrict = true\n")
    image = {"type": "image_url", "image_url": {"url": "https://a.test/b.png"}}
    play.ask({**CHAT, "max_tokens": 1, "messages": [{"role": "user", "content": [image]}]})
    assert play.counter_map.held()[1] > 1000 * STRICT_IMAGE_TOKENS


def test_a_strict_budget_refuses_what_has_no_price() -> None:
    for text, status in (("1\nstrict = true\n", 403), ("1\n", 200)):
        play = Play(BUDGET + text)
        play.ask({**CHAT, "model": "nobody-knows/x"})
        if status == 403:
            assert (play.reply().status, play.reply().error["code"]) == (403, "unpriced_model")
        else:
            play.answer(plain(), account="nobody-knows")
            assert play.reply().status == 200


@pytest.mark.parametrize(
    "ending", ["whole", "stream", "refused", "client gone", "provider gone", "bad options", "garbage"]
)
def test_whatever_happens_nothing_stays_held(ending: str) -> None:
    play = Play(BUDGET + "1\n" + ONE_SLOT)
    body = {**CHAT, "max_tokens": 10}
    if ending == "bad options":
        play.ask({**STREAM, "stream_options": 5})
        assert play.reply().status == 400
    else:
        play.ask({**body, "stream": ending == "stream"})
        assert play.counter_map.held()[0] == 2
    if ending == "whole":
        play.answer(plain())
    elif ending == "stream":
        play.answer(stream_head(), chunk(USAGE_EVENT), chunk(DONE), b"0\r\n\r\n")
    elif ending == "refused":
        play.answer(plain(status=400, body=b'{"error":{"message":"no"}}'))
    elif ending == "client gone":
        play.client.lose()
    elif ending == "provider gone":
        play.up.transports[-1].lose()
    elif ending == "garbage":
        play.answer(b"what?\r\n\r\n")
    assert play.counter_map.held() == (0, 0)
    play.connect()
    play.ask(body)
    play.answer(plain())
    assert play.reply().status == 200


def test_a_slot_is_one_call_at_a_time() -> None:
    play = Play(ONE_SLOT)
    play.ask()
    play.connect()
    play.ask()
    assert (play.reply().status, play.reply().headers["retry-after"]) == (429, "1")


def test_who_may_not_use_a_model_takes_nothing() -> None:
    play = Play(BUDGET + "1\n")
    play.ask({**CHAT, "model": "nowhere/x"})
    assert play.reply().status == 404
    assert play.counter_map.held() == (0, 0)
