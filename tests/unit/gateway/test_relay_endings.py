"""How answers end: for clients of HTTP/1.0, by the connection; with a journal that must be on the disk, not before it is."""

from __future__ import annotations

import pytest

from fastgw._native.lane import Wait
from tests.unit.gateway.playbook import (
    ANSWER,
    CHAT,
    COST_COMMENT,
    COST_NANO_USD,
    DONE,
    EVENT,
    HIDDEN_EVENT,
    LARGE,
    LAST_CHUNK,
    STREAM,
    USAGE_EVENT,
    Play,
    chunk,
    plain,
    stream_head,
)


def test_a_stream_for_http_10_ends_with_the_connection(play: Play) -> None:
    play.ask(STREAM, version="1.0")
    play.answer(stream_head(), chunk(EVENT), chunk(USAGE_EVENT + DONE), LAST_CHUNK)
    head, _, body = play.client.sent.partition(b"\r\n\r\n")
    assert body == HIDDEN_EVENT + DONE + COST_COMMENT
    assert b"transfer-encoding" not in head
    assert b"content-length" not in head
    assert play.client.eof_written or play.client.closing
    assert not play.client.aborted


def test_a_cut_stream_for_http_10_ends_in_a_reset(play: Play) -> None:
    play.ask(STREAM, version="1.0")
    play.answer(stream_head(), chunk(EVENT))
    play.up.transports[0].lose()
    assert play.client.socket.resets


@pytest.mark.parametrize("large", [False, True])
def test_a_plain_answer_for_http_10(play: Play, large: bool) -> None:
    body = LARGE if large else ANSWER
    play.ask(version="1.0")
    play.answer(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", chunk(body), LAST_CHUNK)
    head, _, payload = play.client.sent.partition(b"\r\n\r\n")
    assert payload == body
    assert b"transfer-encoding" not in head
    assert (b"content-length: %d" % len(ANSWER) in head) is not large
    assert play.client.eof_written or play.client.closing


@pytest.mark.parametrize("kind", ["plain", "large", "stream"])
def test_the_last_byte_waits_for_the_disk(play: Play, kind: str) -> None:
    on_disk = Wait()
    play.books.durable = lambda: on_disk
    play.ask(STREAM if kind == "stream" else CHAT)
    if kind == "stream":
        play.answer(stream_head(), chunk(EVENT), chunk(USAGE_EVENT + DONE), LAST_CHUNK)
    else:
        play.answer(plain(LARGE if kind == "large" else ANSWER))
    assert play.row.cost_nano_usd == COST_NANO_USD
    assert not play.reply().whole
    assert len(play.client.sent) == play.books.sent_bytes[0]
    on_disk.resolve(None)
    assert play.reply().whole
    assert play.comes_to_rest()


def test_a_client_that_leaves_while_the_disk_works_changes_nothing(play: Play) -> None:
    on_disk = Wait()
    play.books.durable = lambda: on_disk
    play.ask()
    play.answer(plain())
    play.client.lose()
    assert (play.row.status, play.row.cost_nano_usd) == (200, COST_NANO_USD)
    assert play.counts == ["client_gone"]
    assert play.comes_to_rest()
