"""The ledger over HTTP: exact sums and entries, and plain words for a question that makes no sense."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from fastgw.admin.ledger_routes import MAX_ENTRIES, ledger_routes
from fastgw.admin.site import AdminSite
from fastgw.app.demo import free_port
from fastgw.ledger.reader import LedgerReader
from fastgw.ledger.writer import Batch, LedgerWriter
from fastgw.telemetry.stats_page import StatsPage
from tests.model.calls import START_US, call_id, settled

CALLS = [
    settled(0, team="a", cost_nano_usd=1, metadata={"env": "dev"}),
    settled(1, team="a", cost_nano_usd=9_007_199_254_740_993, input_tokens=7),
    settled(2, team="b", cost_nano_usd=None, status=502, error_code="provider_timeout"),
]
Ask = Callable[[str], Awaitable[tuple[int, Any]]]


def asking(folder: Path, use: Callable[[Ask], Awaitable[None]]) -> None:
    """``use`` the routes over a ledger of three calls."""
    path = folder / "x.db"
    writer = LedgerWriter(path)
    writer.apply(Batch(settled=[(call.id, msgspec.msgpack.encode(call)) for call in CALLS]))
    writer.close()

    async def main() -> None:
        reader = await LedgerReader.open(path)
        port = free_port()
        site = AdminSite([ledger_routes(reader)], "t", StatsPage(1))
        await site.open("127.0.0.1", port)
        try:
            async with asyncio.timeout(20), aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

                async def ask(query: str) -> tuple[int, Any]:
                    async with session.get(f"/admin/api/{query}", headers={"authorization": "Bearer t"}) as answer:
                        return answer.status, msgspec.json.decode(await answer.read())

                await use(ask)
        finally:
            await site.close()
            await reader.close()

    asyncio.run(main())


def test_sums_are_exact_and_grouped(tmp_path: Path) -> None:
    async def use(ask: Ask) -> None:
        status, body = await ask("spend?by=team")
        assert (status, body["by"]) == (200, ["team"])
        found = [(row["group"], row["calls"], row["cost_nano_usd"], row["cost_usd"]) for row in body["rows"]]
        # More nano-dollars than a double holds exactly: the text is exact as well.
        assert found == [(["a"], 2, 9_007_199_254_740_994, "9007199.254740994"), (["b"], 1, 0, "0")]
        status, body = await ask("spend")
        assert [row["calls"] for row in body["rows"]] == [3]
        assert body["rows"][0]["unpriced_calls"] == 1

    asking(tmp_path, use)


def test_a_span_of_time_is_half_open(tmp_path: Path) -> None:
    async def use(ask: Ask) -> None:
        since_ns, until_ns = (START_US + 1) * 1000, (START_US + 2) * 1000
        _, body = await ask(f"spend?since_ns={since_ns}&until_ns={until_ns}")
        assert body["rows"][0]["calls"] == 1
        _, body = await ask(f"entries?since_ns={since_ns}")
        assert [row["id"] for row in body["rows"]] == [call_id(2), call_id(1)]

    asking(tmp_path, use)


def test_entries_come_newest_first_with_every_field(tmp_path: Path) -> None:
    async def use(ask: Ask) -> None:
        _, body = await ask("entries?limit=2")
        assert [row["request_id"] for row in body["rows"]] == ["req-2", "req-1"]
        _, body = await ask("entries")
        last = body["rows"][-1]
        assert last == msgspec.structs.asdict(CALLS[0])

    asking(tmp_path, use)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("spend?by=nothing", "nothing"),
        ("spend?by=team%3BDROP", "DROP"),
        ("spend?since_ns=yesterday", "since_ns: expected a whole number, got 'yesterday'"),
        ("spend?until_ns=-1", "until_ns: expected a whole number"),
        ("spend?since_ns=%C2%B2", "since_ns: expected a whole number"),
        ("spend?since_ns=" + "9" * 20, "since_ns: expected a whole number"),
        ("entries?limit=0", f"limit: expected 1 to {MAX_ENTRIES}, got 0"),
        (f"entries?limit={MAX_ENTRIES + 1}", "limit: expected 1 to"),
        ("entries?since_ns=", "since_ns: expected a whole number, got ''"),
    ],
)
def test_a_question_without_sense_is_told_so(tmp_path: Path, query: str, words: str) -> None:
    async def use(ask: Ask) -> None:
        status, body = await ask(query)
        assert (status, body["error"]["code"]) == (400, "bad_request")
        assert words in body["error"]["message"]

    asking(tmp_path, use)


def test_times_beyond_the_ids_find_nothing(tmp_path: Path) -> None:
    async def use(ask: Ask) -> None:
        status, body = await ask("entries?since_ns=" + "9" * 19)
        assert (status, body) == (200, {"rows": []})

    asking(tmp_path, use)
