"""Reading the ledger from the event loop, on a connection that cannot write.

Owns its connection and thread (aiosqlite). The one invariant: it never blocks the loop, and never writes or
checkpoints. Each call costs a hop to the thread, so nothing here belongs on the path of a request.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiosqlite

from fastgw.domain.entry import LedgerEntry
from fastgw.ledger.alert_store import SHOW_ALERTS, shown_alerts
from fastgw.ledger.queries import Query, Spend, callers_query, entries_query, spend_query, spend_row, spent_query
from fastgw.ledger.schema import entry_of
from fastgw.storage.sqlite import open_reader, reader_uri


class LedgerReader:
    """Made by ``open``; raises ``sqlite3.Error`` from any call when the file cannot be read."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    @classmethod
    async def open(cls, path: str | Path) -> LedgerReader:
        """Open ``path``. Raises ``sqlite3.OperationalError`` if there is no such file; makes none."""
        # A file that cannot be opened fails here; aiosqlite would leave a thread that speaks to a closed loop.
        open_reader(path).close()
        return cls(await aiosqlite.connect(reader_uri(path), uri=True, isolation_level=None))

    async def close(self) -> None:
        """Close the connection and end its thread."""
        await self._connection.close()

    async def spend(
        self, by: Sequence[str] = (), since_ns: int | None = None, until_ns: int | None = None
    ) -> list[Spend]:
        """Sums by the fields of ``by``, as ``spend_query`` says."""
        return [spend_row(row, len(by)) for row in await self._fetch(spend_query(by, since_ns, until_ns))]

    async def totals(self, since_ns: int | None = None, until_ns: int | None = None) -> Spend:
        """The sums of all calls."""
        return (await self.spend((), since_ns, until_ns))[0]

    async def callers(self, since_ns: int) -> list[Sequence[Any]]:
        """The rows of ``callers_query``."""
        return await self._fetch(callers_query(since_ns))

    async def spent(
        self, since_ns: int, slice_ns: int = 0, before: Mapping[int, int] | None = None
    ) -> list[Sequence[Any]]:
        """The rows of ``spent_query``."""
        return await self._fetch(spent_query(since_ns, slice_ns, before))

    async def entries(self, limit: int, since_ns: int | None = None, until_ns: int | None = None) -> list[LedgerEntry]:
        """The latest ``limit`` entries, latest first."""
        return [entry_of(row) for row in await self._fetch(entries_query(limit, since_ns, until_ns))]

    async def alerts(self, limit: int) -> list[dict[str, Any]]:
        """The latest ``limit`` alerts, latest first, each with how far it has come on each channel."""
        return shown_alerts(await self._fetch((SHOW_ALERTS, [limit])))

    async def _fetch(self, query: Query) -> list[Sequence[Any]]:
        cursor = await self._connection.execute(*query)
        rows: list[sqlite3.Row] = list(await cursor.fetchall())
        await cursor.close()
        return rows  # type: ignore[return-value]  # a tuple for each row: no row factory is set
