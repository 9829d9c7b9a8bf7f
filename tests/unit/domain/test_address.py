"""Addresses to listen on."""

from __future__ import annotations

import pytest

from fastgw.domain.address import Address, parse_address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8787", "127.0.0.1", 8787),
        ("localhost:0", "localhost", 0),
        ("[::1]:65535", "::1", 65535),
        ("gw.example.com:80", "gw.example.com", 80),
    ],
)
def test_an_address_comes_back_as_it_was_written(text: str, host: str, port: int) -> None:
    address = parse_address(text)

    assert address == Address(host, port)
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8787",
        ":8787",
        "host",
        "host:",
        "host:65536",
        "host:123456",
        "::1:80",
        "[::1]",
        "[zz]:1",
        "[1.2]:1",
        "a b:1",
        "h:1\n",
        "h:-1",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("127.0.0.1:1", True),
        ("127.8.8.8:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("gw:1", False),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(text: str, loopback: bool) -> None:
    assert parse_address(text).is_loopback is loopback
