"""Windows of the calendar in a time zone, and windows that roll."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw.limits.config import BudgetRow
from fastgw.limits.windows import NEVER_NS, SLICES, minute_of_week, rolling_slice_ns, window_at

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
def test_the_window_that_holds_a_moment(window: str, moment: str, start: str, end: str, zone: str) -> None:
    assert window_at(window, ns(moment, zone), ZoneInfo(zone)) == (
        ns(start, zone),
        ns(end, zone),
        ns(end, zone),
        (),
    )


def test_a_lifetime_never_ends() -> None:
    assert window_at("lifetime", ns("2026-11-22"), UTC) == (0, NEVER_NS, NEVER_NS, ())


def test_days_with_a_change_of_clocks_have_23_or_25_hours() -> None:
    zone = ZoneInfo("Europe/Berlin")
    for day, hours in (("2026-03-29", 23), ("2026-10-25", 25)):
        start, end, *_ = window_at("day", ns(f"{day}T12:00:00", "Europe/Berlin"), zone)
        assert end - start == hours * 3600 * S


@given(
    st.sampled_from(["day", "week", "month", "quarter"]),
    st.sampled_from(ZONES),
    st.integers(0, 4_000_000_000),
)
def test_windows_follow_each_other_without_a_gap(window: str, name: str, unix_s: int) -> None:
    zone = ZoneInfo(name)
    start, end, *_ = window_at(window, unix_s * S, zone)
    assert start < end
    assert window_at(window, end, zone)[0] == end or window_at(window, end + 3600 * S, zone)[0] == end


def test_minutes_of_the_week() -> None:
    assert minute_of_week(ns("2026-11-23T00:00:59"), UTC) == 0
    assert minute_of_week(ns("2026-11-22T23:59:00"), UTC) == 7 * 1440 - 1
    assert minute_of_week(ns("2026-11-23T00:00:00"), ZoneInfo("Asia/Kolkata")) == 5 * 60 + 30


@given(st.sampled_from(["rolling-1h", "rolling-24h", "rolling-30d", "rolling-366d"]), st.integers(0, 4_000_000_000))
def test_a_rolling_window_holds_its_length_and_the_begun_slice(window: str, unix_s: int) -> None:
    now_ns = unix_s * S + 5
    span = window_at(window, now_ns, UTC)
    slice_ns = rolling_slice_ns(window)
    starts = (*reversed(span.earlier), span.start_ns)
    assert len(starts) == SLICES + 1
    assert {later - earlier for earlier, later in itertools.pairwise(starts)} == {slice_ns}
    assert span.start_ns <= now_ns < span.end_ns == span.start_ns + slice_ns
    # Whatever was spent less than a whole window ago still counts.
    assert starts[0] <= now_ns - SLICES * slice_ns
    assert span.counts_until_ns - span.end_ns == SLICES * slice_ns


def test_a_calendar_window_has_no_slices() -> None:
    assert rolling_slice_ns("month") == 0


@pytest.mark.parametrize(
    "window", ["rolling-1h", "rolling-8784h", "rolling-8799h", "rolling-366d", "rolling-99d", "week"]
)
def test_windows_that_a_budget_may_have(window: str) -> None:
    assert msgspec.convert({"id": "b", "limit_usd": 1, "window": window}, BudgetRow).window == window


@pytest.mark.parametrize(
    "window", ["rolling-0h", "rolling-367d", "rolling-8800h", "rolling-1m", "rolling-", "year", "day "]
)
def test_windows_that_it_may_not_have(window: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="window"):
        msgspec.convert({"id": "b", "limit_usd": 1, "window": window}, BudgetRow)
