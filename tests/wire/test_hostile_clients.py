"""Clients that break the rules, or vanish: a clear error in their dialect or a clean close, one row a call, nobody else notices."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest

from tests.wire import raw
from tests.wire.gateway import (
    KEY,
    KEYS,
    MODELS,
    NARROW_KEY,
    OTHER_KEY,
    Gateway,
    check_books,
    fresh_id,
    mock_prices,
    mock_providers,
    running_gateway,
    server_section,
)
from tests.wire.processes import MockProvider

LIMITS = {
    "head_timeout_s": 1.0,
    "body_timeout_s": 1.0,
    "keep_alive_s": 5,
    "write_timeout_s": 2,
    "max_head_kib": 16,
    "max_headers": 32,
    "max_body_mib": 1,
}


@pytest.fixture(scope="module")
def gateway(mock_provider: MockProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One with short deadlines and small limits."""
    text = server_section(**LIMITS) + mock_providers(mock_provider) + mock_prices() + KEYS + MODELS
    with running_gateway(tmp_path_factory.mktemp("gateway"), text) as running:
        yield running
        check_books(running)


@pytest.fixture
def wire(gateway: Gateway) -> Iterator[raw.Wire]:
    with raw.Wire(gateway.host, gateway.port) as connection:
        yield connection


@pytest.fixture(autouse=True)
def innocent(gateway: Gateway) -> Iterator[None]:
    """Another client, before and after, on a connection that it keeps: it must never notice."""
    with raw.Wire(gateway.host, gateway.port) as connection:
        for _ in range(2):
            connection.send(raw.request(raw.chat(), key=OTHER_KEY))
            answer = connection.answer()
            assert (answer.status, answer.ending) == (200, "whole")
            if _ == 0:
                started_s = time.monotonic()
                yield
                if time.monotonic() - started_s > LIMITS["keep_alive_s"] - 1:
                    return  # its own silence would have ended its connection


def is_error(answer: raw.Answer, dialect: str = "openai") -> bool:
    """Whether an answer is a whole JSON error as the clients of the dialect expect it, from the gateway."""
    document = answer.json()
    error = document["error"]
    assert answer.ending == "whole", answer
    assert answer.headers["content-type"] == "application/json"
    assert error["message"].startswith("gateway: "), error
    if dialect == "anthropic":
        return document["type"] == "error" and set(error) >= {"type", "message"}
    return set(error) == {"message", "type", "param", "code"} and "type" not in document


# --- what is not HTTP ---------------------------------------------------------------------------------------------------------

