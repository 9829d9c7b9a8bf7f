"""The calendar windows of budgets, in a time zone.

Invariant: windows of one kind follow each other without a gap, whatever the clocks of the zone do.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final, Literal

Window = Literal["day", "week", "month", "quarter", "lifetime"]
NEVER_NS: Final = 2**62
_NS_PER_S: Final = 1_000_000_000


def window_at(window: Window, unix_ns: int, zone: tzinfo) -> tuple[int, int]:
    """Where the window that holds a moment begins, and where the next one does, in Unix ns. Weeks begin on Monday."""
    if window == "lifetime":
        return 0, NEVER_NS
    today = datetime.fromtimestamp(unix_ns // _NS_PER_S, zone).date()
    first, following = _days(window, today)
    return _start_of(first, zone), _start_of(following, zone)


def minute_of_week(unix_ns: int, zone: tzinfo) -> int:
    """Minutes since Monday 00:00 by the clock on the wall."""
    moment = datetime.fromtimestamp(unix_ns // _NS_PER_S, zone)
    return moment.weekday() * 1440 + moment.hour * 60 + moment.minute


def _days(window: Window, today: date) -> tuple[date, date]:
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
