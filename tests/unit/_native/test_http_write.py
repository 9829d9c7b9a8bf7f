"""What is written, byte for byte, and that the strict parsers read it back as meant."""

from __future__ import annotations

from typing import Any

import pytest

from fastgw._native.http_body import body_reader
from fastgw._native.http_head import RequestHead, ResponseHead, parse_request_head, parse_response_head
from fastgw._native.http_write import (
    INLINE_BODY_BYTES,
    LAST_CHUNK,
    HeaderFilter,
    header_line,
    write_chunk,
    write_request,
    write_response,
)

NOTHING = HeaderFilter((), ())


def request(lines: bytes = b"") -> RequestHead:
    head = parse_request_head(b"POST /v1/x HTTP/1.1\r\nHost: front\r\n" + lines + b"\r\n")
    assert head is not None
    return head


def response(lines: bytes = b"", status_line: bytes = b"HTTP/1.1 200 Fine") -> ResponseHead:
    head = parse_response_head(status_line + b"\r\n" + lines + b"\r\n")
    assert head is not None
    return head


def test_header_filter() -> None:
    names = [b"authorization", b"x-api-key", *(b"name-%d" % i for i in range(50))]
    drop = HeaderFilter(iter(names), (b"x-fastgw-", b"x-tfy-"))
    for name in (*names, b"Authorization", b"X-API-KEY", b"X-FastGW-User", b"x-fastgw-", b"x-tfy-y"):
        assert name in drop, name
    for name in (b"x-fastgw", b"authorizatio", b"authorizations", b"x-api-kez", b"", b"a", b"name-50", b"xx-tfy-"):
        assert name not in drop, name
    assert b"x" not in NOTHING
    for names, prefixes in (([b"Upper"], []), ([b""], []), ([], [b"a b"]), ([b"a:"], []), ([], [b"X-"])):
        with pytest.raises(ValueError, match="expected a"):
            HeaderFilter(names, prefixes)
    with pytest.raises(TypeError):
        HeaderFilter(["text"], [])  # type: ignore[list-item]  # what a careless caller may do


def test_header_line() -> None:
    assert header_line(b"x-a", b"b \t\xff") == b"x-a: b \t\xff\r\n"
    assert header_line(b"x", b"") == b"x: \r\n"
    for name in (b"", b"a b", b"a:", b"a\r\n", b"\xff"):
        with pytest.raises(ValueError, match="expected a token"):
            header_line(name, b"v")
    for code in (*range(9), *range(10, 32), 127):
        with pytest.raises(ValueError, match="control byte"):
            header_line(b"x", b"01234567" + bytes([code]) + b"0123456789")


def test_request_is_written() -> None:
    head = request(b"X-One:1\r\nauthorization: mine\r\nx-two:  two \r\nX-Fastgw-User: u\r\nX-Empty:\r\n")
    drop = HeaderFilter([b"authorization"], [b"x-fastgw-"])
    fixed = header_line(b"host", b"api.example") + header_line(b"authorization", b"Bearer k")
    assert write_request(b"POST", b"/v1/y?z", fixed, head, drop, b'{"a":1}') == (
        b"POST /v1/y?z HTTP/1.1\r\nhost: api.example\r\nauthorization: Bearer k\r\nX-One: 1\r\nx-two: two\r\n"
        b'X-Empty: \r\ncontent-length: 7\r\n\r\n{"a":1}'
    )
    assert write_request(b"GET", b"/", b"", None, None, b"") == b"GET / HTTP/1.1\r\n\r\n"
    assert write_request(b"GET", b"/", b"", None, None, b"x") == b"GET / HTTP/1.1\r\ncontent-length: 1\r\n\r\nx"
    assert write_request(b"PUT", b"/", b"", None, None, b"") == b"PUT / HTTP/1.1\r\ncontent-length: 0\r\n\r\n"


def test_long_body_stays_apart() -> None:
    head = b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n"
    longest = b"x" * INLINE_BODY_BYTES
    assert write_request(b"POST", b"/", b"", None, None, longest) == head % INLINE_BODY_BYTES + longest
    assert write_request(b"POST", b"/", b"", None, None, longest + b"x") == head % (INLINE_BODY_BYTES + 1)


