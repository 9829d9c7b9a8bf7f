from __future__ import annotations

import base64
import hashlib
from typing import Any

import orjson
import pytest

from fastgw.mock_provider import service
from fastgw.mock_provider.server import RunningMock
from fastgw.mock_provider.service import Options
from tests.unit.mock_provider.talk import (
    ANTHROPIC,
    CHAT,
    HELLO,
    Reply,
    encode_request,
    exchange,
    get,
    post,
    read_reply,
    with_mock,
)

MESSAGE = {**HELLO, "max_tokens": 5}


def ask(path: str, payload: Any, headers: dict[str, str] | None = None, options: Options | None = None) -> Reply:
    return with_mock(lambda mock: post(mock, path, payload, headers), options)


@pytest.mark.parametrize(
    ("path", "payload"),
    [
        (CHAT, HELLO),
        ("/v1/completions", {"model": "mock-large", "prompt": "hi"}),
        ("/v1/embeddings", {"model": "mock-embed", "input": "hi"}),
        ("/v1/responses", {"model": "mock-small", "input": "hi"}),
        ("/v1/messages", MESSAGE),
        ("/v1/messages/count_tokens", HELLO),
    ],
)
def test_every_endpoint_answers_and_is_billed(path: str, payload: dict[str, Any]) -> None:
    async def talk(mock: RunningMock) -> tuple[Reply, Any]:
        reply = await post(mock, path, payload, {**ANTHROPIC, "x-client-request-id": "mine"})
        return reply, mock.bill.rows()

    reply, (row,) = with_mock(talk)
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert (row.endpoint, row.state, row.status, row.request_id) == (path, "complete", 200, "mine")
    assert row.model == row.priced_model == payload["model"]
    body = orjson.dumps(payload)
    assert (row.body_bytes, row.body_sha256) == (len(body), hashlib.sha256(body).hexdigest())
    assert (row.cost_nano_usd > 0) is (path != "/v1/messages/count_tokens")


def test_request_id_goes_by_the_vendors_name() -> None:
    assert ask(CHAT, HELLO).headers["x-request-id"] == "req_mock1"
    assert ask("/v1/messages", MESSAGE, ANTHROPIC).headers["request-id"] == "req_mock1"


@pytest.mark.parametrize(
    ("payload", "status", "words"),
    [
        (b"{", 400, "parse the JSON"),
        (b"[]", 400, "JSON object"),
        (b'{"a":"\xff"}', 400, "parse the JSON"),
        ({"messages": []}, 400, "model"),
        ({"model": 5}, 400, "model"),
        ({"model": "gpt-4", "messages": [{}]}, 404, "`gpt-4`"),
        ({**HELLO, "model": "mock-small+speed=1"}, 400, "speed"),
        ({"model": "mock-small"}, 400, "messages"),
    ],
)
@pytest.mark.parametrize("path", [CHAT, "/v1/messages"])
def test_bad_requests_are_refused_in_the_vendors_shape(path: str, payload: Any, status: int, words: str) -> None:
    async def talk(mock: RunningMock) -> tuple[Reply, Any]:
        return await post(mock, path, payload, ANTHROPIC), mock.bill.rows()

    reply, (row,) = with_mock(talk)
    assert reply.status == status
    assert words in reply.json["error"]["message"]
    assert ("request_id" in reply.json) is (path == "/v1/messages")
    assert (row.state, row.status, row.cost_usd) == ("refused", status, "0")


def test_anthropic_needs_its_version_header() -> None:
    reply = ask("/v1/messages", MESSAGE)
    assert (reply.status, reply.json["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "Basic right"}, 401),
        ({"x-api-key": "right!"}, 401),
        ({"authorization": "Bearer right"}, 200),
        ({"authorization": "bearer other"}, 200),
        ({"x-api-key": "right"}, 200),
    ],
)
def test_only_required_keys_are_served(headers: dict[str, str], status: int) -> None:
    options = Options(require_keys=("right", "other"))
    reply = ask(CHAT, HELLO, headers, options)
    assert reply.status == status
    if status == 401:
        assert reply.json["error"]["code"] == "invalid_api_key"
    assert with_mock(lambda mock: get(mock, "/v1/models", headers), options).status == status


def test_status_directive_with_retry_after() -> None:
    reply = ask(CHAT, HELLO, {"x-mock": "status=429,retry_after=2"})
    assert (reply.status, reply.headers["retry-after"]) == (429, "2")
    assert reply.json["error"]["code"] == "rate_limit_exceeded"


def test_fail_first_counts_by_id_or_by_model() -> None:
    async def talk(mock: RunningMock) -> list[int]:
        asked = {"x-mock": "fail_first=1"}
        calls = [{**asked, "x-mock-id": "a"}, {**asked, "x-mock-id": "b"}, {**asked, "x-mock-id": "a"}, asked, asked]
        return [(await post(mock, CHAT, HELLO, headers)).status for headers in calls]

    assert with_mock(talk) == [503, 503, 200, 503, 200]


