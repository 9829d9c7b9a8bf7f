from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from fastgw.admin.site import AdminSite
from fastgw.telemetry.stats_page import StatsPage

TOKEN = "t" * 32


def ask(*requests: tuple[str, dict[str, str]], stats: StatsPage | None = None) -> list[tuple[int, Any]]:
    """What the site answers to paths and headers, each a status and a JSON document or text."""
    routes = web.RouteTableDef()

    @routes.get("/admin/api/thing")
    async def thing(_: web.Request) -> web.StreamResponse:
        return web.json_response({"thing": 1})

    @routes.get("/metrics")
    async def metrics(_: web.Request) -> web.StreamResponse:
        return web.json_response("numbers")

    async def run() -> list[tuple[int, Any]]:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
        site = AdminSite([routes], TOKEN, stats or StatsPage(1))
        await site.open("127.0.0.1", port)
        try:
            async with aiohttp.ClientSession() as session:
                found = []
                for path, headers in requests:
                    async with session.get(f"http://127.0.0.1:{port}{path}", headers=headers) as answer:
                        found.append((answer.status, await answer.json()))
                return found
        finally:
            await site.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": TOKEN},
        {"Authorization": "Bearer " + TOKEN + "x"},
        {"Authorization": "Basic " + TOKEN},
        {"Authorization": "Bearer"},
    ],
)
def test_without_the_token_nothing_is_told(headers: dict[str, str]) -> None:
    for status, body in ask(("/admin/api/thing", headers), ("/admin/api/nothing", headers)):
        assert status == 401
        assert body["error"]["code"] == "unauthorized"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_with_the_token(scheme: str) -> None:
    operator = {"Authorization": f"{scheme} {TOKEN}"}
    (status, body), (missing, problem) = ask(("/admin/api/thing", operator), ("/admin/api/nothing", operator))
    assert (status, body) == (200, {"thing": 1})
    assert (missing, problem["error"]["code"]) == (404, "not_found")


def test_health_and_metrics_are_open() -> None:
    assert ask(("/healthz", {}), ("/metrics", {})) == [(200, {"status": "ok"}), (200, "numbers")]


def test_readiness_tells_why_it_is_degraded() -> None:
    stats = StatsPage(3)
    stats.row(2).put("ready", 1)
    ((status, body),) = ask(("/readyz", {}), stats=stats)
    assert (status, body) == (200, {"status": "ok", "workers_ready": 1, "reasons": []})
    stats.row(1).put("ledger_problem", 1)
    ((status, body),) = ask(("/readyz", {}), stats=stats)
    assert (status, body["status"]) == (200, "degraded")
    assert "ledger database" in body["reasons"][0]
