"""Body framing by vectors, each fed whole, byte by byte and with trailing bytes, and every bound from both sides."""

from __future__ import annotations

import pytest

from fastgw._native.errors import HttpLimitError, HttpSyntaxError
from fastgw._native.http_body import BodyReader, body_reader
from fastgw._native.http_head import MessageHead, parse_request_head, parse_response_head

CHUNKED = b"Transfer-Encoding: chunked\r\n"


def request(lines: bytes = b"") -> MessageHead:
    head = parse_request_head(b"POST / HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n")
    assert head is not None
    return head


def response(lines: bytes = b"", status: bytes = b"200", *, answers_head: bool = False) -> MessageHead:
    head = parse_response_head(b"HTTP/1.1 " + status + b" x\r\n" + lines + b"\r\n", answers_head=answers_head)
    assert head is not None
    return head


Outcome = tuple[str, int, bytes]


def feed(head: MessageHead, pieces: list[bytes], max_body_bytes: int) -> tuple[Outcome, int]:
    """What came of it (kind or error, status, payload; no payload with an error) and the bytes consumed until then."""
    consumed, payload = 0, b""
    try:
        reader = body_reader(head, max_body_bytes=max_body_bytes)
        for piece in pieces:
            got, used = reader.feed_bytes(piece)
            assert used == len(piece) or reader.done
            payload += got
            consumed += used
            assert reader.received_bytes == len(payload)
    except (HttpSyntaxError, HttpLimitError) as error:
        return (str(error), error.status, b""), consumed
    return ("done" if reader.done else "open", 0, payload), consumed


def three_ways(head: MessageHead, data: bytes, max_body_bytes: int = 1 << 20) -> Outcome:
    whole, consumed = feed(head, [data], max_body_bytes)
    assert feed(head, [data[i : i + 1] for i in range(len(data))], max_body_bytes)[0] == whole
    if whole[0] == "done":
        assert feed(head, [data + b"\r\nGET /next"], max_body_bytes) == (whole, consumed)
        assert consumed == len(data)
    elif whole[1]:
        assert feed(head, [data + b"\r\nGET /next"], max_body_bytes)[0] == whole
    return whole


@pytest.mark.parametrize(
    "head",
    [
        request(),
        request(b"Content-Length: 0\r\n"),
        response(b"Content-Length: 0\r\n"),
        response(CHUNKED, b"304"),
        response(b"", b"204"),
        response(b"", b"100"),
        response(b"Content-Length: 9\r\n", answers_head=True),
        response(CHUNKED, answers_head=True),
    ],
)
def test_no_body(head: MessageHead) -> None:
    reader = body_reader(head)
    assert (reader.done, reader.until_close) == (True, False)
    assert reader.feed_bytes(b"next") == (b"", 0)
    assert reader.finish_at_eof()


def test_caller_may_say_that_there_is_no_body() -> None:
    assert body_reader(response(CHUNKED), True).done
    assert body_reader(response(b"Content-Length: 9\r\n"), no_body=True, max_body_bytes=1).done
    assert BodyReader().done


def test_counted_body() -> None:
    head = request(b"Content-Length: 5\r\n")
    assert three_ways(head, b"he\r\n\x00") == ("done", 0, b"he\r\n\x00")
    assert three_ways(head, b"hell") == ("open", 0, b"hell")
    assert three_ways(head, b"hello", max_body_bytes=5)[0] == "done"
    with pytest.raises(HttpLimitError) as error:
        body_reader(head, max_body_bytes=4)
    assert error.value.status == 413


def test_body_until_close() -> None:
    head = response()
    assert three_ways(head, b"0\r\n\r\n") == ("open", 0, b"0\r\n\r\n")
    assert feed(head, [b"12", b"345"], 5)[0] == ("open", 0, b"12345")
    assert three_ways(head, b"123456", max_body_bytes=5)[1] == 413
    reader = body_reader(head)
    assert (reader.until_close, reader.done) == (True, False)
    assert reader.feed_bytes(b"x") == (b"x", 1)
    assert reader.finish_at_eof()
    assert reader.done
    assert reader.feed_bytes(b"x") == (b"", 0)


@pytest.mark.parametrize(
    ("data", "payload"),
    [
        (b"0\r\n\r\n", b""),
        (b"000\r\n\r\n", b""),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2),
        (b"0000000000000001\r\n\n\r\n0\r\n\r\n", b"\n"),
        (b"2;a\r\n\r\n\r\n0\r\n\r\n", b"\r\n"),
        (b'1;a;b=c;d="e\\"\\\\ \t;\xff\r\r";f\r\nx\r\n0;g=""\r\n\r\n'.replace(b"\r\r", b""), b"x"),
        (b"1\r\nx\r\n0\r\nVary: *\r\nX-Sum:\t\xff\r\nempty:\r\n\r\n", b"x"),
    ],
)
def test_chunked_body(data: bytes, payload: bytes) -> None:
    for head in (request(CHUNKED), response(CHUNKED)):
        assert three_ways(head, data) == ("done", 0, payload)
        for cut in range(len(data)):
            reader = body_reader(head)
            reader.feed_bytes(data[:cut])
            assert not reader.done
            with pytest.raises(HttpSyntaxError, match="closed inside"):
                reader.finish_at_eof()


