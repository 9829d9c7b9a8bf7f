"""Text that came from outside, made safe to show in a message, a log line or a terminal.

Invariant: what comes out is printable, on one line, encodable as UTF-8 and bounded.
"""

from __future__ import annotations

from typing import Final

SHOWN_CHARS: Final = 200
"""Enough for every model name in use (the longest public ones are near 120), short enough for one line."""


def show(text: str, limit_chars: int = SHOWN_CHARS) -> str:
    """``text`` with everything that is not printable escaped, cut after ``limit_chars`` characters of the original.

    Escaped are control characters, line separators, bidirectional overrides and lone surrogates. A cut is marked with
    ``...``.
    """
    kept = text[:limit_chars]
    if not kept.isprintable():
        kept = "".join(char if char.isprintable() else _escape(char) for char in kept)
    return kept + "..." if len(text) > limit_chars else kept


def show_bytes(data: bytes, limit_chars: int = SHOWN_CHARS) -> str:
    """As :func:`show`; bytes that are not UTF-8 become U+FFFD. Reads at most ``4 * limit_chars`` bytes."""
    head = data[: 4 * limit_chars]
    shown = show(head.decode("utf-8", "replace"), limit_chars)
    return shown + "..." if len(data) > len(head) and not shown.endswith("...") else shown


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