def test_model_list_follows_the_callers_dialect() -> None:
    assert with_mock(lambda mock: get(mock, "/v1/models")).json["object"] == "list"
    assert with_mock(lambda mock: get(mock, "/v1/models", ANTHROPIC)).json["has_more"] is False


def test_unknown_path_and_method() -> None:
    assert ask("/v1/nothing", HELLO).json["error"]["code"] == "unknown_url"
    assert with_mock(lambda mock: get(mock, CHAT)).status == 405
    assert with_mock(lambda mock: get(mock, "/mock/nothing")).status == 404


def test_too_large_a_body_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastgw.mock_provider.server.MAX_BODY_BYTES", 100)
    assert ask(CHAT, {**HELLO, "more": "x" * 200}).status == 413


def test_continue_is_sent_to_who_waits_for_it() -> None:
    request = encode_request(CHAT, HELLO, {"expect": "100-continue"})
    raw = with_mock(lambda mock: exchange(mock, request))
    assert raw.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert read_reply(raw).status == 200


def test_bill_over_http_equals_the_one_in_process() -> None:
    async def talk(mock: RunningMock) -> tuple[Any, Any, Any]:
        for _ in range(3):
            await post(mock, CHAT, HELLO)
        whole, rest = await get(mock, "/mock/bill"), await get(mock, "/mock/bill?since=2")
        return whole.json, rest.json, mock.bill.rows()

    whole, rest, rows = with_mock(talk)
    assert [row["seq"] for row in whole["rows"]] == [1, 2, 3]
    assert [row["seq"] for row in rest["rows"]] == [3]
    assert whole["rows"][2]["cost_usd"] == rows[2].cost_usd == "0.00001005"
    assert whole["totals"]["complete"]["cost_nano_usd"] == 3 * 10050
    assert whole["totals"] == rest["totals"]


def test_recorded_request_is_what_was_sent() -> None:
    async def talk(mock: RunningMock) -> Any:
        await post(mock, CHAT + "?beta=true", HELLO, {"X-Mixed-Case": "Yes"})
        return (await get(mock, "/mock/requests")).json

    page = with_mock(talk, Options(record=True))
    (recorded,) = page["requests"]
    assert (recorded["method"], recorded["path"], page["dropped"]) == ("POST", CHAT + "?beta=true", 0)
    assert base64.b64decode(recorded["body"]) == orjson.dumps(HELLO)
    assert ["X-Mixed-Case", "Yes"] in recorded["headers"]


def test_nothing_is_recorded_unless_asked() -> None:
    async def talk(mock: RunningMock) -> Any:
        await post(mock, CHAT, HELLO)
        return (await get(mock, "/mock/requests")).json

    assert with_mock(talk) == {"dropped": 0, "requests": []}


@pytest.mark.parametrize(("rows", "max_bytes"), [(2, 1_000_000), (100, 2 * 100)])
def test_recorded_requests_are_bounded(monkeypatch: pytest.MonkeyPatch, rows: int, max_bytes: int) -> None:
    monkeypatch.setattr(service, "MAX_RECORDED_BYTES", max_bytes)
    payload = orjson.dumps(HELLO)
    payload += b" " * (75 - len(payload))
    assert len(base64.b64encode(payload)) == 100

    async def talk(mock: RunningMock) -> Any:
        for _ in range(5):
            await post(mock, CHAT, payload)
        return (await get(mock, "/mock/requests")).json

    page = with_mock(talk, Options(record=True, rows=rows))
    assert [one["seq"] for one in page["requests"]] == [4, 5]
    assert page["dropped"] == 3


def test_reset_forgets_everything() -> None:
    async def talk(mock: RunningMock) -> tuple[Any, Any, int]:
        asked = {"x-mock": "fail_first=1"}
        await post(mock, CHAT, HELLO, asked)
        await post(mock, "/mock/reset", {})
        bill, requests = (await get(mock, "/mock/bill")).json, (await get(mock, "/mock/requests")).json
        return bill, requests, (await post(mock, CHAT, HELLO, asked)).status

    bill, requests, status = with_mock(talk, Options(record=True))
    assert (bill["rows"], bill["last_seq"], bill["totals"]["all"]["requests"]) == ([], 1, 0)
    assert requests["requests"] == []
    assert status == 503


def test_stats_count_served_and_open_calls() -> None:
    async def talk(mock: RunningMock) -> Any:
        await post(mock, CHAT, HELLO)
        await post(mock, CHAT, HELLO, {"x-mock": "status=500"})
        return (await get(mock, "/mock/stats")).json

    assert with_mock(talk) == {"served": 2, "in_flight": 0, "recorded": 0}


def test_true_usage_is_billed_whatever_is_reported() -> None:
    async def talk(mock: RunningMock) -> list[Any]:
        for lie in ("absent", "negative", "huge", "string", "twice"):
            await post(mock, CHAT, HELLO, {"x-mock": f"usage={lie}"})
        return mock.bill.rows()

    assert {row.cost_usd for row in with_mock(talk)} == {"0.00001005"}
