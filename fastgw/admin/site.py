"""The operators' door: an aiohttp site on an address of its own, behind a token.

Invariant: what is not health, readiness or metrics is answered only to who has the token, compared in constant time.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Iterable

import orjson
from aiohttp import web

from fastgw.telemetry.stats_page import StatsPage, readiness

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})


class AdminSite:
    """Serves route tables on one address."""

    def __init__(self, routes: Iterable[web.RouteTableDef], token: str, stats: StatsPage) -> None:
        self._token = token.encode()
        self._stats = stats
        app = web.Application(middlewares=[self._guard], client_max_size=1 << 20)
        for table in routes:
            app.add_routes(table)
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/readyz", self._ready)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)

    async def open(self, host: str, port: int) -> None:
        """Listen. Raises OSError."""
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()

    async def close(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in OPEN_PATHS and not self._is_operator(request):
            return _problem(401, "unauthorized", "send the admin token as `authorization: Bearer <token>`")
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return _problem(error.status, error.reason.lower().replace(" ", "_"), error.text or error.reason)

    def _is_operator(self, request: web.Request) -> bool:
        scheme, _, presented = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(presented.strip().encode(), self._token)

    async def _health(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "ok"})

    async def _ready(self, _: web.Request) -> web.StreamResponse:
        return web.Response(body=orjson.dumps(readiness(self._stats)), content_type="application/json")


def _problem(status: int, code: str, message: str) -> web.Response:
    body = orjson.dumps({"error": {"code": code, "message": message}})
    return web.Response(status=status, body=body, content_type="application/json")
