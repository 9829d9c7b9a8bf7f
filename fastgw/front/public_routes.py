"""The slow lane's routes on the public port: health, readiness, and the models that a caller may ask for."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from fastgw.domain.errors import GatewayError
from fastgw.domain.subject import Subject
from fastgw.front.slow_lane import json_answer
from fastgw.gateway.snapshot import Snapshot
from fastgw.identity.secret import CREDENTIAL_HEADERS, Presented
from fastgw.telemetry.stats_page import StatsPage, readiness


def public_routes(snapshot: Callable[[], Snapshot], stats: StatsPage) -> web.RouteTableDef:
    """The routes. ``snapshot`` gives the configuration in force."""
    routes = web.RouteTableDef()

    @routes.get("/")
    @routes.get("/healthz")
    async def health(_: web.Request) -> web.StreamResponse:
        return json_answer({"status": "ok"})

    @routes.get("/readyz")
    async def ready(_: web.Request) -> web.StreamResponse:
        return json_answer(readiness(stats))

    @routes.get("/v1/models")
    async def models(request: web.Request) -> web.StreamResponse:
        current = snapshot()
        subject = identify(current, request)
        listed = {
            alias: target
            for alias, target in current.aliases.aliases()
            if subject.may_use(alias) or subject.may_use(target.name)
        }
        rows = [
            {"id": alias, "object": "model", "created": 0, "owned_by": target.provider, "fastgw_target": target.name}
            for alias, target in listed.items()
        ]
        return json_answer({"object": "list", "data": rows})

    return routes


def identify(snapshot: Snapshot, request: web.Request) -> Subject:
    """Who calls. Raises GatewayError, 401."""
    subject = snapshot.keys.identify(_presented(request))
    if isinstance(subject, GatewayError):
        raise subject
    return subject


def _presented(request: web.Request) -> Presented:
    authorization, anthropic, google, azure = (
        values[0].encode("utf-8", "surrogateescape") if (values := request.headers.getall(name.decode(), [])) else None
        for name in CREDENTIAL_HEADERS
    )
    return authorization, anthropic, google, azure
