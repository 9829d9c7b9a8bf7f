"""A list of deadlines: what a timer wheel has to do, one look at everything a tick."""

from __future__ import annotations


class TimerModel:
    """Timers by name. Times in ns."""

    def __init__(self, tick_ns: int) -> None:
        self._tick_ns = tick_ns
        self._deadlines_ns: dict[int, int] = {}

    def arm(self, name: int, deadline_ns: int, now_ns: int) -> None:
        """An overdue deadline counts from now: what is armed late cannot fire earlier."""
        self._deadlines_ns[name] = max(deadline_ns, now_ns)

    def cancel(self, name: int) -> None:
        self._deadlines_ns.pop(name, None)

    def fire(self, name: int, now_ns: int) -> None:
        """The wheel fired it: it was armed, and not early."""
        assert self._deadlines_ns.pop(name) <= now_ns

    def check(self, now_ns: int) -> None:
        """The wheel was advanced to now: nothing that is left was due a whole tick ago."""
        for name, deadline_ns in self._deadlines_ns.items():
            assert deadline_ns > now_ns - self._tick_ns, f"timer {name} is late by {now_ns - deadline_ns} ns"

    @property
    def armed(self) -> int:
        return len(self._deadlines_ns)
