from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from fastgw.admin.ledger_routes import ledger_routes
from fastgw.domain.entry import LedgerEntry


class Row(msgspec.Struct):
    group: tuple[str, ...]
    cost_nano_usd: int


class Ledger:
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    async def spend(self, by: Sequence[str], since_ns: int | None, until_ns: int | None) -> list[Row]:
        self.asked.append((list(by), since_ns, until_ns))
        if "nonsense" in by:
            raise ValueError("no field `nonsense`")
        return [Row(("a",), 1500)]

    async def entries(self, limit: int, since_ns: int | None, until_ns: int | None) -> list[LedgerEntry]:
        self.asked.append((limit, since_ns, until_ns))
        return [LedgerEntry(7, "r", 1, "k", metadata={"app": "x"}, cost_nano_usd=3)]


def ask(path: str, ledger: Ledger) -> tuple[int, Any]:
    async def run() -> tuple[int, Any]:
        app = web.Application()
        app.add_routes(ledger_routes(ledger))
        async with TestClient(TestServer(app)) as client:
            answer = await client.get(path)
            return answer.status, await (answer.json() if answer.status == 200 else answer.text())

    return asyncio.run(run())


def test_spend_is_grouped_and_told_in_exact_dollars() -> None:
    ledger = Ledger()
    status, body = ask("/admin/api/spend?by=team,metadata.app&since_ns=5&until_ns=9", ledger)
    assert status == 200
    assert body == {
        "by": ["team", "metadata.app"],
        "rows": [{"group": ["a"], "cost_nano_usd": 1500, "cost_usd": "0.0000015"}],
    }
    assert ledger.asked == [(["team", "metadata.app"], 5, 9)]


def test_entries_with_all_their_fields() -> None:
    ledger = Ledger()
    status, body = ask("/admin/api/entries?limit=3", ledger)
    assert status == 200
    assert set(body["rows"][0]) == set(LedgerEntry.__struct_fields__)
    assert (body["rows"][0]["id"], body["rows"][0]["metadata"]) == (7, {"app": "x"})
    assert ledger.asked == [(3, None, None)]


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/admin/api/spend?by=nonsense", "no field `nonsense`"),
        ("/admin/api/spend?since_ns=-1", "since_ns: expected a whole number"),
        ("/admin/api/spend?until_ns=1e3", "until_ns: expected a whole number"),
        ("/admin/api/entries?limit=1001", "limit: expected 1 to 1000, got 1001"),
        ("/admin/api/entries?limit=x", "limit: expected a whole number"),
    ],
)
def test_what_cannot_be_asked_is_told(path: str, problem: str) -> None:
    status, body = ask(path, Ledger())
    assert status == 400
    assert problem in body
