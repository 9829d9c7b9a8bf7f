"""Watching what is spent, beside the draining: from rows that were just written to alerts on their way.

Invariant: nothing here holds up the drain, and nothing is sent that is not written down. While the database cannot be written, what
was found waits for the next look.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

import msgspec

from fastgw._native.counter_map import CounterMap
from fastgw.alerts.channel import Channel, LogChannel
from fastgw.alerts.config import DEFAULT_CHANNELS, AlertChannelRow
from fastgw.alerts.dispatch import Dispatcher
from fastgw.alerts.mail import MailChannel
from fastgw.alerts.webhook import WebhookChannel, json_body, slack_body
from fastgw.app.budget_watch import BudgetWatch
from fastgw.app.spike_watch import SpikeWatch
from fastgw.app.standing import budget_states
from fastgw.config.root import Settings
from fastgw.ledger.alert_store import AlertStore, Delivery, Mark, NewAlert
from fastgw.ledger.drained import Drained, Watcher
from fastgw.ledger.journal_drain import JournalDrain
from fastgw.ledger.reader import LedgerReader
from fastgw.ledger.writer import LedgerWriter

MINUTE_NS: Final = 60_000_000_000
MAX_UNSAID: Final = 1000
"""Findings that wait for the database to be written; the oldest are forgotten, but not their pauses."""
MAX_BATCHES: Final = 4096
"""Between two looks there are a few dozen at most; when nobody looks, the oldest are forgotten."""
T = TypeVar("T")
_log = logging.getLogger("fastgw.watch")


class Books(msgspec.Struct, frozen=True):
    """What is watched: the ledger from both sides, and the counters."""

    counters: CounterMap
    writer: LedgerWriter
    drain: JournalDrain
    reader: LedgerReader


class StoredOutbox:
    """Implements the dispatcher's ``Outbox`` on the ledger database."""

    def __init__(self, store: AlertStore, drain: JournalDrain) -> None:
        self._store = store
        self._drain = drain

    async def due(self, channel: str, now_ns: int, limit: int) -> tuple[Sequence[Delivery], int | None]:
        """Raises OSError."""
        return await self._run(partial(self._store.due, channel, now_ns, limit))

    async def settle(self, delivery: Delivery, state: str, next_ns: int, problem: str) -> None:
        """Raises OSError."""
        await self._run(partial(self._store.settle, delivery, state, next_ns, problem))

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await self._drain.between_steps(work)
        except sqlite3.Error as error:
            raise OSError(str(error)) from None


