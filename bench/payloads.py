"""The cases of the comparison and the bytes they send: requests, answers and streams in the shape of OpenAI's chat API.

Everything is built once and is the same in every run. A plain answer has the size of its request (1 KB or 20 KB); a
stream is 32 events whatever the request: a role, 28 pieces of text, a finish reason, the usage, ``[DONE]``. The client
asks for the usage event, so that every contender must give it back exactly what it gets from the upstream.
"""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import NamedTuple

PATH = "/v1/chat/completions"
MODEL = "up/gpt-4o-mini"
STREAM_EVENTS = 32
LARGE_FROM_BYTES = 8_192
"""A request of at least this size gets the 20 KB answer: the upstream reads no JSON."""
INPUT_TOKENS, OUTPUT_TOKENS = 250, 180

_PROSE = (
    'The ledger keeps one row a call; "settled" is final.\nA budget is a promise to somebody who pays the bill, '
    "so it is counted in whole nano-dollars — never in floats. "
)
_ANSWER_HEADERS = (
    "HTTP/1.1 200 OK\r\n"
    "Date: Sat, 01 Aug 2026 12:00:00 GMT\r\n"
    "openai-organization: bench\r\n"
    "openai-processing-ms: 412\r\n"
    "openai-version: 2020-10-01\r\n"
    "x-ratelimit-limit-requests: 10000\r\n"
    "x-ratelimit-remaining-requests: 9999\r\n"
    "x-request-id: req_0123456789abcdef0123456789abcdef\r\n"
)


class Case(NamedTuple):
    """One row of the comparison: size of the request, whether the answer streams, whether the upstream speaks TLS."""

    name: str
    request_bytes: int
    streamed: bool
    tls: bool


CASES = tuple(
    Case(f"{size // 1024}k-{'stream' if streamed else 'plain'}-{'https' if tls else 'http'}", size, streamed, tls)
    for streamed in (False, True)
    for size in (1024, 20_480)
    for tls in (False, True)
)


def select_cases(patterns: str) -> list[Case]:
    """The cases that match comma separated names or globs (``1k-*``). Raises ``ValueError`` if one matches nothing."""
    chosen: list[Case] = []
    for pattern in patterns.split(","):
        found = [case for case in CASES if fnmatchcase(case.name, pattern.strip())]
        if not found:
            raise ValueError(f"no case is called {pattern!r}; there are {', '.join(case.name for case in CASES)}")
        chosen += [case for case in found if case not in chosen]
    return chosen


def _text(length_bytes: int) -> str:
    raw = (_PROSE * (length_bytes // len(_PROSE.encode()) + 1)).encode()[:length_bytes]
    return raw.decode(errors="ignore")


def _dump(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _padded(document: dict[str, object], slot: dict[str, object], name: str, size_bytes: int) -> bytes:
    """Encode ``document`` to exactly ``size_bytes`` by the length of the text ``slot[name]``, which lies inside it."""
    room = size_bytes - len(_dump(document))
    slot[name] = _text(max(room - room // 20, 0))
    missing = size_bytes - len(_dump(document))
    slot[name] = str(slot[name]) + "." * missing
    encoded = _dump(document)
    if len(encoded) != size_bytes:
        raise ValueError(f"cannot pad to {size_bytes} bytes, got {len(encoded)}")
    return encoded


def request_body(size_bytes: int, *, streamed: bool, model: str = MODEL) -> bytes:
    """A chat request of exactly ``size_bytes``: a system message and turns of about a kilobyte."""
    last: dict[str, object] = {"role": "user", "content": ""}
    turns = [
        {"role": "user" if turn % 2 == 0 else "assistant", "content": _text(900)}
        for turn in range(max(size_bytes // 1_100 - 1, 0) // 2 * 2)
    ]
    document: dict[str, object] = {
        "model": model,
        "messages": [{"role": "system", "content": "You are a careful accountant."}, *turns, last],
        "temperature": 0.2,
        "max_completion_tokens": 512,
        "user": "bench",
    }
    if streamed:
        document |= {"stream": True, "stream_options": {"include_usage": True}}
    return _padded(document, last, "content", size_bytes)


def request_prefix(host: str, key: str, body: bytes) -> bytes:
    """The head of a request up to the value of its last header, ``x-request-id``; :func:`request_suffix` ends it."""
    return (
        f"POST {PATH} HTTP/1.1\r\n"
        f"Host: {host}\r\n"
        "Accept: application/json\r\n"
        "User-Agent: OpenAI/Python 3.54.0\r\n"
        "X-Stainless-Lang: python\r\n"
        f"Authorization: Bearer {key}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
        "x-request-id: "
    ).encode()


def request_suffix(body: bytes) -> bytes:
    """What follows the request id: the end of the head, and the body."""
    return b"\r\n\r\n" + body


def _usage() -> dict[str, object]:
    return {
        "prompt_tokens": INPUT_TOKENS,
        "completion_tokens": OUTPUT_TOKENS,
        "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def plain_answer(size_bytes: int) -> bytes:
    """Head and body of a chat completion whose body has exactly ``size_bytes``."""
    message: dict[str, object] = {"role": "assistant", "content": "", "refusal": None, "annotations": []}
    document: dict[str, object] = {
        "id": "chatcmpl-Bench0123456789abcdefghijkl",
        "object": "chat.completion",
        "created": 1_785_585_600,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": _usage(),
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
    }
    body = _padded(document, message, "content", size_bytes)
    return f"{_ANSWER_HEADERS}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def _event(choices: list[dict[str, object]], usage: dict[str, object] | None) -> bytes:
    document = {
        "id": "chatcmpl-Bench0123456789abcdefghijkl",
        "object": "chat.completion.chunk",
        "created": 1_785_585_600,
        "model": "gpt-4o-mini-2024-07-18",
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
        "choices": choices,
        "usage": usage,
    }
    return b"data: " + _dump(document) + b"\n\n"


def _choice(delta: dict[str, object], finish_reason: str | None = None) -> dict[str, object]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def stream_events() -> list[bytes]:
    """The 32 server-sent events of a streamed answer, as the client must see them."""
    events = [_event([_choice({"role": "assistant", "content": "", "refusal": None})], None)]
    events += [_event([_choice({"content": f" piece-{number}"})], None) for number in range(STREAM_EVENTS - 4)]
    events.append(_event([_choice({}, "stop")], None))
    events.append(_event([], _usage()))
    events.append(b"data: [DONE]\n\n")
    return events


def stream_writes() -> list[bytes]:
    """The bytes of a streamed answer in 32 writes: the head goes with the first event, the last chunk with the last."""
    writes = [b"%x\r\n%b\r\n" % (len(event), event) for event in stream_events()]
    head = f"{_ANSWER_HEADERS}Content-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
    writes[0] = head.encode() + writes[0]
    writes[-1] += b"0\r\n\r\n"
    return writes
