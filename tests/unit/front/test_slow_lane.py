"""Connections that are not the fast lane's: taken over with what was read of them, answered, closed; errors in our words."""

from __future__ import annotations

import asyncio
import logging

import pytest
from aiohttp import web

from fastgw.domain.errors import GatewayError
from fastgw.front.slow_lane import SlowLane, json_answer
from tests.unit.front.slow_side import code_of, request, talk

ROUTES = web.RouteTableDef()


@ROUTES.get("/hello")
async def hello(_: web.Request) -> web.StreamResponse:
    return json_answer({"hello": "é"}, 201)


@ROUTES.post("/echo")
async def echo(asked: web.Request) -> web.StreamResponse:
    return web.Response(body=await asked.read())


@ROUTES.get("/refused")
async def refused(_: web.Request) -> web.StreamResponse:
    raise GatewayError("not_you", "no", status=403, source="policy")


@ROUTES.get("/bug")
async def bug(_: web.Request) -> web.StreamResponse:
    raise RuntimeError("/secret/path")


@ROUTES.get("/half")
async def half(asked: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(asked)
    await answer.write(b"begun")
    raise RuntimeError("bug")


def test_an_answer_after_which_the_connection_is_closed() -> None:
    (reply,) = talk(ROUTES, request("GET", "/hello"))
    assert (reply.status, reply.body, reply.whole) == (201, '{"hello":"é"}'.encode(), True)
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["connection"] == "close"


def test_a_body_within_and_beyond_the_limit() -> None:
    within, beyond = talk(
        ROUTES, request("POST", "/echo", body=b"x" * 1000), request("POST", "/echo", body=b"x" * 1001)
    )
    assert (within.status, within.body) == (200, b"x" * 1000)
    assert (beyond.status, code_of(beyond)) == (413, "body_too_large")


def test_refusals_in_the_shape_of_the_dialect() -> None:
    replies = talk(
        ROUTES,
        request("GET", "/refused"),
        request("GET", "/nowhere?key=secret"),
        request("DELETE", "/hello"),
        request("GET", "/v1/messages/nowhere"),
    )
    assert [(reply.status, code_of(reply)) for reply in replies] == [
        (403, "not_you"),
        (404, "unknown_path"),
        (405, "method_not_allowed"),
        (404, "unknown_path"),
    ]
    assert b"secret" not in replies[1].body
    assert set(replies[2].headers["allow"].split(",")) == {"GET", "HEAD"}
    assert [b'"type":"error"' in reply.body for reply in replies] == [False, False, False, True]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_the_fast_lanes_paths_take_only_posts(path: str) -> None:
    got, posted = talk(ROUTES, request("GET", path), request("POST", path, {"connection": "close"}, b"{}"))
    assert (got.status, code_of(got), got.headers["allow"]) == (405, "method_not_allowed", "POST")
    assert (posted.status, posted.body) == (200, b"fast")


def test_a_bug_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "fastgw.front"):
        (reply,) = talk(ROUTES, request("GET", "/bug"))
    assert (reply.status, code_of(reply)) == (500, "internal_error")
    assert b"secret" not in reply.body
    assert "a slow request failed" in caplog.text


def test_a_bug_after_the_answer_has_begun_breaks_it_off(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL):
        (reply,) = talk(ROUTES, request("GET", "/half"))
    assert (reply.status, reply.body, reply.whole) == (200, b"begun", False)


def test_what_its_parser_cannot_read_is_told_in_our_words(caplog: pytest.LogCaptureFixture) -> None:
    (reply,) = talk(ROUTES, request("PROPFIND2", "/hello", {"authorization": "Bearer sk-secret"}))
    assert (reply.status, code_of(reply)) == (405, "method_not_allowed")
    assert "sk-secret" not in caplog.text


def test_taking_over_comes_after_the_start() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="start"):
            SlowLane([], 1000).hand_over(asyncio.Transport(), b"")

    asyncio.run(main())
