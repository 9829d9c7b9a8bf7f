"""Heads of answers as bytes, well formed and broken as ``malformed=head*`` names it, and bytes that are no HTTP.

Written by hand because no HTTP library agrees to send them. It sends nothing itself.
"""

from __future__ import annotations

import functools
from http import HTTPStatus
from typing import Final

GARBAGE: Final = b"\x16\x03\x01\x00\x05HELLO\x00\xff\xfe not http \r\n\r\n" + bytes(range(256))
BAD_CHUNK: Final = b"5g\r\nhello\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
HUGE_HEADER_BYTES: Final = 1_048_576


@functools.lru_cache(maxsize=128)
def status_line(status: int) -> bytes:
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Mock"
    return f"HTTP/1.1 {status} {reason}\r\n".encode()


def make_head(status: int, fields: bytes, length: int | None, *, chunked: bool, close: bool) -> bytes:
    """A well-formed head.

    ``fields`` are whole header lines; ``length`` ``None`` and not ``chunked`` ends with the connection.
    """
    framing = (
        b"transfer-encoding: chunked\r\n"
        if chunked
        else b"content-length: %d\r\n" % length
        if length is not None
        else b""
    )
    return b"".join((status_line(status), fields, framing, b"connection: close\r\n\r\n" if close else b"\r\n"))


def break_head(head: bytes, how: str) -> bytes:
    """``head`` made wrong: ``head`` (status is no number), ``head_length_twice`` (two lengths that differ),
    ``head_length_and_chunked`` (both framings), ``head_bare_lf`` (no carriage returns), ``head_huge`` (one header of 1
    MiB).
    """
    line, rest = head.split(b"\r\n", 1)
    if how == "head":
        return b"HTTP/1.1 abc Fine\r\n" + rest
    if how == "head_length_twice":
        return line + b"\r\ncontent-length: 7\r\ncontent-length: 9\r\n" + rest
    if how == "head_length_and_chunked":
        return line + b"\r\ncontent-length: 7\r\ntransfer-encoding: chunked\r\n" + rest
    if how == "head_bare_lf":
        return head.replace(b"\r\n", b"\n")
    return line + b"\r\nx-huge: " + b"h" * HUGE_HEADER_BYTES + b"\r\n" + rest
