"""Every rule of the head parsers as a vector, each fed whole, byte by byte and with trailing bytes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from fastgw._native.errors import HttpLimitError, HttpSyntaxError
from fastgw._native.http_head import MessageHead, RequestHead, ResponseHead, parse_request_head, parse_response_head

Verdict = MessageHead | tuple[type[Exception], int, str] | None
POST = b"POST /v1/x HTTP/1.1\r\nHost: a\r\n"
OK = b"HTTP/1.1 200 OK\r\n"


def verdict(parse: Callable[[bytes], MessageHead | None], data: bytes) -> Verdict:
    try:
        return parse(data)
    except (HttpSyntaxError, HttpLimitError) as error:
        return type(error), error.status, str(error)


def describe(found: Verdict) -> object:
    if not isinstance(found, MessageHead):
        return found
    own = (
        (found.method, found.target, found.path, found.expect_continue)
        if isinstance(found, RequestHead)
        else (found.status, found.reason, found.bodiless)
        if isinstance(found, ResponseHead)
        else ()
    )
    framing = (found.size_bytes, found.content_length, found.chunked, found.keep_alive, found.minor_version)
    return own, framing, found.header_items()


def three_ways(parse: Callable[[bytes], MessageHead | None], data: bytes) -> Verdict:
    """The verdict on ``data``, after checking that no way of feeding changes it."""
    whole = verdict(parse, data)
    first = next((v for n in range(len(data) + 1) if (v := verdict(parse, data[:n])) is not None), None)
    assert describe(first) == describe(whole)
    if whole is not None:
        assert describe(verdict(parse, data + b"\r\n\x00 trailing")) == describe(whole)
    return whole


def refused(parse: Callable[[bytes], MessageHead | None], data: bytes) -> tuple[int, str]:
    found = three_ways(parse, data)
    assert isinstance(found, tuple), f"accepted or incomplete: {data!r}"
    return found[1], found[2]


def request(data: bytes) -> RequestHead:
    head = three_ways(parse_request_head, data)
    assert isinstance(head, RequestHead), f"{data!r}: {head}"
    return head


def response(data: bytes, *, answers_head: bool = False) -> ResponseHead:
    head = three_ways(lambda text: parse_response_head(text, answers_head=answers_head), data)
    assert isinstance(head, ResponseHead), f"{data!r}: {head}"
    return head


def test_request_is_read() -> None:
    data = POST + b"Content-Length: 42\r\nX-Tab:\t  a \t b\t\r\nX-Obs: \xfc\xff\r\nX-Empty:\r\nX-Empty: 2\r\n\r\n"
    head = request(data)
    assert (head.method, head.target, head.path) == (b"POST", b"/v1/x", b"/v1/x")
    assert (head.size_bytes, head.content_length, head.chunked) == (len(data), 42, False)
    assert (head.keep_alive, head.minor_version, head.expect_continue, len(head)) == (True, 1, False, 6)
    assert head.header_items() == [
        (b"Host", b"a"),
        (b"Content-Length", b"42"),
        (b"X-Tab", b"a \t b"),
        (b"X-Obs", b"\xfc\xff"),
        (b"X-Empty", b""),
        (b"X-Empty", b"2"),
    ]
    assert (head.header(b"x-empty"), head.header(b"x-tab"), head.header(b"x-none")) == (b"", b"a \t b", None)


@pytest.mark.parametrize(
    ("line", "method", "target", "path"),
    [
        (b"GET /a?b=c?d HTTP/1.1", b"GET", b"/a?b=c?d", b"/a"),
        (b"GET /? HTTP/1.1", b"GET", b"/?", b"/"),
        (b"OPTIONS * HTTP/1.1", b"OPTIONS", b"*", b"*"),
        (b'M-SEARCH /"|\\^~ HTTP/1.0', b"M-SEARCH", b'/"|\\^~', b'/"|\\^~'),
    ],
)
def test_request_line_is_taken_apart(line: bytes, method: bytes, target: bytes, path: bytes) -> None:
    head = request(line + b"\r\nhost: a\r\n\r\n")
    assert (head.method, head.target, head.path) == (method, target, path)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b" GET / HTTP/1.1\r\n", 400),
        (b"GET  / HTTP/1.1\r\n", 400),
        (b"GET /  HTTP/1.1\r\n", 400),
        (b"GET\t/ HTTP/1.1\r\n", 400),
        (b"GET /\tHTTP/1.1\r\n", 400),
        (b"GET / HTTP/1.1 \r\n", 400),
        (b"GET / HTTP/1.1\n", 400),
        (b"GET / HTTP/1.1\r\r\n", 400),
        (b"GET / HTTP/1.1\rX", 400),
        (b"GET /\r\n", 400),
        (b"GET\r\n", 400),
        (b"G@T / HTTP/1.1\r\n", 400),
        (b"G\xe9T / HTTP/1.1\r\n", 400),
        (b"GET x HTTP/1.1\r\n", 400),
        (b"GET http://a/ HTTP/1.1\r\n", 400),
        (b"GET * HTTP/1.1\r\n", 400),
        (b"options * HTTP/1.1\r\n", 400),
        (b"OPTIONS *x HTTP/1.1\r\n", 400),
        (b"CONNECT a:443 HTTP/1.1\r\n", 400),
        (b"CONNECT /a HTTP/1.1\r\n", 400),
        (b"GET /a#b HTTP/1.1\r\n", 400),
        (b"GET /\x7f HTTP/1.1\r\n", 400),
        (b"GET /\x00 HTTP/1.1\r\n", 400),
        (b"GET /\xc3\xa9 HTTP/1.1\r\n", 400),
        (b"GET / HTTP/2.0\r\n", 400),
        (b"GET / HTTP/1.2\r\n", 400),
        (b"GET / HTTP/0.9\r\n", 400),
        (b"GET / http/1.1\r\n", 400),
        (b"GET / HTTP/1,1\r\n", 400),
        (b"GET / HTTP/11\r\n", 400),
        (b"GET / HTTP/x.1\r\n", 400),
        (b"GET / ICE/1.0\r\n", 400),
        (b"\r\n\r\nGET / HTTP/1.1\r\n", 400),
        (b"\rGET / HTTP/1.1\r\n", 400),
        (b"\nGET / HTTP/1.1\r\n", 400),
        (b"\x16\x03\x01", 400),
    ],
)
def test_request_line_is_refused(line: bytes, status: int) -> None:
    assert refused(parse_request_head, line + b"Host: a\r\n\r\n")[0] == status


def test_one_empty_line_before_a_request_is_counted() -> None:
    head = request(b"\r\n" + POST + b"X: y\r\n\r\n")
    assert (head.size_bytes, head.method) == (2 + len(POST) + 8, b"POST")
    assert head.header(b"x") == b"y"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (b"X : y\r\n", "blank inside"),
        (b"X\t: y\r\n", "blank inside"),
        (b"X y: z\r\n", "blank inside"),
        (b"X: y\r\n z\r\n", "folded"),
        (b"X: y\r\n\tz\r\n", "folded"),
        (b": y\r\n", "empty header name"),
        (b"X\r\n", "bare CR or LF"),
        (b"X\n", "bare CR or LF"),
        (b"X(y): z\r\n", "invalid byte"),
        (b"X\xe9: z\r\n", "invalid byte"),
        (b"X: y\nZ: z\r\n", "bare LF"),
        (b"X: y\rZ: z\r\n", "bare CR"),
        (b"X:\rZ: z\r\n", "bare CR"),
        (b"X: y\r\r\n", "bare CR"),
        (b"\nX: y\r\n", "bare CR or LF"),
        (b"\rX: y\r\n", "bare CR"),
        (b"X: y\r\n\n", "bare CR or LF"),
    ],
)
def test_malformed_lines_are_refused(lines: bytes, message: str) -> None:
    status, text = refused(parse_request_head, POST + lines + b"\r\n")
    assert (status, message in text) == (400, True), text
    assert refused(parse_response_head, OK + lines + b"\r\n")[0] == 400


def test_every_byte_has_its_place() -> None:
    token = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    for code in range(256):
        byte = bytes([code])
        name, value, target = (
            verdict(
                parse_request_head,
                b"GET /" + fill[0] + b" HTTP/1.0\r\nX" + fill[1] + b":.1234567" + fill[2] + b".\r\n\r\n",
            )
            for fill in ((b"", byte, b""), (b"", b"", byte), (byte, b"", b""))
        )
        assert isinstance(name, RequestHead) == (byte in token or byte == b":"), byte
        assert isinstance(value, RequestHead) == (code == 9 or (code >= 32 and code != 127)), byte
        assert isinstance(target, RequestHead) == (33 <= code <= 126 and byte != b"#"), byte


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400),
        (b"Content-Length: 5\r\nContent-Length: 5\r\n", 400),
        (b"Content-Length: 5\r\ncontent-length: 6\r\n", 400),
        (b"Content-Length: 5, 5\r\n", 400),
        (b"Content-Length:\r\n", 400),
        (b"Content-Length: +5\r\n", 400),
        (b"Content-Length: -0\r\n", 400),
        (b"Content-Length: 0x5\r\n", 400),
        (b"Content-Length: 5a\r\n", 400),
        (b"Content-Length: 5 5\r\n", 400),
        (b"Content-Length: 5.0\r\n", 400),
        (b"Content-Length: 1_0\r\n", 400),
        (b"Content-Length: 010\r\n", 400),
        (b"Content-Length: 9223372036854775808\r\n", 400),
        (b"Content-Length: 99999999999999999999\r\n", 400),
        (b"Content-Length: \xb2\r\n", 400),
        (b"Content_Length: 5\r\n", 400),
        (b"content.length: 5\r\n", 400),
        (b"Transfer_Encoding: chunked\r\n", 400),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"Transfer-Encoding:\r\n", 400),
        (b"Transfer-Encoding: chunked, chunked\r\n", 400),
        (b"Transfer-Encoding: chunked, gzip\r\n", 400),
        (b"Transfer-Encoding: chunked;q=1\r\n", 400),
        (b'Transfer-Encoding: "chunked"\r\n', 400),
        (b"Transfer-Encoding: chunked,\r\n", 400),
        (b"Transfer-Encoding: ,chunked\r\n", 400),
        (b"Transfer-Encoding: \xffchunked\r\n", 400),
        (b"Transfer-Encoding: gzip chunked\r\n", 400),
        (b"Transfer-Encoding: gzip, chunked\r\n", 400),
        (b"Transfer-Encoding: gzip\r\n", 400),
        (b"Transfer-Encoding: identity\r\n", 400),
        (b"Transfer-Encoding: xchunked\r\n", 400),
    ],
)
def test_doubtful_framing_is_refused(lines: bytes, status: int) -> None:
    assert refused(parse_request_head, POST + lines + b"\r\n")[0] == status
    assert refused(parse_response_head, OK + lines + b"\r\n")[0] == status


def test_framing_is_read() -> None:
    assert request(POST + b"Content-Length: 9223372036854775807\r\n\r\n").content_length == 2**63 - 1
    assert request(POST + b"cONTENT-lENGTH: \t0 \t\r\n\r\n").content_length == 0
    head = request(POST + b"TRANSFER-encoding: \tChunKed \r\n\r\n")
    assert (head.chunked, head.content_length) == (True, -1)
    assert refused(parse_request_head, b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")[0] == 400
    assert refused(parse_response_head, b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")[0] == 400


@pytest.mark.parametrize(
    "host", [b"a", b"a.b-c_d~:80", b"1.2.3.4:65535", b"[::1]", b"[::1]:8787", b"[fe80::1]", b"EXAMPLE.com"]
)
def test_host_is_accepted(host: bytes) -> None:
    assert request(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n").header(b"host") == host


@pytest.mark.parametrize(
    "lines",
    [
        b"",
        b"Host: a\r\nHost: a\r\n",
        *(
            b"Host: " + host + b"\r\n"
            for host in (
                *(b"", b"a b", b"a,b", b"a@b", b"a/b", b"a:", b"a:b", b"a:123456", b"a:1:2", b"[", b"[]", b"[::1"),
                *(b"[::1]x", b"[::1]:", b"::1", b"\xe9", b"a%b", b"a=b", b"http://a", b":80"),
            )
        ),
    ],
)
def test_missing_repeated_or_malformed_host_is_refused(lines: bytes) -> None:
    assert refused(parse_request_head, b"GET / HTTP/1.1\r\n" + lines + b"\r\n")[0] == 400
    if lines:
        assert refused(parse_request_head, b"GET / HTTP/1.0\r\n" + lines + b"\r\n")[0] == 400


@pytest.mark.parametrize(
    ("version", "lines", "keep"),
    [
        (b"1.1", b"", True),
        (b"1.0", b"", False),
        (b"1.1", b"Connection: Close\r\n", False),
        (b"1.0", b"Connection: Keep-Alive\r\n", True),
        (b"1.0", b"Connection: keep-alive\r\nConnection: close\r\n", False),
        (b"1.1", b"Connection: close, keep-alive\r\n", False),
        (b"1.1", b"Connection: ,x , \tclose\t,\r\n", False),
        (b"1.1", b"Connection: closed, xclose, clos\r\n", True),
        (b"1.1", b"Connection:\r\n", True),
    ],
)
def test_keep_alive(version: bytes, lines: bytes, *, keep: bool) -> None:
    assert request(b"GET / HTTP/" + version + b"\r\nHost: a\r\n" + lines + b"\r\n").keep_alive is keep
    head = response(b"HTTP/" + version + b" 200 OK\r\nContent-Length: 0\r\n" + lines + b"\r\n")
    assert head.keep_alive is keep


@pytest.mark.parametrize("value", [b'"close"', b"a b", b"close;x", b"a,,b c", b"\xff"])
def test_malformed_connection_is_refused(value: bytes) -> None:
    assert refused(parse_request_head, POST + b"Connection: " + value + b"\r\n\r\n")[0] == 400


def test_connection_options_are_bounded() -> None:
    assert request(POST + b"Connection: " + b"a," * 32 + b"\r\n\r\n").keep_alive
    assert refused(parse_request_head, POST + b"Connection: " + b"a," * 33 + b"\r\n\r\n")[0] == 431


def test_expectation() -> None:
    assert request(POST + b"Expect: 100-Continue\r\n\r\n").expect_continue
    assert refused(parse_request_head, POST + b"Expect: 200-ok\r\n\r\n")[0] == 417
    assert refused(parse_request_head, POST + b"Expect:\r\n\r\n")[0] == 417
    assert refused(parse_request_head, POST + b"Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n")[0] == 417
    assert not request(b"POST / HTTP/1.0\r\nExpect: x\r\n\r\n").expect_continue
    assert response(OK + b"Expect: x\r\nHost: \xff\r\n\r\n").status == 200


def test_head_is_bounded_in_bytes_and_headers() -> None:
    data = POST + b"X: y\r\n\r\n"
    for limit, expected in ((len(data), RequestHead), (len(data) - 1, tuple), (10, tuple)):
        found = three_ways(partial(parse_request_head, max_head_bytes=limit), data)
        assert isinstance(found, expected)
        assert not isinstance(found, tuple) or found[1] == 431
    assert isinstance(three_ways(lambda text: parse_request_head(text, 0, 999, 2), data), RequestHead)
    found = three_ways(lambda text: parse_request_head(text, 0, 999, 1), data)
    assert isinstance(found, tuple)
    assert found[:2] == (HttpLimitError, 431)
    many = request(POST + b"X: y\r\n" * 127 + b"\r\n")
    assert (len(many), many.header_items()[-1]) == (128, (b"X", b"y"))


def test_start_and_bounds_of_the_call() -> None:
    data = b"garbage\x00" + POST + b"\r\n"
    head = parse_request_head(data, 8)
    assert head is not None
    assert (head.size_bytes, head.header(b"host")) == (len(data) - 8, b"a")
    assert parse_request_head(data, len(data)) is None
    for start, size, count in ((-1, 9, 9), (len(data) + 1, 9, 9), (0, 0, 9), (0, 9, -1)):
        with pytest.raises(ValueError, match="start must lie"):
            parse_request_head(data, start, size, count)
    assert parse_request_head(POST + b"\r\n", 0, 2**40) is not None


def test_empty_head_has_nothing() -> None:
    head = RequestHead()
    assert (len(head), head.header(b"host"), head.header_items(), head.content_length) == (0, None, [], -1)
    with pytest.raises(TypeError):
        head.header(None)  # type: ignore[arg-type]  # what a careless caller may do


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        (b"HTTP/1.1 200 OK", 200, b"OK"),
        (b"HTTP/1.1 200 ", 200, b""),
        (b"HTTP/1.1 200", 200, b""),
        (b"HTTP/1.0 599 a\tb \xff", 599, b"a\tb \xff"),
        (b"HTTP/1.1 404  two", 404, b" two"),
    ],
)
def test_status_line_is_read(line: bytes, status: int, reason: bytes) -> None:
    head = response(line + b"\r\nContent-Length: 3\r\n\r\n")
    assert (head.status, head.reason, head.content_length) == (status, reason, 3)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        *(
            (b"HTTP/1.1 " + text + b"\r\n", 400)
            for text in (b"600 x", b"099 x", b"20 x", b"2000 x", b"+20 x", b"20x x")
        ),
        (b"HTTP/1.1  200 OK\r\n", 400),
        (b"HTTP/1.1\t200 OK\r\n", 400),
        (b"HTTP/1.1 200\tOK\r\n", 400),
        (b"HTTP/1.1\r\n", 400),
        (b"HTTP/1.1 200 O\x00K\r\n", 400),
        (b"HTTP/1.1 200 O\rK\r\n", 400),
        (b"HTTP/1.1 200 OK\n", 400),
        (b"\r\nHTTP/1.1 200 OK\r\n", 400),
        (b"ICY 200 OK\r\n", 400),
        (b"HTTP/2.0 200 OK\r\n", 400),
    ],
)
def test_status_line_is_refused(line: bytes, status: int) -> None:
    assert refused(parse_response_head, line + b"Content-Length: 0\r\n\r\n")[0] == status


def test_statuses_without_a_body() -> None:
    for status in (b"101", b"103", b"204", b"304"):
        head = response(b"HTTP/1.1 " + status + b" x\r\n\r\n")
        assert (head.bodiless, head.keep_alive) == (True, status != b"101")
    for status in (b"103", b"204"):
        for framing in (b"Content-Length: 1", b"Transfer-Encoding: chunked"):
            assert refused(parse_response_head, b"HTTP/1.1 " + status + b" x\r\n" + framing + b"\r\n\r\n")[0] == 400
        assert response(b"HTTP/1.1 " + status + b" x\r\nContent-Length: 0\r\n\r\n").bodiless
    assert response(b"HTTP/1.1 304 x\r\nContent-Length: 9\r\n\r\n").bodiless
    head = response(OK + b"Content-Length: 9\r\n\r\n", answers_head=True)
    assert (head.bodiless, head.content_length, head.keep_alive) == (True, 9, True)
    head = response(OK + b"\r\n")
    assert (head.bodiless, head.keep_alive) == (False, False)
