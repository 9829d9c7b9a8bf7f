"""Calendar windows in a time zone."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw.limits.windows import NEVER_NS, Window, minute_of_week, window_at

S = 10**9
ZONES = ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Beirut", "Australia/Lord_Howe", "Pacific/Apia"]


def ns(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * S


@pytest.mark.parametrize(
    ("window", "moment", "start", "end"),
    [
        ("day", "2026-11-22T23:59:59", "2026-11-22", "2026-11-23"),
        ("day", "2026-11-23T00:00:00", "2026-11-23", "2026-11-24"),
        ("week", "2026-11-22T12:00:00", "2026-11-16", "2026-11-23"),
        ("week", "2026-11-23T00:00:00", "2026-11-23", "2026-11-30"),
        ("month", "2026-12-31T12:00:00", "2026-12-01", "2027-01-01"),
        ("month", "2028-02-29T12:00:00", "2028-02-01", "2028-03-01"),
        ("quarter", "2026-11-22T12:00:00", "2026-10-01", "2027-01-01"),
        ("quarter", "2026-03-31T23:59:59", "2026-01-01", "2026-04-01"),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_the_window_that_holds_a_moment(window: Window, moment: str, start: str, end: str, zone: str) -> None:
    assert window_at(window, ns(moment, zone), ZoneInfo(zone)) == (ns(start, zone), ns(end, zone))


def test_a_lifetime_never_ends() -> None:
    assert window_at("lifetime", ns("2026-11-22"), UTC) == (0, NEVER_NS)


def test_days_with_a_change_of_clocks_have_23_or_25_hours() -> None:
    zone = ZoneInfo("Europe/Berlin")
    for day, hours in (("2026-03-29", 23), ("2026-10-25", 25)):
        start, end = window_at("day", ns(f"{day}T12:00:00", "Europe/Berlin"), zone)
        assert end - start == hours * 3600 * S


@given(
    st.sampled_from(["day", "week", "month", "quarter"]),
    st.sampled_from(ZONES),
    st.integers(0, 4_000_000_000),
)
def test_windows_follow_each_other_without_a_gap(window: Window, name: str, unix_s: int) -> None:
    zone = ZoneInfo(name)
    start, end = window_at(window, unix_s * S, zone)
    assert start < end
    assert window_at(window, end, zone)[0] == end or window_at(window, end + 3600 * S, zone)[0] == end


def test_minutes_of_the_week() -> None:
    assert minute_of_week(ns("2026-11-23T00:00:59"), UTC) == 0
    assert minute_of_week(ns("2026-11-22T23:59:00"), UTC) == 7 * 1440 - 1
    assert minute_of_week(ns("2026-11-23T00:00:00"), ZoneInfo("Asia/Kolkata")) == 5 * 60 + 30
