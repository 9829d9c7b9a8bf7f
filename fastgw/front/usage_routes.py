"""``GET /v1/usage``: a caller's own limits, and what is left of them."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from fastgw._native.counter_map import CounterMap
from fastgw.front.public_routes import identify
from fastgw.front.slow_lane import json_answer
from fastgw.gateway.admission import said_by_caller
from fastgw.gateway.snapshot import Snapshot
from fastgw.gateway.usage import usage_of
from fastgw.identity.metadata import METADATA_HEADERS, USER_HEADER


def usage_routes(
    snapshot: Callable[[], Snapshot], counter_map: CounterMap, now_ns: Callable[[], int]
) -> web.RouteTableDef:
    """The route. ``now_ns`` is the time by the clock of request ids."""
    routes = web.RouteTableDef()

    @routes.get("/v1/usage")
    async def usage(request: web.Request) -> web.StreamResponse:
        current = snapshot()
        subject = identify(current, request)
        user, metadata = said_by_caller(subject, _said(request))
        limits = usage_of(current, subject, user, metadata, counter_map, now_ns())
        caller = {"key": subject.key, "user": user, "team": subject.team}
        return json_answer({"object": "usage", **caller, "limits": limits})

    return routes


def _said(request: web.Request) -> tuple[bytes | None, ...]:
    names = (*METADATA_HEADERS, USER_HEADER)
    values = (request.headers.get(name.decode()) for name in names)
    return tuple(None if value is None else value.encode("utf-8", "surrogateescape") for value in values)
