"""The first process: it starts the bookkeeper and the workers, starts them again when they die, and passes on signals and reloads.

It runs no event loop and serves nothing, so there is little in it that can fail. Order of start: bookkeeper (it owns the database
and says what time request ids have, for which it has filled the counters), then workers. Order of stop: workers drain, then the
bookkeeper drains the journal.
"""

from __future__ import annotations

import gc
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from fastgw.app.launch import BOOKKEEPER_ROW, SUPERVISOR_ROW, WORKER_ROWS, Control, Inheritance, read_text
from fastgw.app.reload import refuse_fixed_changes
from fastgw.domain.errors import ConfigError
from fastgw.telemetry.stats_page import GAUGES, MARKS

READY_TIMEOUT_S = 30
LOOK_EVERY_S = 0.5
"""How often the configuration file is looked at."""
MAX_BACKOFF_S = 0.5
"""Connections wait in the queue of a worker that is not there, so even one that dies at once is started twice a second."""
STEADY_S = 1.0
"""A child that lived this long and dies is started again at once."""
SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
_log = logging.getLogger("fastgw.supervisor")

ChildMain = Callable[[Inheritance, Control, int], int]


@dataclass
class Child:
    """A process to keep alive. ``slot`` is a worker's number, -1 for others."""

    name: str
    slot: int
    main: ChildMain
    pid: int = 0
    control: Control | None = None
    started_s: float = 0.0
    backoff_s: float = 0.0
    start_at_s: float = 0.0


