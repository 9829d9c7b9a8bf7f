"""What operators ask about limits over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import orjson
from aiohttp import web

from fastgw.limits.state import BudgetState


def limit_routes(states: Callable[[], Awaitable[Sequence[BudgetState]]]) -> web.RouteTableDef:
    """``GET /admin/api/limits``: every budget and entity that something was spent on in its window."""
    routes = web.RouteTableDef()

    @routes.get("/admin/api/limits")
    async def limits(request: web.Request) -> web.StreamResponse:
        shown = [state.shown() for state in await states()]
        return web.Response(body=orjson.dumps({"budgets": shown}), content_type="application/json")

    return routes
