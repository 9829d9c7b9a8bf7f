"""Heads, bodies and messages of HTTP/1.1, in the size of an official client's request and a provider's answer."""

from __future__ import annotations

from collections.abc import Callable

from bench.payloads import plain_answer, request_body, request_prefix, request_suffix, stream_writes
from fastgw._native.header_pick import HeaderPick
from fastgw._native.http_body import body_reader
from fastgw._native.http_head import MessageHead, parse_request_head, parse_response_head
from fastgw._native.http_write import HeaderFilter, write_chunk, write_request, write_response

BODY = request_body(1024, streamed=False)
REQUEST = request_prefix("127.0.0.1:8787", "sk-" + "k" * 48, BODY) + b"req-1" + request_suffix(BODY)
ANSWER = plain_answer(1024)
CHUNKED = b"POST /v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
DROP = HeaderFilter(
    [b"authorization", b"cookie", b"api-key", b"x-api-key", b"set-cookie"], [b"x-fastgw-", b"x-stainless-"]
)
LINES = b"host: api.openai.com\r\nauthorization: Bearer sk-" + b"p" * 48 + b"\r\n"
PICKED = (b"authorization", b"x-request-id", b"api-key", b"x-api-key", b"x-goog-api-key")


def request_head() -> MessageHead:
    head = parse_request_head(REQUEST)
    if head is None:
        raise ValueError("the sample request is not whole")
    return head


def answer_head() -> MessageHead:
    head = parse_response_head(ANSWER)
    if head is None:
        raise ValueError("the sample answer is not whole")
    return head


def parse_request() -> Callable[[], object]:
    return lambda: parse_request_head(REQUEST)


def parse_answer() -> Callable[[], object]:
    return lambda: parse_response_head(ANSWER)


def pick_headers() -> Callable[[], object]:
    pick, head = HeaderPick(PICKED).pick, request_head()
    return lambda: pick(head)


def body_counted() -> Callable[[], object]:
    head = request_head()
    return lambda: body_reader(head).feed_bytes(BODY)


def body_chunked() -> Callable[[], object]:
    head = parse_request_head(CHUNKED)
    if head is None:
        raise ValueError("the sample request is not whole")
    text = b"".join(stream_writes()[1:])
    return lambda: body_reader(head).feed_bytes(text)


def forward_request() -> Callable[[], object]:
    head = request_head()
    return lambda: write_request(b"POST", b"/v1/chat/completions", LINES, head, DROP, BODY)


def forward_answer() -> Callable[[], object]:
    head, body = answer_head(), ANSWER[-1024:]
    return lambda: write_response(200, head, DROP, b"x-request-id: a\r\n", len(body), False, True, body)


def frame_chunk() -> Callable[[], object]:
    return lambda: write_chunk(BODY)


OPERATIONS = {
    "http.parse_request": parse_request,
    "http.parse_answer": parse_answer,
    "http.pick_headers": pick_headers,
    "http.body_counted_1k": body_counted,
    "http.body_31_chunks": body_chunked,
    "http.forward_request": forward_request,
    "http.forward_answer": forward_answer,
    "http.frame_chunk": frame_chunk,
}
