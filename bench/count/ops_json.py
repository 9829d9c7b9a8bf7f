"""Scanning and splicing request bodies, and reading the usage of answers."""

from __future__ import annotations

from collections.abc import Callable

from bench.payloads import plain_answer, request_body
from fastgw._native.count_scan import CountTable
from fastgw._native.json_scan import MemberTable, scan_object, splice
from fastgw._native.json_tail import scan_tail
from fastgw._native.json_tap import JsonTap

TABLE = MemberTable(
    [b"model", b"stream", b"stream_options", b"user", b"service_tier", b"max_tokens", b"max_completion_tokens", b"n"]
)
USAGE = MemberTable([b"usage", b"service_tier"])
COUNTS = CountTable(
    [
        b"prompt_tokens",
        b"completion_tokens",
        b"prompt_tokens_details.cached_tokens",
        b"prompt_tokens_details.audio_tokens",
        b"completion_tokens_details.reasoning_tokens",
        b"completion_tokens_details.audio_tokens",
    ]
)
BLOCK = (
    b'{"prompt_tokens":250,"completion_tokens":180,"total_tokens":430,"prompt_tokens_details":{"cached_tokens":0,'
    b'"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}'
)


def scan(size_bytes: int) -> Callable[[], object]:
    body = request_body(size_bytes, streamed=False)
    return lambda: scan_object(body, TABLE)


def scan_1k() -> Callable[[], object]:
    return scan(1024)


def scan_20k() -> Callable[[], object]:
    return scan(20_480)


def splice_model() -> Callable[[], object]:
    body = request_body(1024, streamed=False)
    start, end = scan_object(body, TABLE).span(0)
    edits = [(start, end, b'"gpt-4o-mini-2024-07-18"')]
    return lambda: splice(body, edits)


def tap_answer() -> Callable[[], object]:
    body = plain_answer(1024)[-1024:]

    def read() -> bytes | None:
        tap = JsonTap(USAGE)
        tap.feed(body)
        return tap.value(0)

    return read


def read_counts() -> Callable[[], object]:
    return lambda: COUNTS.read(BLOCK)


def tail_20k() -> Callable[[], object]:
    body = plain_answer(20_480)[-20_480:]
    return lambda: scan_tail(body, USAGE)


OPERATIONS = {
    "json.tail_20k": tail_20k,
    "json.scan_1k": scan_1k,
    "json.scan_20k": scan_20k,
    "json.splice_model": splice_model,
    "json.tap_answer_1k": tap_answer,
    "json.read_counts": read_counts,
}
