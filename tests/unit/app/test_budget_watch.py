"""Each threshold of each counter is found once, whatever was read before its money was counted."""

from __future__ import annotations

import asyncio
from datetime import UTC
from pathlib import Path

import pytest

from fastgw._native.counter_map import CounterMap
from fastgw.app import budget_watch
from fastgw.app.budget_watch import LOOKS, BudgetWatch, Found
from fastgw.config.load import load
from fastgw.domain.alert import BudgetAlert
from fastgw.ledger.drained import Drained
from fastgw.limits.config import BudgetRow
from fastgw.limits.table import budget_key
from fastgw.limits.windows import window_at
from fastgw.rules.table import Fixed
from tests.unit.app.settings_text import ENV, PROVIDER_AND_KEY

ROWS = load(
    PROVIDER_AND_KEY
    + """
[[budgets]]
id = "each-user"
limit_usd = 10
window = "day"
per = ["user"]
mode = "audit"
alerts = [0.5, 0.9, 1.0]
[[budgets]]
id = "customers"
limit_usd = 1
window = "lifetime"
per = ["metadata.customer"]
when = { metadata = { customer = "*" } }
alerts = [1.0]
[[budgets]]
id = "silent"
limit_usd = 1
window = "month"
""",
    ENV,
    Path(),
).budgets
NOW_NS = 1_790_000_000_000_000_000
MINUTE = NOW_NS // 60_000_000_000
USD = 10**9
DAY_NS = 86_400 * 10**9


class Play:
    """A watch over counters that the test sets. The ledger's marks are what was written."""

    def __init__(self) -> None:
        self.counters = CounterMap(1024, 1, 8)
        self.written: dict[bytes, int] = {}
        self.asked = 0
        self.watch = self.restarted()

    def restarted(self) -> BudgetWatch:
        self.watch = BudgetWatch(ROWS, UTC, self.counters, self._top_marks)
        return self.watch

    async def _top_marks(self, counters: list[bytes]) -> dict[bytes, int]:
        self.asked += 1
        return {counter: self.written[counter] for counter in counters if counter in self.written}

    def spend(self, row: BudgetRow, entity: str, nano_usd: int, at_ns: int = NOW_NS) -> None:
        start_ns, until_ns, *_ = window_at(row.window, at_ns, UTC)
        assert self.counters.put(budget_key(row, (entity,), start_ns), nano_usd, until_ns, at_ns)

    def touch(self, user: str, metadata: str | None = None, minute: int = MINUTE) -> None:
        names = dict.fromkeys(Fixed.__struct_fields__, "") | {"key": "k", "user": user}
        self.watch.touch([Drained(tuple(names.values()), metadata, minute, minute * 60, 0, 1, 0)])

    def look(self, now_ns: int = NOW_NS, *, writes: bool = True) -> Found:
        found = asyncio.run(self.watch.look(now_ns))
        if writes:
            for mark in found.marks:
                self.written[mark.counter] = max(mark.threshold_ppm, self.written.get(mark.counter, 0))
            self.watch.wrote(found)
        return found

    def alerts(self, now_ns: int = NOW_NS, *, writes: bool = True) -> list[tuple[str, float]]:
        return [
            (new.alert.scope.get("user", new.alert.scope.get("metadata.customer", "")), new.alert.threshold)
            for new in self.look(now_ns, writes=writes).alerts
        ]


def test_each_threshold_once_and_only_the_highest_of_those_passed_together() -> None:
    play = Play()
    said = []
    for usd in (4, 5, 6, 6, 11, 12):
        play.spend(ROWS[0], "ada", usd * USD)
        play.touch("ada")
        said.append(play.alerts())
    assert said == [[], [("ada", 0.5)], [], [], [("ada", 1.0)], []]
    assert play.written == {next(iter(play.written)): 1_000_000}


def test_what_an_alert_says() -> None:
    play = Play()
    play.spend(ROWS[0], "ada", 9_250_000_000)
    play.touch("ada")
    found = play.look()
    (new,) = found.alerts
    start_ns, until_ns, *_ = window_at("day", NOW_NS, UTC)
    assert (new.at_ns, new.until_ns) == (NOW_NS, NOW_NS)
    assert new.alert == BudgetAlert(
        id=f"{budget_key(ROWS[0], ('ada',), start_ns).hex()}-900000",
        rule="each-user",
        group=None,
        mode="audit",
        window="day",
        scope={"user": "ada"},
        threshold=0.9,
        limit_usd="10",
        used_usd="9.25",
        reserved_usd="0",
        resets_at="2026-09-22T00:00:00Z",
        at="2026-09-21T14:13:20Z",
    )
    assert [(mark.threshold_ppm, mark.until_ns) for mark in found.marks] == [
        (500_000, NOW_NS + DAY_NS),
        (900_000, NOW_NS + DAY_NS),
    ]
    assert until_ns < NOW_NS + DAY_NS


