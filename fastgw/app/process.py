"""The frame of a child process: its event loop, its signals, its line to the supervisor.

Invariant: a child ends when it is told to, and also when the supervisor is gone, after the same orderly stop.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Callable
from typing import Protocol

import uvloop

from fastgw._native.heap import keep_freed_bytes
from fastgw.app.launch import Control
from fastgw.domain.errors import ConfigError

GC_ALLOCATIONS = 20_000
"""Calls leave no cycles behind: it is enough to look rarely."""
KEPT_BYTES = 16 << 20
MAPPED_FROM_BYTES = 1 << 20
_log = logging.getLogger("fastgw.process")


class Role(Protocol):
    """What a child does."""

    async def start(self) -> dict[str, object]:
        """Begin; what to tell the supervisor. Raises ConfigError when the operator must act."""

    def reload(self, text: str) -> None:
        """Take a checked configuration; raises ConfigError to stay with the old one."""

    async def stop(self) -> None:
        """Finish what is under way."""


def run(make_role: Callable[[], Role], control: Control, *, heeds_signals: bool = False) -> int:
    """Run a role until it is told to stop: by the supervisor's message or end, and by SIGTERM or SIGINT if it ``heeds_signals``.

    Returns the exit code. A role that others need while they stop must not heed a signal that is sent to all at once.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_live(make_role, control, heeds_signals=heeds_signals))


async def _live(make_role: Callable[[], Role], control: Control, *, heeds_signals: bool) -> int:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    if heeds_signals:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
    try:
        role = make_role()
        news = await role.start()
    except ConfigError as error:
        control.send(failed=str(error))
        return 1
    # What is there now stays: no collection looks at it again, and what bodies took is not fetched from the kernel each time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 20, 50)
    keep_freed_bytes(KEPT_BYTES, MAPPED_FROM_BYTES)
    control.send(ready=True, **news)
    control.sock.setblocking(False)
    loop.add_reader(control.sock, _on_message, control, role, stopping)
    await stopping.wait()
    loop.remove_reader(control.sock)
    await role.stop()
    return 0


def _on_message(control: Control, role: Role, stopping: asyncio.Event) -> None:
    try:
        data = control.sock.recv(1 << 20)
    except (BlockingIOError, InterruptedError):
        return
    except OSError:
        data = b""
    if not data:
        asyncio.get_running_loop().remove_reader(control.sock)
        stopping.set()
        return
    for message in control.take(data):
        if "stop" in message:
            stopping.set()
        if "reload" in message:
            try:
                role.reload(str(message["reload"]))
            except ConfigError as error:
                _log.error("reload refused: %s", error)