class Watch:
    """Made when the ledger is open. ``now_ns`` is the clock that request ids are made with."""

    def __init__(self, books: Books, now_ns: Callable[[], int]) -> None:
        self._books = books
        self._now_ns = now_ns
        self._store = books.writer.alerts
        self._settings: Settings | None = None
        self._batches: deque[list[Drained]] = deque(maxlen=MAX_BATCHES)
        self._budgets: BudgetWatch | None = None
        self._spikes: SpikeWatch | None = None
        self._unsaid: deque[NewAlert] = deque(maxlen=MAX_UNSAID)
        self._channels: tuple[AlertChannelRow, ...] = ()
        self._dispatcher: Dispatcher[Delivery] | None = None
        self._problem = ""

    async def look(self, settings: Settings) -> None:
        """Take what was drained since the last look, under these settings, and hand out what operators are to hear."""
        known = self._spikes
        try:
            if settings is not self._settings:
                await self._adopt(settings)
            batches = [self._batches.popleft() for _ in range(len(self._batches))]
            if self._spikes is not None:
                # One that is new has read the ledger, where these rows are already.
                self._look_for_spikes(self._spikes, batches if self._spikes is known else [])
            if self._budgets is not None:
                await self._look_at_budgets(self._budgets, batches)
            if self._unsaid:
                await self._say(list(self._unsaid), [])
                self._unsaid.clear()
            self._problem = ""
        except sqlite3.Error as error:
            if str(error) != self._problem:
                _log.error("spending is not watched until the database can be used: %s", error)
            self._problem = str(error)

    async def stop(self) -> None:
        """Look once more, and end the attempts to deliver. What was not delivered is when the gateway runs again."""
        if self._settings is not None:
            await self.look(self._settings)
        self._books.writer.watcher = None
        if self._dispatcher is not None:
            await self._dispatcher.stop()

    async def _look_at_budgets(self, budgets: BudgetWatch, batches: list[list[Drained]]) -> None:
        for batch in batches:
            budgets.touch(batch)
        found = await budgets.look(self._now_ns())
        if found.marks:
            await self._say(found.alerts, found.marks)
            budgets.wrote(found)

    def _look_for_spikes(self, spikes: SpikeWatch, batches: list[list[Drained]]) -> None:
        now_ns = self._now_ns()
        for batch in batches:
            spikes.feed(batch, now_ns)
        self._unsaid.extend(spikes.judge(now_ns))

    async def _say(self, alerts: list[NewAlert], marks: list[Mark]) -> None:
        names = [row.name for row in self._channels]
        await self._books.drain.between_steps(partial(self._store.put, alerts, marks, names, self._now_ns()))
        if self._dispatcher is not None:
            self._dispatcher.notify()

    # --- settings -------------------------------------------------------------------------------------------------------------

    async def _adopt(self, settings: Settings) -> None:
        old = self._settings
        moved = old is None or old.server.zone != settings.server.zone
        if old is None or moved or old.budgets != settings.budgets:
            self._budgets = await self._watched_budgets(settings)
        if old is None or moved or old.anomalies != settings.anomalies:
            self._spikes = await self._watched_spikes(settings)
        fingerprints = self._spikes is not None and self._spikes.fingerprints
        watched = self._budgets is not None or self._spikes is not None
        self._books.writer.watcher = Watcher(self._batches.append, fingerprints) if watched else None
        channels = settings.alert_channels or DEFAULT_CHANNELS
        if channels != self._channels:
            await self._books.drain.between_steps(partial(self._store.keep_channels, [row.name for row in channels]))
            if self._dispatcher is not None:
                await self._dispatcher.stop()
            outbox = StoredOutbox(self._store, self._books.drain)
            self._dispatcher = Dispatcher({row.name: channel_of(row) for row in channels}, outbox, self._now_ns)
            self._channels = channels
        self._settings = settings

    async def _watched_budgets(self, settings: Settings) -> BudgetWatch | None:
        rows = tuple(row for row in settings.budgets if row.alerts)
        if not rows:
            return None
        books, now_ns = self._books, self._now_ns()

        async def top_marks(counters: list[bytes]) -> dict[bytes, int]:
            return await books.drain.between_steps(partial(self._store.top_marks, counters))

        budgets = BudgetWatch(rows, settings.server.zone, books.counters, top_marks)
        # What was spent before anybody watched: this once by the sums of the ledger.
        watched = msgspec.structs.replace(settings, budgets=rows, rate_limits=())
        for state in await budget_states(books.counters, books.reader, watched, now_ns):
            budgets.touch_counter(state.row, state.entity, now_ns)
        return budgets

    async def _watched_spikes(self, settings: Settings) -> SpikeWatch | None:
        if not settings.anomalies:
            return None
        now_ns = self._now_ns()
        spikes = SpikeWatch(settings.anomalies, settings.server.zone, self._books.counters)
        since_ns = now_ns - spikes.reach_ns
        found = await self._books.drain.between_steps(partial(self._store.anomalies, since_ns))
        spikes.restore(found, now_ns)
        spikes.recall(await self._books.reader.spent(since_ns, MINUTE_NS), now_ns)
        return spikes


def channel_of(row: AlertChannelRow) -> Channel:
    """The channel of a checked row."""
    if row.kind == "smtp":
        return MailChannel(row)
    if row.kind == "log" or row.url is None:
        return LogChannel()
    return WebhookChannel(row.url, row.headers, slack_body if row.kind == "slack" else json_body)
