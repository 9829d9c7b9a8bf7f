"""The thread that the drain keeps for the database does other work between two steps."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from fastgw.ledger.journal_drain import JournalDrain
from fastgw.ledger.writer import LedgerWriter


def test_other_work_has_the_same_thread_and_tells_its_failure(tmp_path: Path) -> None:
    writer = LedgerWriter(tmp_path / "x.db")
    drain = JournalDrain(tmp_path / "segments", writer)

    async def main() -> set[str]:
        names = {await drain.between_steps(lambda: threading.current_thread().name) for _ in range(3)}
        assert await drain.step() == 0
        with pytest.raises(sqlite3.OperationalError):
            await drain.between_steps(lambda: writer.alerts._write("no SQL", [()]))
        assert await drain.between_steps(writer.last_id) == 0
        return names

    assert asyncio.run(main()) == {"ledger_0"}
    drain.close()
    writer.close()
