"""What operators ask about limits over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import orjson
from aiohttp import web

from fastgw.limits.state import BudgetState, RateLimitState


def limit_routes(
    budgets: Callable[[], Awaitable[Sequence[BudgetState]]],
    rate_limits: Callable[[], Awaitable[Sequence[RateLimitState]]],
) -> web.RouteTableDef:
    """``GET /admin/api/limits``: every counter with its rule, of callers that the ledger knows."""
    routes = web.RouteTableDef()

    @routes.get("/admin/api/limits")
    async def limits(request: web.Request) -> web.StreamResponse:
        shown = {
            "budgets": [state.shown() for state in await budgets()],
            "rate_limits": [state.shown() for state in await rate_limits()],
        }
        return web.Response(body=orjson.dumps(shown), content_type="application/json")

    return routes
