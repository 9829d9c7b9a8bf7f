"""From what waits in the ledger to the channels: one task each, so that a dead one holds up nobody.

Invariant: an alert is delivered at least once to each channel, or given up after a day, and either is written down. What waits is
in the database; in memory there is one small portion a channel.

No more is sent while what became of the last portion cannot be written, since it would be sent again and again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Generic, Protocol, TypeVar

from fastgw.alerts.channel import Channel, DeliveryError
from fastgw.domain.alert import Alert
from fastgw.telemetry import tasks

FIRST_RETRY_NS: Final = 1_000_000_000
MAX_RETRY_NS: Final = 300_000_000_000
GIVE_UP_NS: Final = 86_400_000_000_000
PORTION: Final = 8
LOOK_AGAIN_S: Final = 60.0
"""How long to sleep at most: nothing is lost if nobody wakes a channel."""
TROUBLE_S: Final = 5.0
_NS_PER_S: Final = 1_000_000_000
_log = logging.getLogger("fastgw.alerts")


class Waiting(Protocol):
    """An alert on its way to a channel."""

    @property
    def alert(self) -> Alert:
        """What is to be said."""

    @property
    def at_ns(self) -> int:
        """When it was made."""

    @property
    def attempts(self) -> int:
        """Before this one."""


W = TypeVar("W", bound=Waiting)


class Outbox(Protocol[W]):
    """Where deliveries wait. Both raise OSError while they cannot be read or written."""

    async def due(self, channel: str, now_ns: int, limit: int) -> tuple[Sequence[W], int | None]:
        """Those whose time has come, and when the next is due."""

    async def settle(self, delivery: W, state: str, next_ns: int, problem: str) -> None:
        """Write down what became of one: ``pending``, ``delivered`` or ``failed``."""


class Dispatcher(Generic[W]):
    """Delivers until it is stopped. ``now_ns`` is the clock that alerts are dated by."""

    def __init__(self, channels: Mapping[str, Channel], outbox: Outbox[W], now_ns: Callable[[], int]) -> None:
        self._channels = dict(channels)
        self._outbox = outbox
        self._now_ns = now_ns
        self._news = {name: asyncio.Event() for name in channels}
        self._running = [
            tasks.spawn(self._serve(name, channel), f"alerts to {name}") for name, channel in self._channels.items()
        ]

    def notify(self) -> None:
        """Something new waits."""
        for event in self._news.values():
            event.set()

    async def stop(self) -> None:
        """End the attempts that are under way, and let go of the channels."""
        await tasks.stop(*self._running)
        for channel in self._channels.values():
            await channel.close()

    async def _serve(self, name: str, channel: Channel) -> None:
        news = self._news[name]
        while True:
            news.clear()
            try:
                due, next_ns = await self._outbox.due(name, self._now_ns(), PORTION)
            except OSError:
                await asyncio.sleep(TROUBLE_S)
                continue
            for delivery in due:
                await self._attempt(name, channel, delivery)
            if not due:
                wait_s = LOOK_AGAIN_S if next_ns is None else (next_ns - self._now_ns()) / _NS_PER_S
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(max(wait_s, 0.001), LOOK_AGAIN_S)):
                        await news.wait()

    async def _attempt(self, name: str, channel: Channel, delivery: W) -> None:
        state, next_ns, problem = "delivered", 0, ""
        try:
            await channel.deliver(delivery.alert)
        except DeliveryError as error:
            problem = str(error)
            next_ns = self._now_ns() + min(FIRST_RETRY_NS << min(delivery.attempts, 20), MAX_RETRY_NS)
            state = "pending" if next_ns < delivery.at_ns + GIVE_UP_NS else "failed"
            level = logging.ERROR if state == "failed" else logging.INFO
            _log.log(level, "alert %s to %s: %s, %s", delivery.alert.id, name, state, problem)
        while True:
            try:
                await self._outbox.settle(delivery, state, next_ns, problem)
            except OSError:
                await asyncio.sleep(TROUBLE_S)
            else:
                return
