"""The operators' door: closed to everybody without the token but for health, readiness and metrics."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from fastgw.admin.site import OPEN_PATHS, AdminSite
from fastgw.app.demo import free_port
from fastgw.telemetry.stats_page import StatsPage

TOKEN = "operators-token"


def some_routes() -> web.RouteTableDef:
    routes = web.RouteTableDef()

    @routes.get("/admin/api/thing")
    async def thing(_: web.Request) -> web.StreamResponse:
        return web.json_response({"thing": 1})

    @routes.get("/admin/api/bad")
    async def bad(_: web.Request) -> web.StreamResponse:
        raise web.HTTPBadRequest(text="limit: expected 1 to 1000, got 0")

    @routes.get("/admin/api/moved")
    async def moved(_: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/admin/api/thing")

    @routes.post("/admin/api/thing")
    async def take(request: web.Request) -> web.StreamResponse:
        return web.json_response({"bytes": len(await request.read())})

    return routes


def with_site(use: Callable[[aiohttp.ClientSession], Awaitable[None]], stats: StatsPage | None = None) -> None:
    async def main() -> None:
        site = AdminSite([some_routes()], TOKEN, stats or StatsPage(1))
        port = free_port()
        await site.open("127.0.0.1", port)
        async with asyncio.timeout(20), aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            await use(session)
        await site.close()
        with pytest.raises(OSError, match="Connect call failed"):
            await asyncio.open_connection("127.0.0.1", port)

    asyncio.run(main())


async def get(session: aiohttp.ClientSession, path: str, credential: str = f"Bearer {TOKEN}") -> tuple[int, Any]:
    headers = {"authorization": credential} if credential else {}
    async with session.get(path, headers=headers, allow_redirects=False) as answer:
        return answer.status, await answer.json() if answer.content_type == "application/json" else None


@pytest.mark.parametrize(
    "credential",
    ["", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer ", "Bearer", f"Bearer {TOKEN[:-1]}", "Bearer é"],
)
@pytest.mark.parametrize("path", ["/admin/api/thing", "/admin/api/none", "/", "/healthz/", "/metrics/x"])
def test_who_has_not_the_token_learns_nothing(credential: str, path: str) -> None:
    async def use(session: aiohttp.ClientSession) -> None:
        status, body = await get(session, path, credential)
        assert status == 401
        assert body["error"]["code"] == "unauthorized"

    with_site(use)


@pytest.mark.parametrize("credential", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER  {TOKEN} "])
def test_who_has_it_is_served(credential: str) -> None:
    async def use(session: aiohttp.ClientSession) -> None:
        assert await get(session, "/admin/api/thing", credential) == (200, {"thing": 1})

    with_site(use)


def test_errors_are_documents() -> None:
    async def use(session: aiohttp.ClientSession) -> None:
        assert await get(session, "/admin/api/bad") == (
            400,
            {"error": {"code": "bad_request", "message": "limit: expected 1 to 1000, got 0"}},
        )
        status, body = await get(session, "/admin/api/none")
        assert (status, body["error"]["code"]) == (404, "not_found")
        async with session.delete("/admin/api/thing", headers={"authorization": f"Bearer {TOKEN}"}) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (405, "method_not_allowed")
        assert await get(session, "/admin/api/moved") == (302, None)

    with_site(use)


def test_a_body_is_bounded() -> None:
    async def use(session: aiohttp.ClientSession) -> None:
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with session.post("/admin/api/thing", data=io.BytesIO(b"x" * (1 << 20)), headers=headers) as answer:
            assert await answer.json() == {"bytes": 1 << 20}
        async with session.post("/admin/api/thing", data=io.BytesIO(b"x" * ((1 << 20) + 1)), headers=headers) as answer:
            assert answer.status == 413

    with_site(use)


def test_health_and_readiness_are_open_and_tell_of_trouble() -> None:
    stats = StatsPage(1)

    async def use(session: aiohttp.ClientSession) -> None:
        assert await get(session, "/healthz", "") == (200, {"status": "ok"})
        assert (await get(session, "/readyz", ""))[1]["status"] == "ok"
        stats.row(0).put("ledger_problem", 1)
        status, body = await get(session, "/readyz", "")
        assert (status, body["status"]) == (200, "degraded")
        assert body["reasons"] == ["the ledger database cannot be written; records wait in the journal"]

    with_site(use, stats)
    assert frozenset({"/healthz", "/readyz", "/metrics"}) == OPEN_PATHS


def test_a_taken_address_is_an_error_of_the_system() -> None:
    async def main() -> None:
        port = free_port()
        first, second = (AdminSite([], TOKEN, StatsPage(1)) for _ in range(2))
        await first.open("127.0.0.1", port)
        with pytest.raises(OSError, match="address already in use"):
            await second.open("127.0.0.1", port)
        await second.close()
        await first.close()

    asyncio.run(main())