GOOD = raw.request(raw.chat(), key=KEY)
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer " + KEY.encode() + b"\r\n"
MALFORMED = {
    "not HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n", 400),
    "no host": (b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 0\r\n\r\n", 400),
    "two hosts": (HEAD + b"host: b\r\ncontent-length: 0\r\n\r\n", 400),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "HTTP/9.9": (GOOD.replace(b"HTTP/1.1", b"HTTP/9.9", 1), 400),
    "bare LF": (GOOD.replace(b"\r\n", b"\n"), 400),
    "bare CR in a value": (HEAD + b"x: a\rb\r\ncontent-length: 0\r\n\r\n", 400),
    "folded header": (HEAD + b"x: a\r\n b\r\ncontent-length: 0\r\n\r\n", 400),
    "space before the colon": (HEAD + b"content-length : 5\r\n\r\nhello", 400),
    "NUL in a value": (HEAD + b"x: a\x00b\r\ncontent-length: 0\r\n\r\n", 400),
    "two lengths": (HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello!", 400),
    "signed length": (HEAD + b"content-length: +5\r\n\r\nhello", 400),
    "length beyond int64": (HEAD + b"content-length: 99999999999999999999\r\n\r\n", 400),
    "length and chunked": (HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "chunked twice": (HEAD + b"transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    "unknown coding": (HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    "bad chunk size": (HEAD + b"transfer-encoding: chunked\r\n\r\n5g\r\nhello\r\n0\r\n\r\n", 400),
    "chunk too long": (HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n", 400),
    "huge chunk size": (HEAD + b"transfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n", 400),
    "unknown expectation": (HEAD + b"expect: 200-ok\r\ncontent-length: 0\r\n\r\n", 417),
    "absolute target": (GOOD.replace(b"/v1/chat", b"http://other/v1/chat", 1), 400),
    "too many headers": (HEAD + b"".join(b"x%d: 1\r\n" % i for i in range(40)) + b"\r\n", 431),
    "long header": (HEAD + b"x: " + b"y" * 17_000 + b"\r\n\r\n", 431),
    "endless head": (HEAD + b"x: " + b"y" * 200_000, 431),
    "endless request line": (b"POST /" + b"a" * 200_000, 431),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_http_is_refused_and_the_connection_closed(name: str, gateway: Gateway, wire: raw.Wire) -> None:
    data, status = MALFORMED[name]
    wire.send(data)
    answer = wire.answer()
    assert (answer.status, is_error(answer)) == (status, True), answer
    assert answer.headers["connection"] == "close"
    assert wire.rest() == b""
    assert wire.ended == "eof"


def test_malformed_http_to_the_anthropic_endpoint_is_refused_in_its_shape(wire: raw.Wire) -> None:
    wire.send(MALFORMED["two lengths"][0].replace(b"/v1/chat/completions", b"/v1/messages"))
    answer = wire.answer()
    assert (answer.status, is_error(answer, "anthropic")) == (400, True)


# --- what is no call ----------------------------------------------------------------------------------------------------------

BAD_BODIES = {
    "empty": b"",
    "no JSON": b"hello",
    "cut": b'{"model":"mock-small"',
    "array": b"[]",
    "string": b'"mock-small"',
    "trailing bytes": b'{"model":"mock-small"}}',
    "no UTF-8": b'{"model":"mock-small","x":"\xff\xfe"}',
    "overlong UTF-8": b'{"model":"mock-small","x":"\xc0\xaf"}',
    "byte order mark": b'\xef\xbb\xbf{"model":"mock-small"}',
    "single quotes": b"{'model':'mock-small'}",
    "NaN": b'{"model":"mock-small","x":NaN}',
    "leading zero": b'{"model":"mock-small","x":01}',
    "control byte": b'{"model":"mock-small","x":"\x01"}',
    "two models": b'{"model":"mock-small","model":"mock-large"}',
    "two models, one escaped": b'{"model":"mock-small","mod\\u0065l":"mock-large"}',
    "two streams": b'{"model":"mock-small","stream":true,"stream":false}',
    "deep": b'{"model":"mock-small","x":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "no model": b'{"messages":[]}',
    "model is a number": b'{"model":5}',
    "model is null": b'{"model":null}',
    "model is empty": b'{"model":""}',
    "stream is a string": b'{"model":"mock-small","stream":"yes"}',
    "stream_options is a list": b'{"model":"mock-small","stream":true,"stream_options":[]}',
}


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1/chat/completions", "openai"),
        ("/v1/completions", "openai"),
        ("/v1/embeddings", "openai"),
        ("/v1/responses", "openai"),
        ("/v1/messages", "anthropic"),
        ("/v1/messages/count_tokens", "anthropic"),
    ],
)
def test_bad_bodies_are_refused_in_the_callers_shape_and_never_forwarded(
    path: str, dialect: str, gateway: Gateway, wire: raw.Wire, mock_provider: MockProvider
) -> None:
    since = mock_provider.last_seq()
    names = [
        name
        for name in BAD_BODIES
        if not (name.startswith(("stream", "two streams")) and path not in ("/v1/chat/completions", "/v1/completions"))
    ]
    for name in names:
        request_id = fresh_id()
        wire.send(raw.request(BAD_BODIES[name], path=path, key=KEY, headers={"x-request-id": request_id}))
        answer = wire.answer()
        assert (answer.status in (400, 404), is_error(answer, dialect)) == (True, True), (name, answer)
        assert answer.headers["x-request-id"] == request_id
        entry = gateway.entry(request_id)
        assert (entry.status, entry.error_code, entry.cost_nano_usd) == (answer.status, answer.code, 0), name
        assert entry.usage_source == "none"
    assert [row for row in mock_provider.bill(since)["rows"] if row["endpoint"] == path and row["model"] == ""] == []


def test_each_refusal_names_its_reason(wire: raw.Wire) -> None:
    cases: list[tuple[dict[str, Any], dict[str, str], str, int, str]] = [
        (raw.chat(), {}, "", 401, "missing_key"),
        (raw.chat(), {"authorization": "Bearer sk-nobody-knows-this"}, "", 401, "unknown_key"),
        (raw.chat(), {"authorization": "Basic Zm9vOmJhcg=="}, "", 401, "invalid_authorization"),
        (raw.chat(), {"x-api-key": OTHER_KEY}, KEY, 401, "ambiguous_credentials"),
        (raw.chat("nowhere/model"), {}, KEY, 404, "model_not_found"),
        (raw.chat("mock-anthropic/mock-small"), {}, KEY, 400, "unsupported_operation"),
        (raw.chat("mock-small"), {}, NARROW_KEY, 403, "model_not_allowed"),
        (raw.chat(), {"x-fastgw-metadata": "[1]"}, KEY, 400, "invalid_metadata"),
        (raw.chat(), {"x-fastgw-user": "a" * 200}, KEY, 400, "invalid_user"),
    ]
    for body, headers, key, status, code in cases:
        wire.send(raw.request(body, key=key, headers=headers))
        answer = wire.answer()
        assert (answer.status, answer.code, is_error(answer)) == (status, code, True)
        assert answer.headers["x-fastgw-refused-by"] == "gateway"
        assert answer.headers["x-should-retry"] == "false"


def test_each_credential_header_is_taken(wire: raw.Wire) -> None:
    for name in ("x-api-key", "x-goog-api-key", "api-key"):
        wire.send(raw.request(raw.chat(), headers={name: KEY}))
        assert wire.answer().status == 200, name


@pytest.mark.parametrize(
    ("method", "path", "status", "dialect"),
    [
        ("POST", "/v1/chat/completions/", 404, "openai"),
        ("POST", "/v1/chat%2Fcompletions", 404, "openai"),
        ("POST", "/nothing", 404, "openai"),
        ("GET", "/v1/nothing?x=1", 404, "openai"),
        ("GET", "/v1/chat/completions", 405, "openai"),
        ("PUT", "/v1/chat/completions", 405, "openai"),
        ("BREW", "/v1/chat/completions", 405, "openai"),
        ("DELETE", "/v1/messages", 405, "anthropic"),
        ("POST", "/v1/messages/nothing", 404, "anthropic"),
        ("OPTIONS", "/v1/embeddings", 405, "openai"),
    ],
)
def test_unknown_paths_and_methods(method: str, path: str, status: int, dialect: str, wire: raw.Wire) -> None:
    wire.send(raw.request(b"{}", method=method, path=path, key=KEY))
    answer = wire.answer()
    assert (answer.status, is_error(answer, dialect)) == (status, True)
    assert ("POST" in answer.headers.get("allow", "")) == (status == 405)


def test_unknown_method_on_a_slow_path_leaves_no_trace_of_its_headers(wire: raw.Wire, gateway: Gateway) -> None:
    wire.send(b"BREW /healthz HTTP/1.1\r\nhost: a\r\nauthorization: Bearer sk-canary-in-a-header\r\n\r\n")
    answer = wire.answer()
    assert (answer.status, answer.code, is_error(answer)) == (405, "method_not_allowed", True)
    with raw.Wire(gateway.host, gateway.port) as second:
        second.send(
            b"GET /healthz HTTP/1.1\r\nhost: a\r\nauthorization: " + b"sk-canary-in-a-header" * 500 + b"\r\n\r\n"
        )
        assert second.answer().status in (400, 431)
    assert "canary-in-a-header" not in gateway.output


def test_head_has_no_body(wire: raw.Wire) -> None:
    wire.send(b"HEAD /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
    answer = wire.answer(to_head=True)
    assert (answer.status, wire.rest()) == (200, b"")


def test_head_on_a_call_path_has_no_body_either(wire: raw.Wire) -> None:
    wire.send(b"HEAD /v1/chat/completions HTTP/1.1\r\nhost: a\r\n\r\n")
    answer = wire.answer(to_head=True)
    assert (answer.status, wire.rest()) == (405, b"")


def test_malformed_head_request_is_refused_without_a_body(wire: raw.Wire) -> None:
    wire.send(b"HEAD /healthz HTTP/1.1\r\n\r\n")
    answer = wire.answer(to_head=True)
    assert (answer.status, wire.rest()) == (400, b"")


# --- too much, too slow -------------------------------------------------------------------------------------------------------


def test_announced_body_over_the_limit_is_refused_at_once(wire: raw.Wire, gateway: Gateway) -> None:
    wire.send(HEAD + b"content-length: 1048577\r\n\r\n")
    answer = wire.answer()
    assert (answer.status, answer.code, is_error(answer)) == (413, "body_too_large", True)


def test_unannounced_body_over_the_limit_is_refused_when_it_is_reached(wire: raw.Wire, gateway: Gateway) -> None:
    request_id = fresh_id().encode()
    wire.send(HEAD + b"x-request-id: " + request_id + b"\r\ntransfer-encoding: chunked\r\n\r\n")
    for _ in range(20):
        wire.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
    answer = wire.answer()
    assert (answer.status, is_error(answer)) == (413, True)
    assert gateway.entry(request_id.decode()).status == 413


def test_body_of_exactly_the_limit_is_served(wire: raw.Wire) -> None:
    body = b'{"messages":[{"role":"user","content":"hi"}],"model":"mock-small","x":"'
    body += b"y" * (1024 * 1024 - len(body) - 2) + b'"}'
    wire.send(raw.request(body, key=KEY))
    assert wire.answer().status == 200


def test_chunked_body_byte_by_byte_is_served(wire: raw.Wire) -> None:
    wire.send(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    for byte in orjson.dumps(raw.chat()):
        wire.send(b"1;x=y\r\n%c\r\n" % byte)
    wire.send(b"0\r\nx-trailer: 1\r\n\r\n")
    assert wire.answer().status == 200


def test_slow_head_is_timed_out(wire: raw.Wire) -> None:
    for byte in GOOD[:20]:
        wire.send(bytes([byte]))
        time.sleep(0.02)
    answer = wire.answer()
    assert (answer.status, answer.code, is_error(answer)) == (408, "request_timeout", True)
    assert wire.rest() == b""


def test_silent_connection_is_closed_without_a_word(wire: raw.Wire) -> None:
    assert wire.rest() == b""
    assert wire.ended == "eof"


def test_slow_body_is_timed_out(wire: raw.Wire, gateway: Gateway) -> None:
    request_id = fresh_id()
    wire.send(raw.request(raw.chat(), key=KEY, headers={"x-request-id": request_id})[:-10])
    answer = wire.answer()
    assert (answer.status, answer.code, is_error(answer)) == (408, "request_timeout", True)
    assert wire.rest() == b""
    entry = gateway.entry(request_id)
    assert (entry.status, entry.error_code, entry.cost_nano_usd) == (408, "request_timeout", 0)


def test_head_and_body_may_come_in_two_pieces(gateway: Gateway) -> None:
    at = GOOD.index(b"\r\n\r\n") + 4
    with raw.Wire(gateway.host, gateway.port) as connection:
        for _ in range(20):
            connection.send(GOOD[:at])
            time.sleep(0.01)
            connection.send(GOOD[at:])
            assert connection.answer().status == 200


def test_request_byte_by_byte_is_served(wire: raw.Wire) -> None:
    for byte in GOOD:
        wire.send(bytes([byte]))
    assert wire.answer().status == 200


# --- the end of the connection ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True])
def test_half_close_still_gets_the_whole_answer(streamed: bool, wire: raw.Wire, gateway: Gateway) -> None:
    request_id = fresh_id()
    body = raw.chat("mock-small+ttft_ms=400", stream=streamed)
    wire.send(raw.request(body, key=KEY, headers={"x-request-id": request_id}))
    wire.end_writing()
    answer = wire.answer()
    assert (answer.status, answer.ending) == (200, "whole")
    assert set(answer.interim) <= {102}
    assert wire.rest() == b""
    assert gateway.entry(request_id).usage_source == "reported"


def test_half_close_on_the_slow_lane_still_gets_the_answer(wire: raw.Wire) -> None:
    wire.send(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
    wire.end_writing()
    assert wire.answer().json() == {"status": "ok"}
    assert wire.rest() == b""
    assert wire.ended == "eof"


def test_half_close_inside_the_body_is_refused(wire: raw.Wire, gateway: Gateway) -> None:
    request_id = fresh_id()
    wire.send(raw.request(raw.chat(), key=KEY, headers={"x-request-id": request_id})[:-5])
    wire.end_writing()
    answer = wire.answer()
    assert (answer.status, is_error(answer)) == (400, True)
    assert gateway.entry(request_id).status == 400


def test_half_close_inside_the_head_is_closed(wire: raw.Wire) -> None:
    wire.send(GOOD[:30])
    wire.end_writing()
    assert wire.rest() == b""
    assert wire.ended == "eof"


def provider_is_idle(mock: MockProvider) -> bool:
    for _ in range(200):
        if mock.stats()["in_flight"] == 0:
            return True
        time.sleep(0.02)
    return False


def test_client_gone_before_its_body_has_called_nobody(gateway: Gateway, mock_provider: MockProvider) -> None:
    since, gone = mock_provider.last_seq(), gateway.metrics()["fastgw_client_gone_total"]
    wire = raw.Wire(gateway.host, gateway.port)
    wire.send(raw.request(raw.chat("mock-small+words=77"), key=KEY)[:-5])
    time.sleep(0.05)
    wire.reset()
    for _ in range(100):
        if gateway.metrics()["fastgw_client_gone_total"] > gone:
            break
        time.sleep(0.05)
    assert gateway.metrics()["fastgw_client_gone_total"] == gone + 1
    assert [row for row in mock_provider.bill(since)["rows"] if "77" in row["model"]] == []


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("streamed", [False, True])
def test_client_gone_before_the_answer_cancels_the_call(
    how: str, streamed: bool, gateway: Gateway, mock_provider: MockProvider
) -> None:
    request_id = fresh_id()
    wire = raw.Wire(gateway.host, gateway.port)
    body = raw.chat("mock-small+slow_head_ms=20000", stream=streamed)
    wire.send(raw.request(body, key=KEY, headers={"x-request-id": request_id}))
    time.sleep(0.2)
    if how == "reset":
        wire.reset()
    else:
        wire.sock.close()
    entry = gateway.entry(request_id)
    assert (entry.status, entry.error_code) == (499, "client_gone")
    assert (entry.usage_source, entry.output_tokens) == ("estimated", 0)
    assert entry.latency_ns < 10_000_000_000
    assert provider_is_idle(mock_provider)


@pytest.mark.parametrize("endpoint", ["chat", "message"])
def test_client_gone_in_the_middle_of_a_stream_is_charged_for_what_came(
    endpoint: str, gateway: Gateway, mock_provider: MockProvider
) -> None:
    request_id = fresh_id()
    wire = raw.Wire(gateway.host, gateway.port)
    model = "mock-small+words=400+tps=100"
    headers = {"x-request-id": request_id, "anthropic-version": "2023-06-01"}
    if endpoint == "chat":
        wire.send(raw.request(raw.chat(model, stream=True), key=KEY, headers=headers))
    else:
        wire.send(raw.request(raw.message(model, stream=True), path="/v1/messages", key=KEY, headers=headers))
    wire.until(b"river")
    wire.reset()
    entry = gateway.entry(request_id)
    assert (entry.status, entry.error_code, entry.streaming) == (499, "client_gone", True)
    assert entry.usage_source == "estimated"
    assert entry.input_tokens > 0
    assert 0 < entry.output_tokens < 400
    assert entry.cost_nano_usd
    assert provider_is_idle(mock_provider)


def test_client_gone_right_after_its_answer_is_an_ordinary_row(gateway: Gateway) -> None:
    request_id = fresh_id()
    wire = raw.Wire(gateway.host, gateway.port)
    wire.send(raw.request(raw.chat(), key=KEY, headers={"x-request-id": request_id}))
    assert wire.answer().status == 200
    wire.reset()
    assert gateway.entry(request_id).usage_source == "reported"


# --- several requests on one connection ---------------------------------------------------------------------------------------


def test_pipelined_requests_are_served_in_order(wire: raw.Wire, gateway: Gateway) -> None:
    words = [7, 3, 1, 9, 2, 5]
    ids = [fresh_id() for _ in words]
    wire.send(
        b"".join(
            raw.request(
                raw.chat(f"mock-small+words={count}+ttft_ms={20 * (count % 3)}", stream=index % 2 == 1),
                key=KEY,
                headers={"x-request-id": request_id},
            )
            for index, (count, request_id) in enumerate(zip(words, ids, strict=True))
        )
    )
    answers = [wire.answer() for _ in words]
    assert [answer.headers["x-request-id"] for answer in answers] == ids
    assert [(answer.status, answer.ending) for answer in answers] == [(200, "whole")] * len(words)
    assert [gateway.entry(request_id).output_tokens for request_id in ids] == words


def test_bad_request_behind_a_good_one_is_refused_after_its_answer(wire: raw.Wire) -> None:
    wire.send(GOOD + MALFORMED["two lengths"][0] + GOOD)
    assert [wire.answer().status for _ in range(2)] == [200, 400]
    assert wire.rest() == b""


def test_slow_lane_request_behind_a_call_is_served_after_it(wire: raw.Wire) -> None:
    wire.send(GOOD + b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
    assert wire.answer().status == 200
    health = wire.answer()
    assert health.json() == {"status": "ok"}


def test_connection_is_kept_between_calls(wire: raw.Wire) -> None:
    for _ in range(50):
        wire.send(GOOD)
        assert wire.answer().ending == "whole"


def test_connection_close_is_honoured(wire: raw.Wire) -> None:
    wire.send(raw.request(raw.chat(), key=KEY, headers={"connection": "close"}))
    answer = wire.answer()
    assert (answer.status, answer.ending, answer.headers["connection"]) == (200, "whole", "close")
    assert wire.rest() == b""


@pytest.mark.parametrize("streamed", [False, True])
def test_http_1_0_client_is_answered_without_chunks(streamed: bool, wire: raw.Wire) -> None:
    wire.send(raw.request(raw.chat(stream=streamed), key=KEY, version="1.0"))
    answer = wire.answer()
    assert answer.status == 200
    assert "transfer-encoding" not in answer.headers
    assert answer.ending == ("closed" if streamed else "whole")
    assert (b"data: [DONE]" in answer.body) == streamed
    assert wire.rest() == b""


def test_http_1_0_client_sees_a_cut_stream_as_a_reset(wire: raw.Wire) -> None:
    wire.send(raw.request(raw.chat("mock-small+cut_after_bytes=900", stream=True), key=KEY, version="1.0"))
    assert wire.answer().ending == "reset"


def test_expect_continue_is_answered_before_the_body(wire: raw.Wire) -> None:
    request = raw.request(raw.chat(), key=KEY, headers={"expect": "100-continue"})
    at = request.index(b"\r\n\r\n") + 4
    wire.send(request[:at])
    assert wire.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
    wire.send(request[at:])
    answer = wire.answer()
    assert (answer.status, answer.interim) == (200, [100])


def test_expectant_client_with_a_bad_key_is_refused_without_its_body(wire: raw.Wire) -> None:
    request = raw.request(raw.chat(), key="sk-nobody-knows-this", headers={"expect": "100-continue"})
    wire.send(request[: request.index(b"\r\n\r\n") + 4])
    answer = wire.answer()
    assert (answer.status, answer.interim, answer.headers["connection"]) == (401, [], "close")


# --- slow readers -------------------------------------------------------------------------------------------------------------


def resident_kib(gateway: Gateway) -> int:
    """Memory of all processes of the gateway."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:
            continue
        fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        if gateway.process.pid in (int(fields["Pid"]), int(fields["PPid"])):
            total += int(fields.get("VmRSS", "0").split()[0])
    return total


def test_client_that_reads_nothing_holds_no_memory_and_is_cut_off(gateway: Gateway) -> None:
    before_kib = resident_kib(gateway)
    ids = [fresh_id() for _ in range(8)]
    wires = [raw.Wire(gateway.host, gateway.port, receive_buffer_bytes=4096) for _ in ids]
    for wire, request_id in zip(wires, ids, strict=True):
        body = raw.chat("mock-small+words=60000+burst=true", stream=True)
        wire.send(raw.request(body, key=KEY, headers={"x-request-id": request_id}))
    with raw.Wire(gateway.host, gateway.port) as other:
        other.send(GOOD)
        assert other.answer().status == 200
    # Each stream is some 10 MB; a quarter of a mebibyte of each may wait here, and room for the allocator's habits.
    grown_kib = 0
    entries = []
    for request_id in ids:
        entries.append(gateway.entry(request_id))
        grown_kib = max(grown_kib, resident_kib(gateway) - before_kib)
    assert grown_kib < 24_000
    assert {(entry.status, entry.error_code) for entry in entries} == {(499, "client_gone")}
    for wire in wires:
        assert b"[DONE]" not in wire.rest()
        assert wire.ended == "reset"
        wire.sock.close()


def test_client_that_reads_slowly_gets_everything(gateway: Gateway) -> None:
    request_id = fresh_id()
    with raw.Wire(gateway.host, gateway.port, receive_buffer_bytes=8192) as wire:
        body = raw.chat("mock-small+words=4000+burst=true", stream=True)
        wire.send(raw.request(body, key=KEY, headers={"x-request-id": request_id}))
        for _ in range(10):
            time.sleep(0.05)
            wire.more()
        answer = wire.answer()
    assert answer.ending == "whole"
    assert answer.body.count(b'"content":') == 4001
    assert gateway.entry(request_id).output_tokens == 4000


# --- both lanes ---------------------------------------------------------------------------------------------------------------


def test_one_client_uses_both_lanes(gateway: Gateway) -> None:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=0) as client:
        for _ in range(3):
            assert [model.id for model in client.models.list()] == ["chat", "claude"]
            answer = client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "hello"}])
            assert answer.usage is not None
            with pytest.raises(openai.NotFoundError):
                client.models.retrieve("chat/nothing/here")


def test_health_and_readiness_need_no_key(wire: raw.Wire, gateway: Gateway) -> None:
    wire.send(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
    assert wire.answer().json() == {"status": "ok"}
    with raw.Wire(gateway.host, gateway.port) as second:
        second.send(b"GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n")
        assert second.answer().json() == {"status": "ok", "workers_ready": 1, "reasons": []}


def test_models_of_a_key_are_its_own(gateway: Gateway) -> None:
    for key, status, names in ((KEY, 200, ["chat", "claude"]), (NARROW_KEY, 200, []), ("sk-nobody-knows", 401, None)):
        with raw.Wire(gateway.host, gateway.port) as wire:
            wire.send(raw.request(b"", method="GET", path="/v1/models", key=key))
            answer = wire.answer()
            assert answer.status == status
            assert names is None or [row["id"] for row in answer.json()["data"]] == names


def test_many_hostile_clients_at_once_leave_the_gateway_serving(gateway: Gateway) -> None:
    def attack() -> None:
        for data, _ in MALFORMED.values():
            with raw.Wire(gateway.host, gateway.port) as wire:
                wire.send(data)
                wire.reset()

    threads = [threading.Thread(target=attack) for _ in range(8)]
    for thread in threads:
        thread.start()
    with raw.Wire(gateway.host, gateway.port) as wire:
        while any(thread.is_alive() for thread in threads):
            wire.send(GOOD)
            assert wire.answer().status == 200
    for thread in threads:
        thread.join()
