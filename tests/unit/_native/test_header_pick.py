"""Headers picked out of a head in one pass are those that asking for each by name gives."""

from __future__ import annotations

import pytest

from fastgw._native.header_pick import HeaderPick
from fastgw._native.http_head import RequestHead, parse_request_head, parse_response_head

NAMES = [b"x-request-id", b"authorization", b"x-api-key", b"api-key"]
PICK = HeaderPick(NAMES)


def head_of(*lines: bytes, before: bytes = b"") -> RequestHead:
    data = before + b"POST /v1/x HTTP/1.1\r\nHost: a\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"
    head = parse_request_head(data, len(before))
    assert head is not None
    return head


@pytest.mark.parametrize(
    ("lines", "picked"),
    [
        ((), (None, None, None, None)),
        ((b"x-request-id: 7",), (b"7", None, None, None)),
        ((b"X-Request-ID: 7", b"AUTHORIZATION: Bearer k"), (b"7", b"Bearer k", None, None)),
        ((b"api-key: b", b"x-api-key: a"), (None, None, b"a", b"b")),
        ((b"x-api-key: \t spaced out \t ",), (None, None, b"spaced out", None)),
        ((b"x-api-key:",), (None, None, b"", None)),
        ((b"x-api-key: first", b"X-Api-Key: second"), (None, None, b"first", None)),
        ((b"x-api-key:", b"x-api-key: second"), (None, None, b"", None)),
        ((b"x-api-ke: a", b"x-api-key2: b", b"api_key: c", b"x-api-kez: d"), (None, None, None, None)),
        ((b"authorization: \xff\xc3",), (None, b"\xff\xc3", None, None)),
    ],
)
def test_vectors(lines: tuple[bytes, ...], picked: tuple[bytes | None, ...]) -> None:
    head = head_of(*lines)
    assert PICK.pick(head) == picked
    assert tuple(head.header(name) for name in NAMES) == picked


def test_a_head_that_does_not_begin_its_buffer() -> None:
    head = head_of(b"api-key: mine", before=b"api-key: not this one\r\n\r\n")
    assert PICK.pick(head) == (None, None, None, b"mine")


def test_heads_of_answers_are_picked_from_too() -> None:
    head = parse_response_head(b"HTTP/1.1 200 OK\r\nX-Request-Id: up\r\n\r\n")
    assert head is not None
    assert HeaderPick([b"x-request-id"]).pick(head) == (b"up",)


def test_values_are_copies_that_outlive_the_head() -> None:
    head = head_of(b"api-key: " + b"k" * 100)
    (value,) = HeaderPick([b"api-key"]).pick(head)
    del head
    assert value == b"k" * 100


def test_bounds_of_the_names() -> None:
    names = [b"h%02d" % n for n in range(16)]
    head = head_of(*(name + b": v" + name for name in reversed(names)))
    assert HeaderPick(names).pick(head) == tuple(b"v" + name for name in names)
    assert HeaderPick([]).pick(head) == ()
    with pytest.raises(ValueError, match="at most 16, got 17"):
        HeaderPick([*names, b"x"])
    with pytest.raises(TypeError):
        HeaderPick(["text"])  # type: ignore[list-item]  # the mistake under test
