"""The ledger from the event loop."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from fastgw.ledger.reader import LedgerReader
from tests.unit.ledger.conftest import CALLS


def test_reads_sums_and_entries(ledger: Path) -> None:
    async def main() -> None:
        reader = await LedgerReader.open(ledger)
        assert (await reader.totals()).cost_nano_usd == 2_000_001_501
        assert (await reader.spend(["team"]))[0].group == ("a",)
        assert (await reader.totals(CALLS[1].started_ns, CALLS[2].started_ns)).calls == 1
        assert await reader.entries(10) == CALLS[::-1]
        assert await reader.entries(1, until_ns=CALLS[2].started_ns) == [CALLS[1]]
        with pytest.raises(ValueError, match="by:"):
            await reader.spend(["nonsense"])
        await reader.close()

    asyncio.run(main())


def test_a_missing_file_is_an_error_and_stays_missing(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        asyncio.run(LedgerReader.open(tmp_path / "none.db"))
    assert list(tmp_path.iterdir()) == []