def test_counters_have_thresholds_of_their_own() -> None:
    play = Play()
    for user in ("ada", "bob"):
        play.spend(ROWS[0], user, 5 * USD)
        play.touch(user)
    play.spend(ROWS[1], "acme", USD)
    play.touch("eve", '{"customer":"acme"}')
    assert sorted(play.alerts()) == [("acme", 1.0), ("ada", 0.5), ("bob", 0.5)]
    (lifetime,) = [key for key, ppm in play.written.items() if ppm == 1_000_000]
    assert lifetime == budget_key(ROWS[1], ("acme",), 0)


def test_a_new_window_alerts_again_and_an_old_one_that_ends_late_too() -> None:
    play = Play()
    play.spend(ROWS[0], "ada", 5 * USD)
    play.touch("ada")
    assert play.alerts() == [("ada", 0.5)]
    tomorrow_ns = NOW_NS + DAY_NS
    play.spend(ROWS[0], "ada", 5 * USD, tomorrow_ns)
    play.touch("ada", minute=tomorrow_ns // 60_000_000_000)
    assert play.alerts(tomorrow_ns) == [("ada", 0.5)]
    play.spend(ROWS[0], "bob", 9 * USD)
    play.touch("bob")
    play.touch("ada", minute=tomorrow_ns // 60_000_000_000)
    assert play.alerts(tomorrow_ns) == [("bob", 0.9)]


def test_money_that_is_counted_after_its_row_was_read_is_seen() -> None:
    play = Play()
    play.spend(ROWS[0], "ada", 4 * USD)
    play.touch("ada")
    for _ in range(LOOKS - 1):
        assert play.alerts() == []
    play.spend(ROWS[0], "ada", 5 * USD)
    assert play.alerts() == [("ada", 0.5)]
    play.spend(ROWS[0], "ada", 9 * USD)
    for _ in range(LOOKS + 1):  # the finding itself keeps it in sight for a while
        play.look()
    play.spend(ROWS[0], "ada", 10 * USD)
    assert play.alerts() == []


def test_what_could_not_be_written_comes_again() -> None:
    play = Play()
    play.spend(ROWS[0], "ada", 5 * USD)
    play.touch("ada")
    for _ in range(3 * LOOKS):
        assert play.alerts(writes=False) == [("ada", 0.5)]
    assert play.alerts() == [("ada", 0.5)]
    assert play.alerts() == []


def test_a_restart_says_nothing_again() -> None:
    play = Play()
    play.spend(ROWS[0], "ada", 9 * USD)
    play.touch("ada")
    assert play.alerts() == [("ada", 0.9)]
    play.restarted()
    play.watch.touch_counter(ROWS[0], ("ada",), NOW_NS)
    assert play.alerts() == []
    play.spend(ROWS[0], "ada", 10 * USD)
    play.touch("ada")
    assert play.alerts() == [("ada", 1.0)]


def test_the_ledger_is_asked_once_a_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    play = Play()
    for _ in range(5):
        play.spend(ROWS[0], "ada", 6 * USD)
        play.touch("ada")
        play.look()
    assert play.asked == 1
    monkeypatch.setattr(budget_watch, "MAX_MARKS", 2)
    for number in range(10):
        play.spend(ROWS[0], f"u{number}", 6 * USD)
        play.touch(f"u{number}")
    assert len(play.alerts()) == 10
    assert len(play.watch._marks) <= 2
    for number in range(10):
        play.touch(f"u{number}")
    assert play.alerts() == []


def test_counters_that_nobody_knows_and_budgets_without_alerts_say_nothing() -> None:
    play = Play()
    play.touch("ghost")
    play.spend(ROWS[2], "", 5 * USD)
    play.touch("")
    assert play.alerts() == []
    assert play.asked == 0


def test_a_rolling_budget_alerts_by_the_sum_of_its_slices_once_in_its_length() -> None:
    row = BudgetRow(id="rolls", limit_usd=10, window="rolling-24h", alerts=(0.5,), per=("user",))
    counters, written = CounterMap(1024, 1, 8), set[bytes]()

    async def top_marks(keys: list[bytes]) -> dict[bytes, int]:
        return {key: 500_000 for key in keys if key in written}

    watch = BudgetWatch([row], UTC, counters, top_marks)
    said = []
    hour_ns = 3600 * 10**9
    start_ns = NOW_NS // (24 * hour_ns) * 24 * hour_ns
    for hour in range(26):
        now_ns = start_ns + hour * hour_ns
        counters.put(budget_key(row, ("ada",), now_ns), USD, now_ns + 25 * hour_ns, now_ns)
        watch.touch_counter(row, ("ada",), now_ns)
        found = asyncio.run(watch.look(now_ns))
        written.update(mark.counter for mark in found.marks)
        watch.wrote(found)
        said += [hour for _ in found.alerts]
    assert said == [4, 24]
