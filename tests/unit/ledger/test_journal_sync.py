"""Who waits for the disk, and how often it is asked."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import cast

import pytest

from fastgw._native.errors import JournalError
from fastgw._native.journal import SETTLED, JournalWriter
from fastgw.ledger.config import Sync
from fastgw.ledger.journal_sync import JournalSync


class Disk:
    """Stands in for the writer: counts the syncs, holds them while ``gate`` is closed."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.syncs = 0
        self.segments = 1
        self.room_bytes = 100
        self.broken = False

    def sync(self, wait: bool) -> None:
        assert wait
        assert self.gate.wait(10)
        self.syncs += 1
        if self.broken:
            raise JournalError("journal cannot be synced: Input/output error")


def make(disk: Disk, mode: Sync) -> JournalSync:
    return JournalSync(cast("JournalWriter", disk), mode, 1)


@pytest.mark.parametrize("mode", ["os", "interval"])
def test_only_always_makes_an_answer_wait(mode: Sync) -> None:
    disk = Disk()
    sync = make(disk, mode)
    asyncio.run(sync.durable())
    sync.close()
    assert disk.syncs == 0


def test_calls_that_wait_together_share_a_sync_that_began_after_them() -> None:
    disk = Disk()
    disk.gate.clear()

    async def main() -> None:
        sync = make(disk, "always")
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(sync.durable())
            await asyncio.sleep(0.02)
            others = [tasks.create_task(sync.durable()) for _ in range(50)]
            await asyncio.sleep(0.02)
            assert not first.done()
            disk.gate.set()
            await first
            # The sync that the first one is in began before the others asked.
            assert not any(other.done() for other in others)
        sync.close()

    asyncio.run(main())
    assert disk.syncs == 2


def test_a_refusing_disk_is_told_and_stops_nothing() -> None:
    disk = Disk()
    disk.broken = True

    async def main() -> None:
        sync = make(disk, "always")
        await sync.durable()
        assert sync.problem == "journal cannot be synced: Input/output error"
        disk.broken = False
        await sync.durable()
        assert sync.problem is None
        sync.close()

    asyncio.run(main())


async def until(condition: object) -> None:
    async with asyncio.timeout(10):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.001)


def test_interval_syncs_when_something_was_appended_and_at_the_end() -> None:
    disk = Disk()

    async def main() -> None:
        sync = make(disk, "interval")
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sync.run(stop))
            await until(lambda: disk.syncs == 1)
            await asyncio.sleep(0.02)
            assert disk.syncs == 1
            disk.room_bytes -= 8
            await until(lambda: disk.syncs == 2)
            disk.room_bytes -= 8
            stop.set()
        assert disk.syncs == 3
        sync.close()

    asyncio.run(main())


def test_the_other_modes_only_wait_for_the_end() -> None:
    disk = Disk()

    async def main() -> None:
        sync = make(disk, "os")
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sync.run(stop))
            await asyncio.sleep(0.01)
            stop.set()
        sync.close()

    asyncio.run(main())
    assert disk.syncs == 0


def test_with_a_real_journal(tmp_path: Path) -> None:
    writer = JournalWriter(str(tmp_path), 0, 1, 4096)

    async def main() -> None:
        sync = JournalSync(writer, "always", 20)
        for number in range(30):
            writer.append(SETTLED, number, bytes(1000))
            await sync.durable()
            assert sync.problem is None
        sync.close()

    asyncio.run(main())
