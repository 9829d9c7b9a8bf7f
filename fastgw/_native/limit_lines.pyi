"""The header lines about limits, in the names and units of a dialect, each ended by CRLF."""

from fastgw._native.limit_set import Reservation

def level_lines(anthropic: bool, of_tokens: bool, limit: int, remaining: int, reset_ns: int, now_ns: int) -> bytes:
    """Three lines about a bucket: its limit, what is left, and when it is full again: for OpenAI a duration (``1h2m3s``, ``2.5s``,
    ``120ms``), for Anthropic the moment in UTC, both rounded up. Numbers are not negative; ``now_ns`` is Unix time."""

def reservation_lines(rules_line: bytes, taken: Reservation, anthropic: bool, now_ns: int) -> bytes:
    """``rules_line``, and the lines about the tightest bucket of requests and of tokens, where there is one."""
