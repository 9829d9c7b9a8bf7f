from __future__ import annotations

import h11
import pytest

from fastgw.mock_provider.raw_faults import BAD_CHUNK, GARBAGE, HUGE_HEADER_BYTES, LAST_CHUNK, break_head, make_head
from tests.unit.mock_provider.talk import read_reply

FIELDS = b"content-type: text/plain\r\n"


def test_heads_are_read_by_a_strict_parser() -> None:
    assert read_reply(make_head(200, FIELDS, 2, chunked=False, close=True) + b"hi").body == b"hi"
    chunked = make_head(503, FIELDS, None, chunked=True, close=False) + b"2\r\nhi\r\n" + LAST_CHUNK
    assert (read_reply(chunked).status, read_reply(chunked).body) == (503, b"hi")
    assert read_reply(make_head(200, FIELDS, None, chunked=False, close=True) + b"to the end").body == b"to the end"


def test_status_that_has_no_name() -> None:
    assert make_head(529, b"", 0, chunked=False, close=False).startswith(b"HTTP/1.1 529 Mock\r\n")


def test_close_is_announced_only_when_meant() -> None:
    assert b"connection: close\r\n" in make_head(200, b"", 0, chunked=False, close=True)
    assert b"connection" not in make_head(200, b"", 0, chunked=False, close=False)


@pytest.mark.parametrize("how", ["head", "head_length_twice"])
def test_broken_heads_are_refused_by_a_strict_parser(how: str) -> None:
    broken = break_head(make_head(200, FIELDS, 2, chunked=False, close=True), how)
    with pytest.raises(h11.RemoteProtocolError):
        read_reply(broken + b"hi")


def test_broken_heads_are_broken_as_named() -> None:
    head = make_head(200, FIELDS, 2, chunked=False, close=True)
    both = break_head(head, "head_length_and_chunked").lower()
    assert b"content-length: 7\r\ntransfer-encoding: chunked\r\n" in both
    assert b"\r" not in break_head(head, "head_bare_lf")
    assert len(break_head(head, "head_huge")) > HUGE_HEADER_BYTES


def test_garbage_and_bad_chunks_are_no_http() -> None:
    with pytest.raises(h11.RemoteProtocolError):
        read_reply(GARBAGE)
    with pytest.raises(h11.RemoteProtocolError):
        read_reply(make_head(200, FIELDS, None, chunked=True, close=False) + BAD_CHUNK + LAST_CHUNK)
