"""Messages out of bytes, however the bytes are cut."""

from __future__ import annotations

import pytest

from bench.framing import HEAD_LIMIT_BYTES, FramingError, Message, MessageReader, body_length

LENGTH_HEAD = b"POST / HTTP/1.1\r\nHost: a\r\ncontent-LENGTH:  5 \r\n\r\n"
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
EMPTY_HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
WIRE = (
    LENGTH_HEAD
    + b"hello"
    + CHUNKED_HEAD
    + b"3\r\nabc\r\nA;x=y\r\n0\r\n\r\n45678\r\n0\r\n\r\n"
    + EMPTY_HEAD
    + CHUNKED_HEAD
    + b"1\r\nz\r\n0\r\ntrailer: t\r\n\r\n"
)
EXPECTED = [
    Message(LENGTH_HEAD, b"hello"),
    Message(CHUNKED_HEAD, b"abc0\r\n\r\n45678"),
    Message(EMPTY_HEAD, b""),
    Message(CHUNKED_HEAD, b"z"),
]


def test_whole() -> None:
    reader = MessageReader()
    assert reader.feed(WIRE) == EXPECTED
    assert reader.is_idle


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_in_pieces(size: int) -> None:
    reader = MessageReader()
    found = [message for start in range(0, len(WIRE), size) for message in reader.feed(WIRE[start : start + size])]
    assert found == EXPECTED
    assert reader.is_idle


def test_an_unfinished_message_waits() -> None:
    reader = MessageReader()
    assert reader.feed(LENGTH_HEAD + b"hell") == []
    assert not reader.is_idle
    assert reader.feed(b"oGET") == EXPECTED[:1]
    assert not reader.is_idle


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n",
        CHUNKED_HEAD + b"xyz\r\n",
        CHUNKED_HEAD + b"1\r\nab\r\n",
        b"x" * (HEAD_LIMIT_BYTES + 1),
    ],
)
def test_refuses(data: bytes) -> None:
    with pytest.raises(FramingError):
        MessageReader().feed(data)


def test_body_length() -> None:
    assert body_length(LENGTH_HEAD) == 5
    assert body_length(CHUNKED_HEAD) == -1
    assert body_length(EMPTY_HEAD) == 0
