"""What operators ask about alerts over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
from aiohttp import web

MAX_SHOWN = 1000


def alert_routes(latest: Callable[[int], Awaitable[Sequence[dict[str, Any]]]]) -> web.RouteTableDef:
    """``GET /admin/api/alerts``: the last 1,000, latest first, each with how far it has come on each channel."""
    routes = web.RouteTableDef()

    @routes.get("/admin/api/alerts")
    async def alerts(_: web.Request) -> web.StreamResponse:
        return web.Response(body=orjson.dumps({"alerts": await latest(MAX_SHOWN)}), content_type="application/json")

    return routes
