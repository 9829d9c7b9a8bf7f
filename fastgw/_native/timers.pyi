"""One coarse timer wheel for all deadlines of an event loop; connections are timers themselves."""

import asyncio
from collections.abc import Callable
from typing import final

from typing_extensions import disjoint_base

@disjoint_base
class Timer:
    """Base of what can be armed on a wheel. Only native subclasses arm themselves."""

@final
class TimerWheel:
    """Fires timers at their deadline or up to one tick later, never before.

    All times are ns of the monotonic clock that goes on while a machine sleeps (``CLOCK_BOOTTIME``). Arming is O(1) and allocates
    nothing; a wheel without timers does not tick. It borrows its timers: a timer that is freed takes itself out.
    """

    def __new__(cls, tick_ns: int = 20_000_000) -> TimerWheel:
        """``tick_ns`` > 0, else ``ValueError``."""

    @property
    def tick_ns(self) -> int:
        """Length of a tick."""

    @property
    def listed(self) -> int:
        """Timers in the wheel, disarmed ones included until their slot comes up."""

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tick on this loop from now on."""

    def stop(self) -> None:
        """Tick no more."""

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Pass a callback to the loop; dropped when the wheel is stopped."""

    def advance(self, now_ns: int) -> int:
        """Fire what is due at ``now_ns``; returns how many fired. Exceptions of callbacks propagate."""

@final
class CallbackTimer(Timer):
    """A timer for Python code: calls ``callback(now_ns)`` when it fires."""

    def __new__(cls, callback: Callable[[int], object]) -> CallbackTimer: ...
    def arm_at(self, wheel: TimerWheel, deadline_ns: int) -> None:
        """Arm, or move the deadline of an armed timer."""

    def cancel(self) -> None:
        """Disarm."""