class Supervisor:
    """Owns the processes of one gateway."""

    def __init__(
        self, inheritance: Inheritance, bookkeeper: ChildMain, worker: ChildMain, extra: dict[str, ChildMain]
    ) -> None:
        self._inheritance = inheritance
        self._others = [Child(name, -1, main) for name, main in extra.items()]
        self._bookkeeper = Child("bookkeeper", -1, bookkeeper)
        self._workers = [Child(f"worker {slot}", slot, worker) for slot in range(len(inheritance.listening))]
        self._poll = select.poll()
        self._stopping = False
        self._seen = self._stamp()

    @property
    def _children(self) -> list[Child]:
        return [*self._others, self._bookkeeper, *self._workers]

    def run(self, on_ready: Callable[[], None]) -> int:
        """Start everything, call ``on_ready`` once all workers serve, and stay until told to stop. Returns the exit code."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        gc.collect()
        gc.freeze()
        try:
            for child in self._others:
                self._start(child, wait=True)
            news = self._start(self._bookkeeper, wait=True)
            self._inheritance.id_base_ns = int(str(news["id_base_ns"]))
            for child in self._workers:
                self._start(child, wait=False)
            for child in self._workers:
                self._await_ready(child)
        except _DiedAtStartError as died:
            print(f"fastgw: {died}", file=sys.stderr)
            self._stop()
            return 1
        on_ready()
        while not self._stopping:
            self._look_after()
        self._stop()
        return 0

    def _look_after(self) -> None:
        info = signal.sigtimedwait(SIGNALS, self._pause_s())
        if info is not None:
            if info.si_signo in (signal.SIGTERM, signal.SIGINT):
                self._stopping = True
                return
            if info.si_signo == signal.SIGHUP:
                self._reload(asked=True)
        elif self._stamp() != self._seen:
            self._reload(asked=False)
        self._reap()
        now_s = time.monotonic()
        for child in self._children:
            if child.pid == 0 and now_s >= child.start_at_s:
                self._start_again(child)

    def _pause_s(self) -> float:
        waiting = [child.start_at_s - time.monotonic() for child in self._children if child.pid == 0]
        return max(min([LOOK_EVERY_S, *waiting]), 0.01)

    # --- children -------------------------------------------------------------------------------------------------------------

    def _start(self, child: Child, *, wait: bool) -> dict[str, object]:
        ours, theirs = Control.pair()
        pid = os.fork()
        if pid == 0:
            os._exit(self._become(child, ours, theirs))
        theirs.close()
        child.pid, child.control, child.started_s = pid, ours, time.monotonic()
        return self._await_ready(child) if wait else {}

    def _start_again(self, child: Child) -> None:
        try:
            self._start(child, wait=False)
        except OSError as error:  # no memory or no descriptor at the moment; what serves must go on serving
            child.start_at_s = time.monotonic() + MAX_BACKOFF_S
            _log.error("%s cannot be started: %s", child.name, error.strerror)

    def _become(self, child: Child, ours: Control, theirs: Control) -> int:
        """In the child: never returns to the supervisor's code, whatever happens."""
        code = 1
        try:
            ours.close()
            for other in self._children:
                if other.control is not None:
                    other.control.close()
            # A listening socket that another process held would go on taking connections which nobody serves.
            for slot, sock in enumerate(self._inheritance.listening):
                if slot != child.slot:
                    sock.close()
            # What a terminal or a service manager sends to the whole group is the supervisor's to act on, in its order.
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            code = child.main(self._inheritance, theirs, child.slot)
        except BaseException:  # noqa: BLE001 - the last frame of a process: say why it dies
            _log.exception("%s died", child.name)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
        return code

    def _await_ready(self, child: Child) -> dict[str, object]:
        ends_s = time.monotonic() + READY_TIMEOUT_S
        control = child.control
        while control is not None and time.monotonic() < ends_s:
            messages = control.receive(1.0)
            if messages is None:
                self._reap()
                break
            for message in messages:
                if "failed" in message:
                    raise _DiedAtStartError(str(message["failed"]))
                if message.get("ready"):
                    return message
        raise _DiedAtStartError(f"{child.name} did not become ready")

    def _reap(self) -> None:
        for child in self._children:
            if child.pid == 0:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid == 0:
                continue
            lived_s = time.monotonic() - child.started_s
            child.pid = 0
            last_words = ""
            if child.control is not None:
                last_words = "".join(
                    f": {message['failed']}" for message in child.control.receive(0) or () if "failed" in message
                )
                child.control.close()
                child.control = None
            self._take_back(child)
            child.backoff_s = 0.0 if lived_s >= STEADY_S else min(max(child.backoff_s * 2, 0.05), MAX_BACKOFF_S)
            child.start_at_s = time.monotonic() + child.backoff_s
            if not self._stopping:
                _log.warning("%s ended (%s)%s; starting it again", child.name, _ending(status), last_words)

    def _take_back(self, child: Child) -> None:
        """What a dead process said of its present is no longer so; what it counted stays."""
        if child is self._bookkeeper:
            row = self._inheritance.stats.row(BOOKKEEPER_ROW)
            row.put("tasks", 0)
            row.put("ledger_problem", 1)  # until the next one says otherwise
        elif child.slot >= 0:
            self._inheritance.counters.begin_life(child.slot, 0)
            row = self._inheritance.stats.row(WORKER_ROWS + child.slot)
            row.add("journal_lost", row.get("journal_buffered"))
            for name in (*GAUGES, *MARKS):
                row.put(name, 0)

    # --- reload and stop ------------------------------------------------------------------------------------------------------

    def _stamp(self) -> tuple[int, int, int] | None:
        path = self._inheritance.source.path
        if path is None:
            return None
        try:
            status = path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _reload(self, *, asked: bool) -> None:
        source = self._inheritance.source
        self._seen = self._stamp()
        if source.path is None:
            return
        try:
            text = read_text(source.path)
            if text == self._inheritance.text and not asked:
                return
            settings = source.settings(text)
            refuse_fixed_changes(self._inheritance.settings, settings)
        except ConfigError as error:
            self._inheritance.stats.row(SUPERVISOR_ROW).add("reloads_refused")
            _log.error("configuration refused, the old one serves on: %s", error)
            return
        self._inheritance.settings = settings
        self._inheritance.text = text
        for child in self._children:
            if child.control is not None:
                child.control.send(reload=text)
        _log.info("configuration reloaded")

    def _stop(self) -> None:
        self._stopping = True
        for sock in self._inheritance.listening:
            sock.close()
        drain_s = self._inheritance.settings.server.drain_s
        for group in (self._workers, [self._bookkeeper], self._others):
            self._end(group, drain_s + 5)

    def _end(self, group: list[Child], within_s: float) -> None:
        for child in group:
            if child.control is not None:
                child.control.send(stop=True)
        ends_s = time.monotonic() + within_s
        while any(child.pid for child in group):
            self._reap()
            if time.monotonic() >= ends_s:
                for child in group:
                    if child.pid:
                        _log.error("%s did not stop in time; killing it", child.name)
                        os.kill(child.pid, signal.SIGKILL)
                        os.waitpid(child.pid, 0)
                        child.pid = 0
                return
            time.sleep(0.01)


class _DiedAtStartError(Exception):
    """A child that could not begin its work; the message is for the operator."""


def _ending(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exit code {os.WEXITSTATUS(status)}"