def test_hop_by_hop_headers_are_never_forwarded() -> None:
    names = (
        b"Keep-Alive",
        b"proxy-authenticate",
        b"Proxy-Authorization",
        b"Proxy-Connection",
        b"TE",
        b"Trailer",
        b"UPGRADE",
    )
    lines = b"".join(name + b": x\r\n" for name in names)
    lines += b"Connection: X-Mine, close\r\nConnection: keep-alive,x-Other\r\nx-mine: 1\r\nX-OTHER: 2\r\nX-Keep: 3\r\n"
    framing = b"Content-Length: 5\r\n"
    expected = b"X-Keep: 3\r\n"
    sent = write_request(b"GET", b"/", b"", request(lines + framing + b"Expect: 100-continue\r\n"), NOTHING, b"")
    assert sent == b"GET / HTTP/1.1\r\n" + expected + b"\r\n"
    sent = write_response(200, response(lines + framing), NOTHING, b"", -1, True, True, b"")
    assert sent == b"HTTP/1.1 200 Fine\r\n" + expected + b"transfer-encoding: chunked\r\n\r\n"
    sent = write_response(200, response(b"Transfer-Encoding: chunked\r\nExpect: x\r\n"), None, b"", 0, False, True, b"")
    assert sent == b"HTTP/1.1 200 Fine\r\nExpect: x\r\ncontent-length: 0\r\n\r\n"


def test_response_is_written() -> None:
    head = response(b"Content-Type: text/plain\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n", b"HTTP/1.1 429 Slow\xff down")
    extra = header_line(b"x-request-id", b"r1")
    assert write_response(429, head, HeaderFilter([b"content-type"], []), extra, 4, False, False, b"wait") == (
        b"HTTP/1.1 429 Slow\xff down\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nx-request-id: r1\r\ncontent-length: 4\r\n"
        b"connection: close\r\n\r\nwait"
    )
    assert write_response(502, head, HeaderFilter([], [b"s", b"c"]), b"", -1, False, True, b"") == (
        b"HTTP/1.1 502 Bad Gateway\r\n\r\n"
    )
    assert write_response(100, None, None, b"", -1, False, True, b"") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert write_response(599, None, None, b"", 2**63 - 1, False, True, b"").endswith(
        b" \r\ncontent-length: 9223372036854775807\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("status", "length", "chunked", "body"),
    [
        (99, -1, False, b""),
        (600, -1, False, b""),
        (200, 1, True, b""),
        (204, 0, False, b""),
        (100, -1, True, b""),
        (200, 1, False, b"xx"),
    ],
)
def test_contradictory_responses_are_not_written(status: int, length: int, *, chunked: bool, body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        write_response(status, None, None, b"", length, chunked, True, body)


def test_bad_request_lines_are_not_written() -> None:
    for method, target in (
        (b"", b"/"),
        (b"A B", b"/"),
        (b"GET", b""),
        (b"GET", b"/ x"),
        (b"GET", b"/\r\n"),
        (b"GET", b"/#"),
    ):
        with pytest.raises(ValueError, match=r"expected a token|visible ASCII"):
            write_request(method, target, b"", None, None, b"")
    for missing in range(3):
        texts: list[Any] = [b"GET", b"/", b""]
        texts[missing] = None  # what a careless caller may do
        with pytest.raises(TypeError):
            write_request(texts[0], texts[1], texts[2], None, None, b"")


def test_written_messages_are_read_back() -> None:
    text = write_request(b"POST", b"/v1/x", header_line(b"host", b"h"), request(b"A: 1\r\n" * 50), NOTHING, b"body")
    head = parse_request_head(text)
    assert head is not None
    assert (head.header(b"host"), len(head), text[head.size_bytes :]) == (b"h", 52, b"body")
    text = write_response(200, response(b"A:1\r\n" * 100), NOTHING, b"", -1, True, True, b"")
    answer = parse_response_head(text)
    assert answer is not None
    assert (answer.size_bytes, answer.chunked, len(answer)) == (len(text), True, 101)


@pytest.mark.parametrize("size", [1, 15, 16, 255, 256, 70_000])
def test_chunks(size: int) -> None:
    data = bytes(i % 251 for i in range(size))
    assert write_chunk(data) == b"%x\r\n%b\r\n" % (size, data)
    reader = body_reader(response(b"Transfer-Encoding: chunked\r\n"))
    assert reader.feed_bytes(write_chunk(data) + LAST_CHUNK)[0] == data
    assert reader.done


def test_empty_chunk_does_not_end_the_body() -> None:
    assert write_chunk(b"") == b""
