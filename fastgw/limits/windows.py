"""The windows of budgets: those of the calendar, in a time zone, and those that roll.

Invariant: windows of one kind follow each other without a gap, whatever the clocks of the zone do. A window that rolls is counted
in slices, and never forgets money before its time: it holds its whole length and the part of a slice that has begun.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo
from typing import Annotated, Final, NamedTuple

from msgspec import Meta

Window = Annotated[
    str,
    Meta(
        pattern=r"^(day|week|month|quarter|lifetime|rolling-([1-9][0-9]{0,2}|[1-7][0-9]{3}|8[0-7][0-9]{2})h"
        r"|rolling-([1-9]|[1-9][0-9]|[12][0-9]{2}|3[0-5][0-9]|36[0-6])d)\Z",
        description="day, week, month, quarter, lifetime, rolling-<hours>h or rolling-<days>d",
    ),
]
"""``day``, ``week``, ``month``, ``quarter``, ``lifetime``, or ``rolling-`` and a number of hours or days: at most 366 days."""
SLICES: Final = 24
"""A window that rolls moves on by this part of its length."""
NEVER_NS: Final = 2**62
_NS_PER_S: Final = 1_000_000_000
_ROLLING: Final = "rolling-"
_UNITS_S: Final = {"h": 3600, "d": 86_400}


class Span(NamedTuple):
    """Where money of a moment is counted: from ``start_ns`` on, until ``end_ns``, when the next window or slice begins, in Unix ns.
    What is counted there is of account until ``counts_until_ns``. ``earlier``: where the slices begin that count besides."""

    start_ns: int
    end_ns: int
    counts_until_ns: int
    earlier: tuple[int, ...]


def window_at(window: str, unix_ns: int, zone: tzinfo) -> Span:
    """The window that holds a moment. Weeks begin on Monday."""
    if window == "lifetime":
        return Span(0, NEVER_NS, NEVER_NS, ())
    if window.startswith(_ROLLING):
        slice_ns = rolling_slice_ns(window)
        start_ns = unix_ns // slice_ns * slice_ns
        earlier = tuple(start_ns - slice_ns * back for back in range(1, SLICES + 1))
        return Span(start_ns, start_ns + slice_ns, start_ns + slice_ns * (SLICES + 1), earlier)
    today = datetime.fromtimestamp(unix_ns // _NS_PER_S, zone).date()
    first, following = _days(window, today)
    end_ns = _start_of(following, zone)
    return Span(_start_of(first, zone), end_ns, end_ns, ())


def rolling_slice_ns(window: str) -> int:
    """How long a slice of a rolling window is; 0 for a window of the calendar."""
    if not window.startswith(_ROLLING):
        return 0
    return int(window[len(_ROLLING) : -1]) * _UNITS_S[window[-1]] * _NS_PER_S // SLICES


def minute_of_week(unix_ns: int, zone: tzinfo) -> int:
    """Minutes since Monday 00:00 by the clock on the wall."""
    moment = datetime.fromtimestamp(unix_ns // _NS_PER_S, zone)
    return moment.weekday() * 1440 + moment.hour * 60 + moment.minute


def _days(window: str, today: date) -> tuple[date, date]:
    if window == "day":
        return today, today + timedelta(days=1)
    if window == "week":
        monday = today - timedelta(days=today.weekday())
        return monday, monday + timedelta(days=7)
    months = 1 if window == "month" else 3
    month = (today.month - 1) // months * months
    return date(today.year, month + 1, 1), date(today.year + (month + months) // 12, (month + months) % 12 + 1, 1)


def _start_of(day: date, zone: tzinfo) -> int:
    # A midnight that clocks jump over stands for the moment of the jump, one that comes twice for the first.
    return int(datetime.combine(day, time(), zone).timestamp()) * _NS_PER_S
