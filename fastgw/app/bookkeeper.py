"""The bookkeeper: the one process that owns the ledger database. It drains every worker's journal and serves operators."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sqlite3
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from aiohttp import web

from fastgw._native.counter_map import CounterMap
from fastgw.admin.alert_routes import alert_routes
from fastgw.admin.ledger_routes import ledger_routes
from fastgw.admin.limit_routes import limit_routes
from fastgw.admin.metrics_text import LedgerMetrics
from fastgw.admin.site import AdminSite
from fastgw.app.adoption import Adoption, added_budgets
from fastgw.app.launch import BOOKKEEPER_ROW, Control, Inheritance, text_digest
from fastgw.app.process import run
from fastgw.app.rebuild import hold_open, rebuild, resolve_orphans
from fastgw.app.standing import budget_states, rate_limit_states
from fastgw.app.watch import Books, Watch
from fastgw.config.root import Settings
from fastgw.domain.errors import ConfigError
from fastgw.ledger.journal_drain import JournalDrain
from fastgw.ledger.reader import LedgerReader
from fastgw.ledger.writer import LedgerWriter
from fastgw.limits.windows import window_at
from fastgw.storage.migrate import NewerDatabaseError
from fastgw.storage.sqlite import OwnedElsewhereError, leave_out_locks
from fastgw.telemetry import tasks
from fastgw.telemetry.clock import id_base_ns, monotonic_ns

NICENESS = 5
"""A quarter of a core that a worker wants for itself is still more than its rows need."""
TEND_EVERY_S = 0.5
State = TypeVar("State")
_Ask = Callable[[CounterMap, LedgerReader, Settings, int], Awaitable[list[State]]]
_log = logging.getLogger("fastgw.bookkeeper")
TAKE_OVER_S = 3.0
"""How long to wait for a database that is owned elsewhere: the bookkeeper of a supervisor that was killed is about to end."""


def main(inheritance: Inheritance, control: Control, slot: int) -> int:
    """The process's main function; returns its exit code."""
    _stand_back()
    leave_out_locks()
    return run(lambda: Bookkeeper(inheritance), control)


def _stand_back() -> None:
    # Whoever is being served comes first: on a core that it shares with a worker, a batch of rows waits for the next request.
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