@pytest.mark.parametrize(
    "data",
    [
        *(
            b"\r\n",
            b";a\r\n",
            b" 1\r\n",
            b"1 \r\n",
            b"1\t;a\r\n",
            b"+1\r\n",
            b"-1\r\n",
            b"0x1\r\n",
            b"1h\r\n",
            b"1_0\r\n",
        ),
        *(
            b"\n",
            b"1\n",
            b"1\rX",
            b"\xb2\r\n",
            b"1,1\r\n",
            b"00000000000000001\r\n",
            b"8000000000000000\r\n",
            b"fffffffffffffffff",
        ),
        *(
            b"1;\r\n",
            b"1;;a\r\n",
            b"1; a\r\n",
            b"1;a \r\n",
            b"1;a =b\r\n",
            b"1;a= b\r\n",
            b"1;a=\r\n",
            b"1;=b\r\n",
            b"1;a=b=c\r\n",
        ),
        *(
            b'1;a="b\r\n',
            b'1;a="b"c\r\n',
            b'1;a="b"=c\r\n',
            b'1;a="\x00"\r\n',
            b'1;a="\\\x7f"\r\n',
            b'1;a=b"c"\r\n',
            b'1;"a"\r\n',
        ),
        *(b"1;a\n", b"1;a\rX", b'1;a="b"\n', b"1;a@\r\n"),
        *(b"1\r\nxx\r\n", b"1\r\nx\n", b"1\r\nx\rX", b"1\r\nx0\r\n"),
        *(
            b"0\r\n\n",
            b"0\r\n\rX",
            b"0\r\n x: y\r\n",
            b"0\r\n: y\r\n",
            b"0\r\nx : y\r\n",
            b"0\r\nx\r\n",
            b"0\r\nx: y\n",
            b"0\r\nx: y\rz",
        ),
        *(b"0\r\nx: y\r\n z\r\n", b"0\r\nx: \x00", b"0\r\nx\xff: "),
        *(
            b"0\r\n" + name + b":"
            for name in (b"Content-Length", b"content_length", b"Transfer-Encoding", b"Host", b"TE")
        ),
        *(
            b"0\r\n" + name + b":"
            for name in (b"Authorization", b"Proxy-Authorization", b"X-Api-Key", b"Cookie", b"Trailer")
        ),
    ],
)
def test_malformed_chunked_body_is_refused(data: bytes) -> None:
    assert three_ways(request(CHUNKED), data)[1] == 400


def test_sizes_up_to_int63_are_understood() -> None:
    head = response(CHUNKED)
    assert three_ways(head, b"7fffffffffffffff\r\nx", 2**63 - 1) == ("open", 0, b"x")
    assert three_ways(head, b"1\r\nx\r\n7fffffffffffffff\r\n", 2**63 - 1)[1] == 413


def test_chunked_body_is_bounded() -> None:
    head = request(CHUNKED)
    assert three_ways(head, b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", max_body_bytes=5)[0] == "done"
    assert three_ways(head, b"3\r\nabc\r\n3\r\n", max_body_bytes=5)[1] == 413


def test_small_chunks_pass_and_padding_does_not() -> None:
    head = request(CHUNKED)
    assert feed(head, [b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n"], 1 << 20)[0] == ("done", 0, b"x" * 20_000)
    padded = b"1;" + b"a" * 40 + b"\r\nx\r\n"
    assert feed(head, [padded * 400], 1 << 20)[0][0] == "open"
    assert feed(head, [padded * 1000], 1 << 20)[0][1] == 413
    roomy = b"1000;" + b"a" * 900 + b"\r\n" + b"x" * 4096 + b"\r\n"
    assert feed(head, [roomy * 100], 1 << 20)[0][0] == "open"


def test_size_line_is_bounded() -> None:
    head = request(CHUNKED)
    line = b"1;" + b"a" * 1020 + b"\r\n"
    assert three_ways(head, line + b"x\r\n" + line + b"x\r\n0\r\n\r\n")[0] == "done"
    assert three_ways(head, b"1;" + b"a" * 1021 + b"\r\n")[1] == 413


def test_trailers_are_bounded() -> None:
    head = request(CHUNKED)
    assert three_ways(head, b"0\r\n" + b"a:b\r\n" * 64 + b"\r\n")[0] == "done"
    assert three_ways(head, b"0\r\n" + b"a:b\r\n" * 65)[1] == 431
    assert three_ways(head, b"0\r\na:" + b"b" * 8188 + b"\r\n\r\n")[0] == "done"
    assert three_ways(head, b"0\r\na:" + b"b" * 8189 + b"\r\n\r\n")[1] == 431
    assert three_ways(head, b"0\r\n" + b"content-length" * 3 + b": 1\r\n\r\n")[0] == "done"


def test_broken_reader_stays_broken() -> None:
    reader = body_reader(request(CHUNKED))
    for data in (b"x", b"0\r\n\r\n"):
        with pytest.raises(HttpSyntaxError):
            reader.feed_bytes(data)
    assert not reader.done
    with pytest.raises(HttpSyntaxError):
        reader.finish_at_eof()
