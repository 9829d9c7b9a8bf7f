"""From every worker's segment files into the ledger: the normal path, and the recovery path, which is the same one.

Owns the journal directory's reading side. The one invariant: a file is unlinked only after a transaction that holds
what it said is on disk; because writing a record again changes nothing, no mark of what was consumed is needed. A
*life* is one incarnation of a worker, named by its number and token. Does not know what an entry means.

A life is over when it has no file left: a live writer always has one (it makes the next before it seals the last),
and only this module unlinks. What it left open then becomes rows with the outcome ``unknown``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from fastgw._native.errors import JournalError
from fastgw._native.journal import JournalReader
from fastgw._native.ledger_rows import pair
from fastgw.ledger.writer import Batch, LedgerWriter

_SEGMENT_NAME = re.compile(r"(\d{4,})-(\d{8,})-([0-9a-f]{16})\.seg")
_RECORDS_A_READ = 1000
_RECORDS_A_BATCH = 4000
_DRAFT_NAME = re.compile(r".+\.seg\.(\d+)\.tmp")
_IDLE_FACTOR = 5
_EXPIRE_INTERVAL_S = 60.0
_EXPIRE_ROWS = 1000
T = TypeVar("T")


class JournalDrain:
    """Drains ``directory`` into ``writer``; makes the directory if there is none.

    ``problem`` says why nothing can be written or read at the moment, ``None`` when all is well; nothing is lost
    meanwhile, the segments and at most one batch in memory wait. ``corrupt_records`` counts damaged places in
    segments, each of which is kept as ``*.seg.bad``; ``rejected_records`` counts whole records that are no entry,
    which are kept in the table of that name.
    """

    def __init__(self, directory: str | Path, writer: LedgerWriter) -> None:
        self._directory = Path(directory)
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_drafts(self._directory)
        self._writer = writer
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._readers: dict[str, JournalReader] = {}
        self._open: dict[str, dict[int, bytes]] = {}
        self._stored: set[int] = set()
        for record_id, life, payload in writer.open_entries():
            self._open.setdefault(life, {})[record_id] = payload
            self._stored.add(record_id)
        self._last_life = ""
        self._batch = Batch()
        self._batch_records = 0
        self._finished: set[str] = set()
        self._bad: set[str] = set()
        self.corrupt_records = 0
        self._trouble: str | None = None
        self.problem: str | None = None

    @property
    def rejected_records(self) -> int:
        """Records that did not become a row since the start."""
        return self._writer.rejected_records

    def step_now(self) -> int:
        """Read what is new and write it in one transaction; returns the number of records read. Blocks for the disk."""
        self._trouble = None
        # A batch that could not be written is tried again before anything else is read.
        if not self._batch and not self._finished and not self._bad:
            self._batch_records = 0
            self._collect()
        try:
            if self._batch:
                self._batch.durable = bool(self._finished or self._bad)
                self._writer.apply(self._batch)
                self._batch = Batch()
            self._put_away()
        except (sqlite3.Error, OSError) as error:
            self._trouble = f"ledger cannot be written: {error}"
            return 0
        finally:
            self.problem = self._trouble  # not before it is known: who looks meanwhile, sees what the last step found
        return self._batch_records

    async def step(self) -> int:
        """``step_now`` in the thread that this drain keeps for the database."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.step_now)

    async def between_steps(self, work: Callable[[], T]) -> T:
        """Do something else with the database, in the same thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def run(
        self, stop: asyncio.Event, *, interval_ms: int = 100, expires_before_ns: Callable[[], int] | None = None
    ) -> None:
        """Drain until ``stop`` is set, then once more to the end.

        Polls every ``interval_ms`` while records come and after a failure, a fifth as often otherwise, at once while
        there is a backlog. Rows of calls before ``expires_before_ns()``, by the time in their ids, are deleted in
        small batches, looked for once a minute.
        """
        loop = asyncio.get_running_loop()
        expire_at_s = 0.0
        while not stop.is_set():
            records = await self.step()
            if (
                expires_before_ns is not None
                and loop.time() >= expire_at_s
                and await self.expire(expires_before_ns()) < _EXPIRE_ROWS
            ):
                expire_at_s = loop.time() + _EXPIRE_INTERVAL_S
            if records >= _RECORDS_A_BATCH:
                continue
            busy = records or self.problem
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(interval_ms / 1000 * (1 if busy else _IDLE_FACTOR)):
                    await stop.wait()
        await self.drain_all()

    async def drain_all(self) -> None:
        """Drain until nothing is left, or nothing can be written: the last file of a life goes in one step, and what it left open
        becomes ``unknown`` in the next.
        """
        idle_steps = 0
        while idle_steps < 2:
            idle_steps = 0 if await self.step() else idle_steps + 1

    def open_calls(self) -> dict[str, dict[int, bytes]]:
        """What lives that are not over have opened and not settled: ids and payloads, by life. Not to be asked during a step."""
        return {life: dict(calls) for life, calls in self._open.items() if calls}

    async def resolved_costs(self, calls: Mapping[int, str]) -> dict[int, int]:
        """What calls of lives that are over cost (``call: life``), 0 for those that the ledger knows nothing of; a call whose life
        still has something to be drained is left out."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._resolved_costs, calls)

    def _resolved_costs(self, calls: Mapping[int, str]) -> dict[int, int]:
        if self._batch or self._finished or self._bad:
            return {}
        lives = self._list_lives().keys() | self._open.keys()
        return self._writer.costs([call for call, life in calls.items() if life not in lives])

    async def expire(self, before_ns: int) -> int:
        """Delete a small batch of the rows of calls before ``before_ns``; returns how many, 0 also when it failed."""
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, self._writer.expire, before_ns, _EXPIRE_ROWS
            )
        except sqlite3.Error as error:
            self.problem = f"old rows cannot be deleted: {error}"
            return 0

    def close(self) -> None:
        """Let the thread end. The writer stays open: it is the caller's."""
        self._thread.shutdown()
        self._readers.clear()

    def _collect(self) -> None:
        try:
            lives = self._list_lives()
        except OSError as error:
            self._trouble = f"journal cannot be read: {error}"
            return
        for name in self._readers.keys() - {name for names in lives.values() for name in names}:
            del self._readers[name]  # unlinked by someone else
        for life in self._open.keys() - lives.keys():
            self._end_life(life)
        # Whoever a full batch cut off is first in the next one.
        order = sorted(lives)
        cut = bisect_right(order, self._last_life)
        for life in order[cut:] + order[:cut]:
            self._last_life = life
            self._read_life(life, lives[life])
            if self._batch_records >= _RECORDS_A_BATCH:
                return

    def _list_lives(self) -> dict[str, list[str]]:
        lives: dict[str, list[tuple[int, str]]] = {}
        names = os.listdir(self._directory)
        if any(
            name.endswith(".tmp") for name in names
        ):  # of a worker that makes a segment now, or was killed while it did
            _remove_drafts(self._directory)
        for name in names:
            if match := _SEGMENT_NAME.fullmatch(name):
                lives.setdefault(f"{match[1]}-{match[3]}", []).append((int(match[2]), name))
        return {life: [name for _, name in sorted(segments)] for life, segments in lives.items()}

    def _read_life(self, life: str, names: list[str]) -> None:
        # In the order of their making: an entry is settled in the segment that opened it, or in a later one.
        for name in names:
            try:
                more = self._read_segment(life, name)
            except JournalError as error:
                if isinstance(error.__cause__, OSError):
                    self._trouble = str(error)
                    return
                self._set_aside(life, name)
                continue
            if more:
                return

    def _read_segment(self, life: str, name: str) -> bool:
        """Returns whether this segment must be looked at again."""
        reader = self._readers.get(name)
        if reader is None:
            reader = self._readers[name] = JournalReader(str(self._directory / name))
        # Before the reads: nothing can have been added since to what the last of them, which is empty, has seen.
        ended = reader.sealed or not reader.writer_alive
        while records := reader.read(_RECORDS_A_READ):
            self._take(life, records)
            if self._batch_records >= _RECORDS_A_BATCH:
                return True
        if not ended:
            return True
        if reader.torn:
            self._set_aside(life, name)
            return False
        self._end_segment(life, name)
        self._finished.add(name)
        return False

    def _take(self, life: str, records: list[tuple[int, int, bytes]]) -> None:
        self._batch_records += len(records)
        closed, other = pair(records, self._open.setdefault(life, {}), self._batch.settled)
        if self._stored:
            for record_id in self._stored.intersection(closed):
                self._close_stored(record_id)
        for kind, record_id, payload in other:
            self._batch.rejected.append((record_id, kind, "unknown kind of record", payload))

    def _close_stored(self, record_id: int) -> None:
        self._stored.discard(record_id)
        self._batch.closed.append(record_id)

    def _end_segment(self, life: str, name: str) -> None:
        # All that is open of this life was opened here or before: its only copy would go with the file.
        self._readers.pop(name, None)
        for record_id, payload in self._open.get(life, {}).items():
            if record_id not in self._stored:
                self._stored.add(record_id)
                self._batch.opened.append((record_id, life, payload))

    def _set_aside(self, life: str, name: str) -> None:
        self.corrupt_records += 1
        self._end_segment(life, name)
        self._bad.add(name)

    def _end_life(self, life: str) -> None:
        for record_id, payload in self._open.pop(life).items():
            self._batch.unknown.append((record_id, payload))
            if record_id in self._stored:
                self._close_stored(record_id)

    def _put_away(self) -> None:
        for name in list(self._finished):
            (self._directory / name).unlink(missing_ok=True)
            self._finished.discard(name)
        for name in list(self._bad):
            with contextlib.suppress(FileNotFoundError):
                (self._directory / name).rename(self._directory / f"{name}.bad")
            self._bad.discard(name)


def _remove_drafts(directory: Path) -> None:
    """Remove segments that a killed worker had not finished making.

    Their names have its process id. Trying their lock instead would now and then take it from a worker that is between
    making the file and locking it.
    """
    for path in directory.iterdir():
        match = _DRAFT_NAME.fullmatch(path.name)
        if match and not _is_running(int(match[1])):
            path.unlink(missing_ok=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
