"""Metadata and end users from headers are bounded text, or refused with the header's name."""

from __future__ import annotations

import json

import pytest

from fastgw.domain.errors import GatewayError
from fastgw.identity.metadata import METADATA_HEADERS, USER_HEADER, merge_metadata, request_metadata, request_user


def test_no_header_means_no_metadata() -> None:
    assert request_metadata(*map({}.get, METADATA_HEADERS)) is None
    assert request_user({}.get(USER_HEADER)) == ""


def test_both_names_are_read_and_the_first_wins() -> None:
    assert request_metadata(*map({b"x-fastgw-metadata": b'{"a": "b"}'}.get, METADATA_HEADERS)) == {"a": "b"}
    assert request_metadata(*map({b"x-tfy-metadata": b"{}"}.get, METADATA_HEADERS)) == {}
    both = {b"x-fastgw-metadata": b'{"a": "1"}', b"x-tfy-metadata": b'{"a": "2"}'}
    assert request_metadata(*map(both.get, METADATA_HEADERS)) == {"a": "1"}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b'"a"',
        b"{",
        b'{"a": 1}',
        b'{"a": null}',
        b'{"a": {"b": "c"}}',
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b"[" * 100_000,
        b'{"": "x"}',
        json.dumps({"a": "x" * 129}).encode(),
        json.dumps({"x" * 129: "a"}).encode(),
        json.dumps({str(number): "" for number in range(33)}).encode(),
    ],
)
def test_anything_else_is_refused_naming_the_header(raw: bytes) -> None:
    for name in ("x-fastgw-metadata", "x-tfy-metadata"):
        refusal = request_metadata(*map({name.encode(): raw}.get, METADATA_HEADERS))

        assert isinstance(refusal, GatewayError)
        assert (refusal.code, refusal.status, refusal.param) == ("invalid_metadata", 400, name)
        assert name in refusal.message


def test_the_bounds_themselves_are_accepted() -> None:
    tags = {str(number): "é" * 128 for number in range(31)} | {"x" * 128: ""}

    assert request_metadata(*map({b"x-fastgw-metadata": json.dumps(tags).encode()}.get, METADATA_HEADERS)) == tags


def test_the_number_of_entries_is_the_callers_choice() -> None:
    header = {b"x-fastgw-metadata": b'{"a": "b"}'}.get

    assert request_metadata(*map(header, METADATA_HEADERS), 1) == {"a": "b"}
    assert isinstance(request_metadata(*map(header, METADATA_HEADERS), 0), GatewayError)


def test_the_end_user_is_printable_text() -> None:
    assert request_user({b"x-fastgw-user": "zoë".encode()}.get(USER_HEADER)) == "zoë"
    for raw in (b"\xff", b"a\tb", b"x" * 129):
        refusal = request_user({b"x-fastgw-user": raw}.get(USER_HEADER))
        assert isinstance(refusal, GatewayError)
        assert (refusal.code, refusal.status, refusal.param) == ("invalid_user", 400, "x-fastgw-user")


def test_the_operators_metadata_wins_over_the_callers() -> None:
    operator = {"team": "real"}

    assert merge_metadata(operator, {"team": "forged", "own": "kept"}) == {"team": "real", "own": "kept"}
    assert merge_metadata(operator, None) == operator
    assert operator == {"team": "real"}
