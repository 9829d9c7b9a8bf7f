"""Text from outside cannot break a line, a terminal or an encoder."""

from __future__ import annotations

import pytest

from fastgw.domain.text import SHOWN_CHARS, show, show_bytes


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("gpt-4o", "gpt-4o"),
        ("modèle 模型", "modèle 模型"),
        ("a\r\nb\x1b[31m\x7f", "a\\x0d\\x0ab\\x1b[31m\\x7f"),
        ("a\u2028b\u202ec", "a\\u2028b\\u202ec"),
        ("\ud800", "\\ud800"),
        ("\U000e0001", "\\U000e0001"),
        ("", ""),
    ],
)
def test_what_is_not_printable_is_escaped(text: str, shown: str) -> None:
    assert show(text) == shown
    assert show(text).encode() == shown.encode()


def test_a_long_text_is_cut_and_says_so() -> None:
    assert show("x" * SHOWN_CHARS) == "x" * SHOWN_CHARS
    assert show("x" * (SHOWN_CHARS + 1)) == "x" * SHOWN_CHARS + "..."
    assert show("abcdef", 3) == "abc..."


def test_bytes_are_read_as_utf8_with_replacement() -> None:
    assert show_bytes("é".encode() + b"\xff") == "é\ufffd"
    assert show_bytes(b"abc\n", 10) == "abc\\x0a"


def test_bytes_that_were_not_read_to_the_end_say_so_once() -> None:
    assert show_bytes(b"abcdefghi", 2) == "ab..."
    assert show_bytes("😀".encode() * 3, 2) == "😀😀..."
