"""What a caller is told who asks why."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fastgw.gateway.explaining import MAX_LINE_BYTES, explained_body, explanation_line
from tests.unit.gateway.playbook import ANSWER, CHAT, Play, plain

LIMITS = """
[[budgets]]
id = "day"
window = "day"
limit_usd = "0.001"
clamp = false
[[rate_limits]]
id = "slots"
limit = 3
unit = "concurrent_requests"
per = ["key"]
"""
ASKS = {"x-fastgw-explain": "1"}


def told(play: Play) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(play.reply().headers["x-fastgw-explain"])
    return found


def test_an_answer_says_in_its_head_and_its_body_what_was_decided() -> None:
    play = Play(LIMITS)
    play.ask({**CHAT, "max_tokens": 10}, headers=ASKS)
    assert b"x-fastgw-explain" not in play.up.requests[0]
    play.answer(plain())
    found = told(play)
    assert (found["target"], found["priced"], found["reserved_usd"]) == ("up/gpt-real", True, "0.000024")
    assert [(rule["id"], rule["governs"]) for rule in found["rules"]] == [("day", True), ("slots", True)]
    assert found["rules"][0]["reserved_usd"] == "0.000024"
    assert found["rules"][1]["used"] == 1
    body = json.loads(play.reply().body)
    assert body.pop("fastgw") == {"explain": found}
    assert body == json.loads(ANSWER)


def test_a_refusal_says_it_too() -> None:
    play = Play(LIMITS)
    play.ask({**CHAT, "max_tokens": 1000}, headers=ASKS)
    assert play.reply().status == 429
    assert told(play)["rules"][0]["remaining_usd"] == "0.001"
    assert json.loads(play.reply().body)["fastgw"]["explain"] == told(play)


def test_a_call_that_finds_no_target_says_so() -> None:
    play = Play(LIMITS)
    play.ask({**CHAT, "model": "nobody/x"}, headers=ASKS)
    assert told(play) == {"target": None, "rules": []}


def test_who_does_not_ask_is_told_nothing() -> None:
    play = Play(LIMITS)
    play.ask({**CHAT, "max_tokens": 10})
    play.answer(plain())
    assert "x-fastgw-explain" not in play.reply().headers
    assert play.reply().body == ANSWER


def test_a_line_is_no_longer_than_clients_take() -> None:
    rules = [{"id": f"rule {number}", "scope": {"user": "x" * 100}} for number in range(64)]
    line = explanation_line(json.dumps({"target": "t", "rules": rules}).encode())
    found = json.loads(line.partition(b": ")[2])
    assert len(line) <= MAX_LINE_BYTES + len("x-fastgw-explain: \r\n")
    assert found["rules"] == rules[: len(found["rules"])]
    assert found["rules_left_out"] == 64 - len(found["rules"])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"a":1}', b'{"a":1,"fastgw":{"explain":{}}}'),
        (b"{ }\n", b'{ "fastgw":{"explain":{}}}'),
        (b"[1]", b"[1]"),
        (b"", b""),
        (b"\x1f\x8b", b"\x1f\x8b"),
    ],
)
def test_the_last_member_of_an_object(body: bytes, expected: bytes) -> None:
    assert explained_body(body, b"{}") == expected
