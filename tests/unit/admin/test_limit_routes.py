"""Limits over HTTP."""

from __future__ import annotations

import asyncio

import aiohttp

from fastgw.admin.limit_routes import limit_routes
from fastgw.admin.site import AdminSite
from fastgw.app.demo import free_port
from fastgw.limits.config import BudgetRow, RateLimitRow
from fastgw.limits.state import BudgetState, RateLimitState
from fastgw.telemetry.stats_page import StatsPage


def test_every_counter_is_shown() -> None:
    row = BudgetRow(id="b", limit_usd=1, window="day", per=("user",))
    state = BudgetState(row=row, entity=("ada",), until_ns=5, ledger_nano_usd=1, used_nano_usd=1, reserved_nano_usd=0)

    async def states() -> list[BudgetState]:
        return [state]

    limit = RateLimitRow(id="r", limit=2, unit="requests_per_day", burst=7, per=("key",))
    bucket = RateLimitState(row=limit, entity=("k",), used=3)

    async def buckets() -> list[RateLimitState]:
        return [bucket]

    async def main() -> None:
        port = free_port()
        site = AdminSite([limit_routes(states, buckets)], "t", StatsPage(1))
        await site.open("127.0.0.1", port)
        try:
            async with asyncio.timeout(20), aiohttp.ClientSession() as session:
                url, right = f"http://127.0.0.1:{port}/admin/api/limits", {"authorization": "Bearer t"}
                async with session.get(url, headers=right) as answer:
                    assert (answer.status, await answer.json()) == (
                        200,
                        {"budgets": [state.shown()], "rate_limits": [bucket.shown()]},
                    )
                async with session.get(url) as answer:
                    assert answer.status == 401
        finally:
            await site.close()

    asyncio.run(main())
