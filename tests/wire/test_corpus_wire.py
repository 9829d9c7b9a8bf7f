"""The corpus runner over real sockets, with a few vectors of our own in the shapes of the public corpora."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from tests.wire import raw
from tools import corpus_json
from tools.corpus_wire import (
    Findings,
    Stand,
    check_json_answers,
    check_json_requests,
    check_llhttp,
    check_mutations,
    finish,
    judge_mutation,
    processes,
    standing,
)


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with standing() as stand:
        yield stand


def row(title: str, text: bytes, complete: int, error: str | None = None) -> dict[str, Any]:
    return {
        "file": "own", "title": title, "lenient": False, "messages_complete": complete, "llhttp_error": error,
        "b64": base64.b64encode(text).decode(),
    }  # fmt: skip


ROWS = [
    row("get", b"GET /test HTTP/1.1\r\nHost: a\r\n\r\n", 1),
    row("without a host", b"GET /test HTTP/1.1\r\nUser-Agent: x\r\n\r\n", 1),
    row("two", b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", 2),
    row("chunked", b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 1),
    row(
        "both framings",
        b"POST /x HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        0,
        "both",
    ),
    row("control byte", b"GET /x HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", 0, "invalid header"),
    row("invented method", b"PTEST /x HTTP/1.1\r\nHost: a\r\n\r\n", 1),
    row("head without a host", b"HEAD /x HTTP/1.1\r\nUser-Agent: x\r\n\r\n", 1),
    row("long value", b"GET /x HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 20_000 + b"\r\n\r\n", 1),
]
LINES = [
    ("plain", b"Transfer-Encoding: chunked"),
    ("space before the colon", b"Transfer-Encoding : chunked"),
    ("tab after the colon", b"Transfer-Encoding:\tchunked"),
    ("vertical tab", b"Transfer-Encoding:\x0bchunked"),
    ("folded", b"Transfer-Encoding:\r\n chunked"),
    ("bare LF", b"Foo: bar\nTransfer-Encoding: chunked"),
    ("underscore", b"Transfer_Encoding: chunked"),
    ("another header", b"X-Nothing: chunked"),
    ("in a value", b"X-Nothing: Transfer-Encoding: chunked"),
    ("quoted", b'Transfer-Encoding: "chunked"'),
    ("twice", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
]
TEXTS = [
    ("accept", b"[]"), ("accept", b'{"a":[1,2.5e3,null,true,"\\u00e9"]}'), ("accept", b'"\\ud834\\udd1e"'), ("accept", b"-0.0"),
    ("reject", b"[1,]"), ("reject", b'{"a":1,}'), ("reject", b"{'a':1}"), ("reject", b"[1 2]"), ("reject", b'["\xff"]'),
    ("reject", b"nul"), ("reject", b"01"), ("reject", b"[" * 3000), ("reject", b'["\x00"]'), ("reject", b"{}}"),
    ("either", b'"\\ud800"'), ("either", b"1e999"), ("either", b"[" * 100 + b"]" * 100),
]  # fmt: skip
JSON_ROWS = [corpus_json.Row(f"own/{number}", expect, text) for number, (expect, text) in enumerate(TEXTS)]


def test_own_vectors_show_nothing(stand: Stand) -> None:
    workers = processes(stand)
    findings = Findings()
    check_llhttp(stand, ROWS, findings)
    check_mutations(stand, LINES, findings)
    check_json_requests(stand, JSON_ROWS, findings)
    check_json_answers(stand, JSON_ROWS, findings)
    finish(stand, workers, findings)
    assert findings.texts == []
    assert findings.counts["fed"] == 6 * (len(ROWS) + 2) + 4 * len(LINES) + (2 + 3) * len(TEXTS)


def found(status: int, message: str, **headers: str) -> raw.Answer:
    body = orjson.dumps({"error": {"message": message, "code": "invalid_request"}})
    return raw.Answer(status, "", headers, body, "whole")


def test_judge_sees_a_desync() -> None:
    served, canary = found(400, "no JSON"), found(404, "there is nothing at /canary")
    refused = found(400, "malformed", connection="close")
    chunked, other = b"Transfer-Encoding: chunked", b"X-Nothing: chunked"
    assert judge_mutation(chunked, [refused], canary_is_next=False) is None
    assert judge_mutation(chunked, [served], canary_is_next=False) is not None
    assert judge_mutation(chunked, [refused, canary], canary_is_next=False) is not None
    assert judge_mutation(other, [served], canary_is_next=False) is None
    assert judge_mutation(other, [served, canary], canary_is_next=False) is not None
    assert judge_mutation(other, [served, canary], canary_is_next=True) is None
    assert judge_mutation(other, [served], canary_is_next=True) is not None
    assert judge_mutation(other, [], canary_is_next=True) is not None
