"""Answers on their way to the client: what arrives, what is held back until the call is settled, and how a cut shows."""

from __future__ import annotations

import gzip

import pytest

from fastgw.domain.money import NanoUsd, format_usd
from fastgw.gateway.relay import MAX_HELD_CHUNKS, WHOLE_BODY_BYTES
from tests.unit.gateway.playbook import (
    ANSWER,
    CHAT,
    COST,
    COST_COMMENT,
    COST_NANO_USD,
    DONE,
    EVENT,
    EVENT_STREAM,
    HIDDEN_EVENT,
    LARGE,
    LAST_CHUNK,
    STREAM,
    USAGE,
    USAGE_EVENT,
    Play,
    chunk,
    plain,
    stream_head,
)

TOLD = {**STREAM, "stream_options": {"include_usage": True}}


# --- plain answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_a_plain_answer_byte_for_byte_however_it_comes(play: Play, pieces: int) -> None:
    play.ask(headers={"x-request-id": "mine-1"})
    data = plain(lines=b"server: secret\r\nset-cookie: a=b\r\nx-ratelimit-remaining: 3\r\nx-fastgw-cost-usd: 9\r\n")
    step = -(-len(data) // pieces)
    play.answer(*(data[at : at + step] for at in range(0, len(data), step)))
    head, _, body = play.client.sent.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert body == ANSWER
    assert lines[:6] == [
        b"HTTP/1.1 200 X",
        b"content-type: application/json",
        b"x-ratelimit-remaining: 3",
        b"x-request-id: mine-1",
        b"x-fastgw-model: up/gpt-real",
        b"x-fastgw-cost-usd: 0.00002",
    ]
    assert lines[6] == b"x-fastgw-attempts: 1"
    assert lines[7].startswith(b"x-fastgw-overhead-us: ")
    assert lines[8:] == [b"content-length: %d" % len(ANSWER)]
    assert play.books.sent_bytes == [0]
    assert (play.row.cost_nano_usd, play.row.usage_source) == (COST_NANO_USD, "reported")
    assert play.up.pool.idle == 1


def test_an_answer_without_a_length(play: Play) -> None:
    play.ask()
    play.answer(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", chunk(ANSWER[:9]), chunk(ANSWER[9:]))
    assert play.client.sent == b""
    play.answer(LAST_CHUNK)
    assert (play.reply().body, play.reply().headers["x-fastgw-cost-usd"]) == (ANSWER, COST)


def test_a_stream_that_was_wanted_but_not_given_is_a_plain_answer(play: Play) -> None:
    play.ask(STREAM)
    play.answer(plain())
    assert (play.reply().body, play.reply().headers["x-fastgw-cost-usd"]) == (ANSWER, COST)


def test_an_unpriced_answer_says_so(play: Play) -> None:
    play.ask({**CHAT, "model": "nobody-knows/llama"})
    play.answer(plain(), account="nobody-knows")
    assert play.reply().headers["x-fastgw-cost-usd"] == "unpriced"
    assert (play.row.cost_nano_usd, play.row.input_tokens, play.row.output_tokens) == (None, 10, 5)


def test_usage_that_is_absent_is_estimated_from_the_bytes(play: Play) -> None:
    play.ask()
    body = b'{"text":"' + b"x" * 300 + b'"}'
    play.answer(plain(body))
    assert (play.row.usage_source, play.row.input_tokens) == ("estimated", play.books.opened_rows[0].input_tokens)
    assert play.row.output_tokens == -(-len(body) // 3)
    assert play.row.cost_nano_usd == play.row.input_tokens * 1000 + play.row.output_tokens * 2000


@pytest.mark.parametrize(
    ("tier", "cost_nano_usd"), [(b'"default"', 62_500), (b'"flex"', 31_250), (b'"unheard-of"', 62_500), (b"7", 62_500)]
)
@pytest.mark.parametrize("streaming", [False, True])
def test_the_service_tier_of_the_answer_chooses_the_price(
    play: Play, tier: bytes, cost_nano_usd: int, streaming: bool
) -> None:
    # gpt-5: 10 tokens at 1.25 USD and 5 at 10 USD a million; half of it in the flex tier
    play.ask({**CHAT, "model": "public/gpt-5", "stream": streaming, "service_tier": "auto"})
    document = b'{"choices":[],"service_tier":%b,"usage":%b}' % (tier, USAGE)
    if streaming:
        play.answer(stream_head(), chunk(b"data: " + document + b"\n\n" + DONE), LAST_CHUNK, account="public")
    else:
        play.answer(plain(document), account="public")
    assert play.row.cost_nano_usd == cost_nano_usd


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"a":', b'{"a":1}x'])
def test_garbage_is_a_provider_failure(play: Play, body: bytes, at_once: bool) -> None:
    play.ask()
    data = plain(body)
    play.answer(*([data] if at_once else [data[:40], data[40:]]))
    reply = play.reply()
    assert (reply.status, reply.error["code"], reply.whole) == (502, "provider_protocol", True)
    assert reply.headers["x-fastgw-refused-by"] == "provider"
    assert (play.row.status, play.row.error_code) == (502, "provider_protocol")


def test_an_answer_that_is_odd_but_readable_passes(play: Play) -> None:
    body = b'{"a":1,"usage":{"prompt_tokens":1},"usage":%b}' % USAGE
    play.ask()
    play.answer(plain(body))
    assert (play.reply().status, play.reply().body) == (200, body)
    assert play.row.outcome == "settled"


def test_what_is_not_http_is_a_provider_failure(play: Play) -> None:
    play.ask()
    play.answer(b"SSH-2.0-x\r\n\r\n")
    assert (play.reply().status, play.reply().error["code"]) == (502, "provider_protocol")
    assert play.row.cost_nano_usd == 0


def test_an_encoded_answer_passes_as_it_is_and_is_estimated(play: Play) -> None:
    body = gzip.compress(ANSWER)
    play.ask()
    play.answer(plain(body, lines=b"content-encoding: gzip\r\n"))
    reply = play.reply()
    assert (reply.status, reply.body, reply.headers["content-encoding"]) == (200, body, "gzip")
    assert (play.row.status, play.row.usage_source) == (200, "estimated")
    assert play.row.cost_nano_usd


def test_a_large_answer_passes_in_pieces_and_its_last_piece_waits_for_the_settlement(play: Play) -> None:
    play.ask()
    data = plain(LARGE)
    play.answer(data[:-10])
    begun = play.client.sent
    assert b"x-fastgw-cost-usd" not in begun
    assert len(begun) > WHOLE_BODY_BYTES
    assert play.books.rows == []
    play.answer(data[-10:])
    assert play.reply().body == LARGE
    assert play.reply().whole
    assert play.row.cost_nano_usd == COST_NANO_USD
    assert play.books.sent_bytes[0] < len(play.client.sent)
    assert play.up.pool.idle == 1


def test_a_large_answer_waits_for_a_slow_client(play: Play) -> None:
    play.client.stalled = True
    play.ask()
    data = plain(LARGE)
    at = 0
    while at < len(data) and play.up.transports[-1].reading:
        play.answer(data[at : at + 65536])
        at += 65536
    assert at < len(data), "the provider was read to the end while the client took nothing"
    assert len(play.client.sent) < len(LARGE)
    while not play.comes_to_rest():
        play.client.flush()
        if at < len(data) and play.up.transports[-1].reading:
            play.answer(data[at : at + 65536])
            at += 65536
    assert play.reply().body == LARGE
    assert play.row.usage_source == "reported"


# --- refusals ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 404, 422, 429, 500, 503])
def test_a_refusal_in_the_right_shape_passes_as_it_is(play: Play, status: int) -> None:
    body = b'{"error":{"message":"no","type":"t","param":null,"code":"c"}}'
    play.ask()
    play.answer(plain(body, status, b"retry-after: 3\r\n"))
    reply = play.reply()
    assert (reply.status, reply.body, reply.headers["retry-after"]) == (status, body, "3")
    assert (play.row.status, play.row.error_code, play.row.usage_source) == (status, "provider_refused", "none")
    assert (play.row.cost_nano_usd, play.row.input_tokens, play.row.output_tokens) == (0, 0, 0)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_credential_is_not_the_callers_fault(play: Play, status: int) -> None:
    play.ask()
    play.answer(plain(b'{"error":{"message":"bad key upstream-secr...","code":"invalid_api_key"}}', status))
    reply = play.reply()
    assert (reply.status, reply.error["code"]) == (502, "provider_credential_refused")
    assert b"secr..." not in play.client.sent
    assert (play.row.status, play.row.error_code, play.row.cost_nano_usd) == (502, "provider_credential_refused", 0)


@pytest.mark.parametrize(("status", "sent"), [(503, 503), (418, 418), (302, 502)])
def test_a_refusal_in_another_shape_is_told_in_ours(play: Play, status: int, sent: int) -> None:
    play.ask()
    play.answer(plain(b"<h1>busy</h1>", status))
    assert play.reply().status == play.row.status == sent
    assert play.reply().error["message"].startswith("provider: ")


def test_a_refusal_longer_than_we_keep(play: Play) -> None:
    play.ask()
    play.answer(plain(b"x" * 200_000, 500))
    assert play.reply().status == play.row.status == 500
    assert play.up.pool.idle == 0


# --- streams ----------------------------------------------------------------------------------------------------------------


def test_a_stream_byte_for_byte_with_the_usage_hidden(play: Play) -> None:
    play.ask(STREAM)
    play.answer(stream_head())
    head, _, rest = play.client.sent.partition(b"\r\n\r\n")
    assert rest == b""
    assert b"\r\ntransfer-encoding: chunked" in head
    assert b"cost" not in head
    play.answer(chunk(EVENT))
    assert play.client.writes[1:] == [chunk(HIDDEN_EVENT)]
    play.answer(chunk(USAGE_EVENT + DONE) + LAST_CHUNK)
    assert play.client.writes[2:] == [chunk(DONE + COST_COMMENT), LAST_CHUNK]
    assert (play.row.streaming, play.row.cost_nano_usd, play.row.usage_source) == (True, COST_NANO_USD, "reported")
    assert play.row.first_token_ns > 0


def test_a_stream_whose_usage_was_asked_for_is_untouched(play: Play) -> None:
    play.ask(TOLD)
    play.answer(stream_head(), chunk(EVENT), chunk(USAGE_EVENT), chunk(DONE), LAST_CHUNK)
    assert play.reply().body == EVENT + USAGE_EVENT + DONE + COST_COMMENT


def test_the_closing_event_waits_for_the_settlement(play: Play) -> None:
    play.ask(TOLD)
    play.answer(stream_head(), chunk(EVENT), chunk(USAGE_EVENT + DONE))
    assert play.reply().body == EVENT
    assert play.books.rows == []
    play.answer(LAST_CHUNK)
    assert play.reply().body == EVENT + USAGE_EVENT + DONE + COST_COMMENT
    assert play.client.sent[: play.books.sent_bytes[0]].endswith(chunk(EVENT))
    assert play.up.pool.idle == 1


def test_usage_behind_the_closing_event_still_counts(play: Play) -> None:
    play.ask(STREAM)
    play.answer(stream_head(), chunk(EVENT), chunk(DONE), chunk(USAGE_EVENT), LAST_CHUNK)
    assert play.row.cost_nano_usd == COST_NANO_USD
    assert play.reply().body == HIDDEN_EVENT + DONE + COST_COMMENT


def test_a_stream_that_stays_open_behind_its_closing_event_is_not_waited_for_long(play: Play) -> None:
    play.ask(STREAM)
    play.answer(stream_head(), chunk(EVENT), chunk(USAGE_EVENT + DONE))
    play.door.wait(0.5)
    assert (play.reply().body, play.reply().whole) == (HIDDEN_EVENT + DONE + COST_COMMENT, True)
    assert (play.row.error_code, play.row.cost_nano_usd) == ("", COST_NANO_USD)
    assert play.up.transports[0].closing


def test_a_stream_that_breaks_behind_its_closing_event_was_whole(play: Play) -> None:
    play.ask(STREAM)
    play.answer(stream_head(), chunk(EVENT), chunk(USAGE_EVENT + DONE))
    play.up.transports[0].lose()
    assert (play.reply().whole, play.row.error_code, play.row.status) == (True, "", 200)


def test_what_comes_behind_the_closing_event_is_bounded(play: Play) -> None:
    play.ask(TOLD)
    play.answer(stream_head(), chunk(USAGE_EVENT + DONE), *[chunk(b": x\n\n")] * (MAX_HELD_CHUNKS - 1))
    assert play.books.rows == []
    play.answer(chunk(b": x\n\n"))
    assert play.reply().whole
    assert play.row.cost_nano_usd == COST_NANO_USD


@pytest.mark.parametrize("how", ["lost", "garbled", "silent", "ended"])
def test_a_cut_stream_ends_with_an_error_event_and_no_last_chunk(play: Play, how: str) -> None:
    play.ask(STREAM)
    if how == "ended":
        play.answer(b"HTTP/1.1 200 OK\r\n" + EVENT_STREAM + b"\r\n", EVENT)
        play.up.transports[0].end()
        code, status = "provider_connection_lost", 502
    else:
        play.answer(stream_head(), chunk(EVENT))
        if how == "lost":
            play.up.transports[0].lose()
            code, status = "provider_connection_lost", 502
        elif how == "garbled":
            play.answer(b"zz\r\n")
            code, status = "provider_protocol", 502
        else:
            play.door.wait(6)
            code, status = "provider_timeout", 504
    reply = play.reply()
    events = reply.body.split(b"\n\n")
    assert not reply.whole
    assert events[0] + b"\n\n" == HIDDEN_EVENT
    assert events[1].startswith(b'data: {"error":{"message":"provider: ')
    assert code.encode() in events[1]
    assert LAST_CHUNK not in play.client.sent
    assert b"[DONE]" not in play.client.sent
    assert play.client.closing
    assert (play.row.status, play.row.error_code, play.row.usage_source) == (status, code, "estimated")
    assert play.row.output_tokens > 0


def test_a_stream_that_ends_in_order_without_its_closing_event_is_passed_on_as_it_is(play: Play) -> None:
    play.ask(TOLD)
    play.answer(stream_head(), chunk(EVENT), chunk(USAGE_EVENT), LAST_CHUNK)
    assert play.reply().body == EVENT + USAGE_EVENT + COST_COMMENT
    assert play.row.cost_nano_usd == COST_NANO_USD


def test_a_stream_without_usage_is_estimated(play: Play) -> None:
    play.ask(STREAM)
    play.answer(stream_head(), chunk(EVENT * 10), chunk(DONE), LAST_CHUNK)
    assert play.row.usage_source == "estimated"
    assert play.row.input_tokens == play.books.opened_rows[0].input_tokens
    assert play.row.output_tokens == 10  # by the text of the events, not by what is around it
    cost_nano_usd = play.row.input_tokens * 1000 + play.row.output_tokens * 2000
    assert play.row.cost_nano_usd == cost_nano_usd
    assert play.reply().body.endswith(b": x-fastgw-cost-usd: %b\n\n" % format_usd(NanoUsd(cost_nano_usd)).encode())


def test_an_error_inside_a_stream_is_noted(play: Play) -> None:
    play.ask(STREAM)
    error = b'data: {"error":{"message":"overloaded"}}\n\n'
    play.answer(stream_head(), chunk(EVENT), chunk(error + DONE), LAST_CHUNK)
    assert error in play.reply().body
    assert (play.row.status, play.row.error_code) == (200, "provider_stream_error")


def test_an_unpriced_stream_says_so(play: Play) -> None:
    play.ask({**STREAM, "model": "nobody-knows/llama"})
    play.answer(stream_head(), chunk(USAGE_EVENT + DONE), LAST_CHUNK, account="nobody-knows")
    assert play.reply().body == DONE + b": x-fastgw-cost-usd: unpriced\n\n"


def test_a_stream_waits_for_a_slow_client(play: Play) -> None:
    play.client.stalled = True
    play.ask(TOLD)
    play.answer(stream_head())
    big = b'data: {"x":"' + b"y" * 60_000 + b'"}\n\n'
    sent = 0
    while play.up.transports[0].reading:
        play.answer(chunk(big))
        sent += 1
        assert sent < 20, "the provider is read although the client takes nothing"
    assert play.client.sent.count(b'data: {"x"') < sent
    play.client.stalled = False
    play.client.flush()
    play.answer(chunk(USAGE_EVENT + DONE), LAST_CHUNK)
    assert play.reply().body == big * sent + USAGE_EVENT + DONE + COST_COMMENT
