"""How the limits of a kind of call stand."""

from __future__ import annotations

from datetime import UTC

from fastgw._native.counter_map import CounterMap
from fastgw._native.limit_set import Reservation, WorkerCounters
from fastgw.limits.config import AnomalyRow, BudgetRow, LimitRow, RateLimitRow
from fastgw.limits.report import limit_rows
from fastgw.limits.table import governing_limits, pause_key

NOW = 1_795_348_800 * 10**9


def test_each_rule_is_shown_with_its_counter() -> None:
    rows: list[LimitRow] = [
        BudgetRow(id="b", limit_usd="0.00001", window="day", per=("user",)),
        BudgetRow(id="ever", limit_usd=1, window="lifetime", group="g", mode="audit"),
        RateLimitRow(id="r", limit=5, unit="requests_per_minute", burst=8),
    ]
    governing = governing_limits(rows, [(0, True), (1, False), (2, True)], lambda name: f"a {name}", NOW, UTC)
    counter_map = CounterMap(64, 1, 8)
    worker = WorkerCounters(counter_map, 0, 1)
    for call, settles in ((1, True), (2, False)):
        taken = worker.reserve(governing.limits, call, 0, 4000, NOW)
        assert isinstance(taken, Reservation)
        if settles:
            taken.settle(0, 3000, NOW)
    budget, ever, rate = limit_rows(governing, counter_map, NOW)
    assert budget == {
        "id": "b",
        "group": None,
        "governs": True,
        "mode": "enforce",
        "unit": "usd_per_day",
        "scope": {"user": "a user"},
        "limit_usd": "0.00001",
        "used_usd": "0.000003",
        "reserved_usd": "0.000004",
        "remaining_usd": "0.000003",
        "resets_at": "2026-11-23T00:00:00Z",
    }
    assert (ever["resets_at"], ever["governs"], ever["mode"], ever["group"]) == (None, False, "audit", "g")
    assert {name: rate[name] for name in ("unit", "limit", "used", "remaining")} == {
        "unit": "requests_per_minute",
        "limit": 5,
        "used": 2,
        "remaining": 6,
    }


def test_looking_creates_no_counter() -> None:
    governing = governing_limits([BudgetRow(id="b", limit_usd=1, window="day")], [(0, True)], str, NOW, UTC)
    counter_map = CounterMap(64, 1, 8)
    for number in range(200):
        assert limit_rows(governing, counter_map, NOW + number)[0]["used_usd"] == "0"


def test_a_pause_is_shown_with_its_end() -> None:
    row = AnomalyRow(id="runaway", repeats=9)
    governing = governing_limits([row], [(0, True)], lambda name: "agent", NOW, UTC)
    counter_map = CounterMap(64, 1, 8)
    (shown,) = limit_rows(governing, counter_map, NOW)
    assert (shown["unit"], shown["scope"]) == ("pause", {"key": "agent"})
    assert (shown["paused"], shown["paused_until"]) == (False, None)
    counter_map.put(pause_key(row, ("agent",)), NOW + 60 * 10**9, NOW + 60 * 10**9, NOW)
    (shown,) = limit_rows(governing, counter_map, NOW)
    assert (shown["paused"], shown["paused_until"]) == (True, "2026-11-22T12:01:00Z")
