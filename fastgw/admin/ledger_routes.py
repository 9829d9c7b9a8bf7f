"""What operators ask of the ledger over HTTP: spend by any field, and the last entries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec
import orjson
from aiohttp import web

from fastgw.domain.entry import LedgerEntry
from fastgw.domain.money import format_usd

MAX_ENTRIES = 1000


class SpendRow(Protocol):
    """One row of a spend report, as a struct."""

    @property
    def cost_nano_usd(self) -> int:
        """Sum of the priced calls."""


class Ledger(Protocol):
    """What is asked of the ledger."""

    async def spend(self, by: Sequence[str], since_ns: int | None, until_ns: int | None) -> Sequence[SpendRow]:
        """Sums by fields. Raises ValueError for a field that does not exist."""

    async def entries(self, limit: int, since_ns: int | None, until_ns: int | None) -> list[LedgerEntry]:
        """The newest entries first."""


def ledger_routes(ledger: Ledger) -> web.RouteTableDef:
    """The routes over a ledger."""
    routes = web.RouteTableDef()

    @routes.get("/admin/api/spend")
    async def spend(request: web.Request) -> web.StreamResponse:
        by = [field for field in request.query.get("by", "").split(",") if field]
        try:
            rows = await ledger.spend(by, _whole(request, "since_ns"), _whole(request, "until_ns"))
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        shown = [{**msgspec.to_builtins(row), "cost_usd": format_usd(row.cost_nano_usd)} for row in rows]
        return web.Response(body=orjson.dumps({"by": by, "rows": shown}), content_type="application/json")

    @routes.get("/admin/api/entries")
    async def entries(request: web.Request) -> web.StreamResponse:
        asked = _whole(request, "limit")
        limit = 100 if asked is None else asked
        if not 1 <= limit <= MAX_ENTRIES:
            raise web.HTTPBadRequest(text=f"limit: expected 1 to {MAX_ENTRIES}, got {limit}")
        found = await ledger.entries(limit, _whole(request, "since_ns"), _whole(request, "until_ns"))
        rows = [{name: getattr(entry, name) for name in LedgerEntry.__struct_fields__} for entry in found]
        return web.Response(body=orjson.dumps({"rows": rows}), content_type="application/json")

    return routes


def _whole(request: web.Request, name: str) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise web.HTTPBadRequest(text=f"{name}: expected a whole number, got {text[:40]!r}")
    return int(text)
