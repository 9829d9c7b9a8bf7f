"""What operators see of alerts, and nobody else."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from fastgw.admin.alert_routes import MAX_SHOWN, alert_routes
from fastgw.admin.site import AdminSite
from fastgw.app.demo import free_port
from fastgw.telemetry.stats_page import StatsPage


def test_the_latest_are_shown() -> None:
    asked: list[int] = []
    shown = [{"id": "a", "deliveries": [{"channel": "log", "state": "delivered", "attempts": 1, "problem": ""}]}]

    async def latest(limit: int) -> list[dict[str, Any]]:
        asked.append(limit)
        return shown

    async def main() -> None:
        port = free_port()
        site = AdminSite([alert_routes(latest)], "t", StatsPage(1))
        await site.open("127.0.0.1", port)
        try:
            async with asyncio.timeout(20), aiohttp.ClientSession() as session:
                url, right = f"http://127.0.0.1:{port}/admin/api/alerts", {"authorization": "Bearer t"}
                async with session.get(url, headers=right) as answer:
                    assert (answer.status, await answer.json()) == (200, {"alerts": shown})
                async with session.get(url) as answer:
                    assert answer.status == 401
        finally:
            await site.close()

    asyncio.run(main())
    assert asked == [MAX_SHOWN]
