"""The one decision before the provider: which model, for whom, with which tags, and what it may cost."""

from __future__ import annotations

from typing import Any

import pytest

from fastgw._native.json_scan import fingerprint64
from fastgw.spend.learned import DEFAULT_OUTPUT_TOKENS
from tests.unit.gateway.playbook import (
    ALIASED_KEY,
    APP_KEY,
    CHAT,
    NARROW_KEY,
    STREAM,
    Play,
    plain,
    request,
)


@pytest.mark.parametrize(
    ("key", "model", "is_allowed"),
    [
        (NARROW_KEY, "up/gpt-real", True),
        (NARROW_KEY, "up/other", True),
        (NARROW_KEY, "gpt", True),  # allowed by where it leads
        (NARROW_KEY, "bare-name", True),  # likewise: the first provider is `up`
        (NARROW_KEY, "public/gpt-5", False),
        (NARROW_KEY, "nowhere/x", False),  # who may not use it does not learn whether it exists
        (ALIASED_KEY, "gpt", True),
        (ALIASED_KEY, "up/gpt-real", False),
        (ALIASED_KEY, "gpt2", False),
    ],
)
def test_a_model_is_allowed_by_its_name_or_by_its_targets(play: Play, key: str, model: str, is_allowed: bool) -> None:
    play.ask({**CHAT, "model": model}, key=key)
    if is_allowed:
        play.answer(plain())
        assert (play.row.status, play.row.alias) == (200, model)
        assert play.row.target.startswith("up/")
    else:
        assert (play.reply().status, play.reply().error["code"]) == (403, "model_not_allowed")
        assert play.reply().error["param"] == "model"
        assert play.up.requests == []
        assert (play.row.status, play.row.error_code) == (403, "model_not_allowed")


def test_a_refused_name_is_shown_harmlessly(play: Play) -> None:
    play.ask({**CHAT, "model": "a\x1b[31m" + "b" * 5000}, key=ALIASED_KEY)
    assert "\x1b" not in play.reply().error["message"]
    assert len(play.reply().error["message"]) < 1000


@pytest.mark.parametrize(
    ("model", "path", "status", "code"),
    [
        ("nowhere/x", "/v1/chat/completions", 404, "model_not_found"),
        ("up/", "/v1/chat/completions", 404, "model_not_found"),
        ("claude/c", "/v1/chat/completions", 400, "unsupported_operation"),
        ("up/x", "/v1/messages", 400, "unsupported_operation"),
    ],
)
def test_where_no_target_is(play: Play, model: str, path: str, status: int, code: str) -> None:
    play.ask({**CHAT, "model": model, "max_tokens": 5}, path=path)
    assert play.reply().status == play.row.status == status
    assert play.row.error_code == code


@pytest.mark.parametrize(
    ("headers", "metadata"),
    [
        ({}, {"team_tag": "t", "application": "shop"}),
        ({"x-fastgw-metadata": "{}"}, {"team_tag": "t", "application": "shop"}),
        ({"x-fastgw-metadata": '{"a":"1"}'}, {"team_tag": "t", "application": "shop", "a": "1"}),
        ({"x-tfy-metadata": '{"a":"1"}'}, {"team_tag": "t", "application": "shop", "a": "1"}),
        (
            {"x-fastgw-metadata": '{"a":"1"}', "x-tfy-metadata": '{"a":"2"}'},
            {"team_tag": "t", "application": "shop", "a": "1"},
        ),
        ({"x-fastgw-metadata": '{"application":"mine"}'}, {"team_tag": "t", "application": "shop"}),
    ],
)
def test_metadata(play: Play, headers: dict[str, str], metadata: dict[str, str]) -> None:
    play.ask(headers=headers)
    play.answer(plain())
    assert play.row.metadata == play.books.opened_rows[0].metadata == metadata


def test_metadata_of_a_key_that_has_none(play: Play) -> None:
    play.ask(key=ALIASED_KEY)
    play.answer(plain())
    assert (play.row.metadata, play.row.user, play.row.team) == (None, "", "")


@pytest.mark.parametrize(
    ("key", "headers", "user"),
    [
        (APP_KEY, {}, "ada"),
        # Whose a key is its operator says: nobody spends another's budget by a header.
        (APP_KEY, {"x-fastgw-user": "bob"}, "ada"),
        (ALIASED_KEY, {"x-fastgw-user": "bob é"}, "bob é"),
    ],
)
def test_the_end_user(play: Play, key: str, headers: dict[str, str], user: str) -> None:
    play.ask(key=key, headers=headers)
    play.answer(plain())
    assert play.row.user == user


@pytest.mark.parametrize(
    ("header", "value", "code"),
    [
        ("x-fastgw-metadata", "x", "invalid_metadata"),
        ("x-fastgw-metadata", '{"a":1}', "invalid_metadata"),
        ("x-tfy-metadata", "[]", "invalid_metadata"),
        ("x-fastgw-user", "u" * 129, "invalid_user"),
    ],
)
def test_odd_words_about_oneself_are_refused(play: Play, header: str, value: str, code: str) -> None:
    play.ask(headers={header: value})
    assert (play.reply().status, play.reply().error["code"], play.reply().error["param"]) == (400, code, header)
    assert play.row.error_code == code
    assert play.up.requests == []


@pytest.mark.parametrize(
    ("operation", "path", "body", "output_tokens"),
    [
        ("chat", "/v1/chat/completions", CHAT, DEFAULT_OUTPUT_TOKENS),
        ("chat", "/v1/chat/completions", {**CHAT, "max_completion_tokens": 7, "n": 2}, 14),
        ("complete", "/v1/completions", {"model": "gpt", "prompt": "x"}, DEFAULT_OUTPUT_TOKENS),
        ("respond", "/v1/responses", {"model": "gpt", "input": "x", "max_output_tokens": 3}, 3),
        ("embed", "/v1/embeddings", {"model": "gpt", "input": "x"}, 0),
        ("message", "/v1/messages", {"model": "claude/c", "max_tokens": 11, "messages": []}, 11),
        ("count_tokens", "/v1/messages/count_tokens", {"model": "claude/c", "messages": []}, 0),
    ],
)
def test_what_a_call_may_use(play: Play, operation: str, path: str, body: dict[str, Any], output_tokens: int) -> None:
    play.ask(body, path=path)
    (row,) = play.books.opened_rows
    assert row.output_tokens == output_tokens
    assert row.input_tokens > 0
    assert row.operation == operation


def test_the_row_at_admission(play: Play) -> None:
    data = request(STREAM)
    play.client.receive(data)
    (row,) = play.books.opened_rows
    body = data.partition(b"\r\n\r\n")[2]
    assert (row.key, row.alias, row.target, row.provider, row.region) == ("app", "gpt", "up/gpt-real", "up", "")
    assert (row.dialect, row.operation, row.streaming) == ("openai", "chat", True)
    assert row.fingerprint == fingerprint64(body)
    assert row.started_ns > 1_700_000_000 * 10**9


def test_a_name_with_half_of_a_pair_does_not_reach_the_books(play: Play) -> None:
    play.ask(b'{"model":"\\ud800"}')
    assert (play.reply().status, play.row.error_code, play.row.alias) == (400, "invalid_json", "")
