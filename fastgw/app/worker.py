"""A worker: the process that serves traffic. One event loop, one native data plane, one journal."""

from __future__ import annotations

import asyncio
import logging
import secrets

from fastgw._native.limit_set import WorkerCounters
from fastgw._native.timers import TimerWheel
from fastgw.app.build import Builder
from fastgw.app.launch import WORKER_ROWS, Control, Inheritance, text_digest
from fastgw.app.process import run
from fastgw.config.root import Settings
from fastgw.front.listener import FrontDoor
from fastgw.front.public_routes import public_routes
from fastgw.front.respond import WireResponder
from fastgw.front.slow_lane import SlowLane
from fastgw.front.usage_routes import usage_routes
from fastgw.gateway.pipeline import Pipeline
from fastgw.ledger.journal_sync import JournalSync
from fastgw.ledger.recorder import open_recorder
from fastgw.telemetry import tasks
from fastgw.telemetry.clock import RequestIds, monotonic_ns
from fastgw.telemetry.stats_page import StatsRow

TEND_EVERY_S = 0.5
_log = logging.getLogger("fastgw.worker")

_COUNTED_AS = {
    "client_gone": "client_gone",
    "missing_key": "missing_key",
    "unknown_key": "unknown_key",
    "internal_error": "internal_error",
    "model_not_allowed": "refused_by_policy",
}


def main(inheritance: Inheritance, control: Control, slot: int) -> int:
    """The process's main function; returns its exit code."""
    return run(lambda: Worker(inheritance, slot), control, heeds_signals=True)


class Worker:
    """Implements ``process.Role``."""

    def __init__(self, inheritance: Inheritance, slot: int) -> None:
        self._inheritance = inheritance
        self._slot = slot
        self._settings: Settings = inheritance.settings
        self._stats: StatsRow = inheritance.stats.row(WORKER_ROWS + slot)
        self._counted_before = {name: self._stats.get(name) for name in ("journal_lost", "malformed")}
        self._wheel = TimerWheel()
        self._builder = Builder(self._wheel)
        life = secrets.randbits(62) | 1
        self._recorder = open_recorder(self._settings.ledger, slot, life)
        counters = WorkerCounters(inheritance.counters, slot, life)
        ledger = self._settings.ledger
        self._sync = JournalSync(self._recorder.writer, ledger.sync, ledger.sync_interval_ms)
        if ledger.sync == "always":
            self._recorder.durable = self._sync.durable
        self._stopping = asyncio.Event()
        self._ids = RequestIds(slot, inheritance.id_base_ns)
        self._pipeline = Pipeline(
            self._builder.snapshot(self._settings), self._recorder, WireResponder(), self._ids, self._count, counters
        )
        routes = (
            public_routes(lambda: self._pipeline.snapshot, inheritance.stats),
            usage_routes(
                lambda: self._pipeline.snapshot,
                inheritance.counters,
                lambda: inheritance.id_base_ns + monotonic_ns(),
            ),
        )
        self._slow_lane = SlowLane(routes, self._settings.server.max_body_bytes)
        self._door = FrontDoor(self._pipeline.handle, self._slow_lane.hand_over, self._wheel)
        self._running: list[asyncio.Task[None]] = []

    async def start(self) -> dict[str, object]:
        """Serve."""
        self._wheel.start(asyncio.get_running_loop())
        await self._slow_lane.start()
        self._door.configure(self._settings.server)
        await self._door.open(self._inheritance.listening[self._slot])
        self._running = [
            tasks.spawn(self._tend(), "tend"),
            tasks.spawn(self._sync.run(self._stopping), "sync the journal"),
        ]
        self._stats.put("ready", 1)
        self._mark(self._inheritance.text)
        return {}

    def reload(self, text: str) -> None:
        """Take a configuration that the supervisor has checked."""
        settings = self._inheritance.source.settings(text)
        self._pipeline.snapshot = self._builder.snapshot(settings)
        self._door.configure(settings.server)
        self._settings = settings
        self._mark(text)
        self._stats.add("reloads")

    def _mark(self, text: str) -> None:
        # Calls with lower ids were served, or are, by an earlier configuration.
        self._stats.put("snapshot_us", (self._inheritance.id_base_ns + monotonic_ns()) // 1000)
        self._stats.put("snapshot_digest", text_digest(text))

    async def stop(self) -> None:
        """Finish the requests under way, within the drain time."""
        self._stats.put("ready", 0)
        await self._door.drain(self._settings.server.drain_s)
        await self._slow_lane.stop()
        self._stopping.set()
        await tasks.stop(*self._running)
        self._sync.close()
        self._builder.close()
        self._recorder.close()
        self._publish()
        if self._recorder.lost_records:
            _log.error("%d ledger records are lost: the journal could not be written", self._recorder.lost_records)
        self._wheel.stop()
        await asyncio.sleep(0)  # the turn of the loop in which closed connections end

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(TEND_EVERY_S)
            self._recorder.flush()
            self._publish()

    def _publish(self) -> None:
        self._stats.put("connections", self._door.connections)
        self._stats.put("in_flight", self._door.in_flight)
        self._stats.put("tasks", len(asyncio.all_tasks()))
        self._stats.put("journal_buffered", self._recorder.waiting_records)
        self._stats.put("journal_lost", self._counted_before["journal_lost"] + self._recorder.lost_records)
        self._stats.put("journal_problem", int((self._recorder.problem or self._sync.problem) is not None))
        self._stats.put("malformed", self._counted_before["malformed"] + self._door.malformed)

    def _count(self, code: str) -> None:
        name = _COUNTED_AS.get(code)
        if name is None:
            name = "provider_failed" if code.startswith("provider_") else "refused_request"
        self._stats.add(name)
