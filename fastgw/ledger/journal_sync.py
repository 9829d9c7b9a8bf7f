"""When a worker's journal goes to the disk: the policy ``[ledger].sync`` against a power cut.

Owns the one thread that waits for the disk. The one invariant: a call of ``durable`` that returns while ``problem``
is ``None`` was followed by a sync that began after it was made. Nothing here matters to a killed process: its pages
outlive it.
"""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor

from fastgw._native.errors import JournalError
from fastgw._native.journal import JournalWriter
from fastgw.ledger.config import Sync


class JournalSync:
    """Syncs ``writer`` as ``mode`` says. A disk that refuses is told in ``problem`` and stops no call."""

    def __init__(self, writer: JournalWriter, mode: Sync, interval_ms: int) -> None:
        self._writer = writer
        self._mode = mode
        self._interval_s = interval_ms / 1000
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal-sync")
        self._turn = asyncio.Lock()
        self._asked = 0
        self._synced = 0
        self._synced_to = (0, 0)
        self.problem: str | None = None

    async def durable(self) -> None:
        """To be awaited before the last byte of an answer: with ``always``, what was appended is then on disk.

        Calls that wait at the same time share one sync (about 3 ms on a disk without a cache of its own). Returns at
        once in the other modes.
        """
        if self._mode != "always":
            return
        self._asked += 1
        mine = self._asked
        async with self._turn:
            if self._synced >= mine:
                return
            covers = self._asked
            await self._sync()
            self._synced = covers

    async def run(self, stop: asyncio.Event) -> None:
        """With ``interval``, sync every interval in which something was appended, until ``stop``; else wait for it."""
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval_s if self._mode == "interval" else None):
                    await stop.wait()
            end = (self._writer.segments, self._writer.room_bytes)
            if self._mode == "interval" and end != self._synced_to:
                await self._sync()
                self._synced_to = end

    def close(self) -> None:
        """Let the thread end, after the sync it is in."""
        self._thread.shutdown()

    async def _sync(self) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._writer.sync, True)
        except JournalError as error:
            self.problem = str(error)
        else:
            self.problem = None