class Bookkeeper:
    """Implements ``process.Role``."""

    def __init__(self, inheritance: Inheritance) -> None:
        self._inheritance = inheritance
        self._stats = inheritance.stats.row(BOOKKEEPER_ROW)
        self._stop = asyncio.Event()
        self._metrics = LedgerMetrics(inheritance.stats)
        self._writer: LedgerWriter | None = None
        self._reader: LedgerReader | None = None
        self._drain: JournalDrain | None = None
        self._watch: Watch | None = None
        self._site: AdminSite | None = None
        self._running: list[asyncio.Task[None]] = []
        self._adoptions: list[Adoption] = []
        self._base_ns = 0

    async def start(self) -> dict[str, object]:
        """Take the database, write what earlier processes left in the journal, open the operators' door."""
        config = self._inheritance.settings.ledger
        try:
            config.database_path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = await self._open_writer(config.database_path)
        except (OwnedElsewhereError, NewerDatabaseError, sqlite3.Error, OSError) as error:
            raise ConfigError("ledger.url", f"the database {config.database_path} cannot be used: {error}") from None
        self._drain = JournalDrain(config.journal_directory, self._writer)
        await self._drain.drain_all()
        self._reader = await LedgerReader.open(config.database_path)
        self._base_ns = id_base_ns(self._writer.last_id())
        if not self._inheritance.id_base_ns:
            # Before the first worker. Who takes over from a bookkeeper that died finds counters that are right.
            counters, settings = self._inheritance.counters, self._inheritance.settings
            await rebuild(counters, self._reader, settings, self._now_ns())
            hold_open(counters, self._drain.open_calls(), settings, self._now_ns())
        books = Books(self._inheritance.counters, self._writer, self._drain, self._reader)
        self._watch = Watch(books, self._now_ns)
        await self._watch.look(self._inheritance.settings)
        await self._open_site(self._reader)
        self._running = [
            tasks.spawn(
                self._drain.run(
                    self._stop,
                    interval_ms=config.drain_interval_ms,
                    expires_before_ns=self._expires_before_ns if config.retention_ns else None,
                ),
                "drain the journal",
            ),
            tasks.spawn(self._tend(self._drain, self._reader, self._watch), "tend"),
        ]
        return {"id_base_ns": self._base_ns}

    async def _open_writer(self, path: Path) -> LedgerWriter:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + TAKE_OVER_S
        while True:
            try:
                return LedgerWriter(path, observe=self._metrics.observe)
            except OwnedElsewhereError:
                if loop.time() >= ends_at:
                    raise
            await asyncio.sleep(0.05)

    def reload(self, text: str) -> None:
        """Limits are shown and watched as they are now; nothing else of the bookkeeper's changes without a restart."""
        settings = self._inheritance.source.settings(text)
        added = added_budgets(self._inheritance.settings, settings)
        if added:
            self._adoptions.append(Adoption(settings, added, text_digest(text), self._now_ns()))
        self._inheritance.settings = settings

    async def stop(self) -> None:
        """Drain to the end, close the database."""
        if self._site is not None:
            await self._site.close()
        self._stop.set()
        if self._running:
            drain_task, tend_task = self._running
            await drain_task
            await tasks.stop(tend_task)
        if self._watch is not None:
            await self._watch.stop()
        if self._reader is not None:
            await self._reader.close()
        if self._drain is not None:
            self._drain.close()
        if self._writer is not None:
            self._writer.close()

    async def _open_site(self, reader: LedgerReader) -> None:
        settings = self._inheritance.settings
        address = settings.admin.address
        routes: list[web.RouteTableDef] = [
            ledger_routes(reader),
            limit_routes(
                partial(self._states, budget_states, reader), partial(self._states, rate_limit_states, reader)
            ),
            alert_routes(reader.alerts),
            self._metrics.routes(),
        ]
        self._site = AdminSite(routes, self._inheritance.admin_token, self._inheritance.stats)
        try:
            await self._site.open(address.host, address.port)
        except OSError as error:
            await self.stop()
            raise ConfigError(
                "admin.listen", f"expected an address that can be bound, got {settings.admin.listen}: {error.strerror}"
            ) from None

    async def _states(self, ask: _Ask[State], reader: LedgerReader) -> list[State]:
        inheritance = self._inheritance
        return await ask(inheritance.counters, reader, inheritance.settings, self._now_ns())

    def _now_ns(self) -> int:
        # By the clock that request ids are made with, which windows follow.
        return (self._inheritance.id_base_ns or self._base_ns) + monotonic_ns()

    def _expires_before_ns(self) -> int:
        # What a budget still counts stays, or the next start would forget that it was spent.
        now_ns, settings = self._now_ns(), self._inheritance.settings
        spans = [window_at(row.window, now_ns, settings.server.zone) for row in settings.budgets]
        counted = [min((span.start_ns, *span.earlier)) for span in spans]
        return min([now_ns - settings.ledger.retention_ns, *counted])

    async def _count_more(self, drain: JournalDrain, reader: LedgerReader) -> None:
        inheritance = self._inheritance
        await resolve_orphans(inheritance.counters, drain)
        for adoption in list(self._adoptions):
            if await adoption.look(inheritance.counters, reader, drain, inheritance.stats, self._now_ns()):
                self._adoptions.remove(adoption)

    async def _tend(self, drain: JournalDrain, reader: LedgerReader, watch: Watch) -> None:
        while True:
            self._stats.put("ledger_problem", int(drain.problem is not None))
            self._stats.put("tasks", len(asyncio.all_tasks()))
            try:
                await self._count_more(drain, reader)
            except (OSError, sqlite3.Error) as error:  # what is held stays held, and the next round tries again
                _log.warning("what dead workers and earlier configurations left cannot be counted yet: %s", error)
            await watch.look(self._inheritance.settings)
            await asyncio.sleep(TEND_EVERY_S)
