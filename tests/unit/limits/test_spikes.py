"""Runaway agents are stopped early, and nobody else is. Against a slow model: tests/property/test_spikes.py."""

from __future__ import annotations

from typing import Any

import pytest

from fastgw.limits import spikes
from fastgw.limits.config import AnomalyRow
from fastgw.limits.spikes import MAX_PAUSE_NS, Spent, Spike, SpikeGuard

S = 1_000_000_000
MINUTE = 60 * S
HOUR = 60 * MINUTE
USD = 10**9
START_NS = 1_790_000_040 * S  # a multiple of all slices that are used here
AGENT = ("agent",)


def row(**fields: Any) -> AnomalyRow:
    values: dict[str, Any] = {"id": "runaway", "max_multiple": 10}
    return AnomalyRow(**(values | fields))


class Play:
    """A guard, the clock, and an agent that is refused while it is paused."""

    def __init__(self, **fields: Any) -> None:
        self.row = row(**fields)
        self.guard = SpikeGuard([self.row])
        self.now_ns = START_NS
        self.found: list[Spike] = []
        self.spent_nano_usd = 0

    @property
    def paused_until_ns(self) -> int:
        return self.found[-1].until_ns if self.found else 0

    def spend(self, nano_usd: int, fingerprint: int = 0, calls: int = 1, ago_ns: int = 0) -> list[Spike]:
        self.guard.feed(Spent(0, AGENT, self.now_ns - ago_ns, nano_usd, fingerprint, calls), self.now_ns)
        found = self.guard.judge(self.now_ns)
        self.found += found
        return found

    def run(self, usd_a_minute: float, for_ns: int, every_ns: int = 6 * S) -> int:
        """Calls at an even rate, refused while there is a pause; returns what they cost."""
        cost, total = int(usd_a_minute * USD * every_ns / MINUTE), 0
        end_ns = self.now_ns + for_ns
        while self.now_ns < end_ns:
            self.now_ns += every_ns
            if self.now_ns >= self.paused_until_ns:
                total += cost
                self.spend(cost)
        return total


def test_a_runaway_agent_is_stopped_at_dollars_not_at_thousands() -> None:
    play = Play()
    play.run(0.2, 2 * HOUR)
    assert play.found == []
    assert play.run(10, 8 * HOUR) < 20 * USD  # 4,800 without a guard
    first = play.found[0]
    assert (first.reason, first.entity, first.times) == ("spend", AGENT, 1)
    assert 2 * USD <= first.window_nano_usd <= 3 * USD
    assert 0.18 * USD < first.usual_nano_usd <= 0.2 * USD
    assert first.until_ns - first.at_ns == 300 * S
    # It may run for the rest of a week.
    assert play.run(10, 160 * HOUR) < 50 * USD


def test_pauses_that_follow_each_other_double_up_to_a_day_and_no_pause_is_for_ever() -> None:
    play = Play()
    play.run(10, 120 * HOUR)
    lengths_s = [(each.until_ns - each.at_ns) // S for each in play.found]
    assert lengths_s[:9] == [300, 600, 1200, 2400, 4800, 9600, 19_200, 38_400, 76_800]
    assert set(lengths_s[9:]) == {MAX_PAUSE_NS // S}
    assert [each.times for each in play.found] == list(range(1, len(lengths_s) + 1))
    play.now_ns = play.paused_until_ns + HOUR
    (again,) = play.spend(5 * USD)
    assert (again.times, again.until_ns - again.at_ns) == (1, 300 * S)


def test_a_pause_that_is_meant_to_be_long_stays_as_long() -> None:
    play = Play(for_s=86_400, recent_s=172_800)
    play.run(10, 100 * HOUR)
    assert {each.until_ns - each.at_ns for each in play.found} == {86_400 * S}


def test_ordinary_growth_is_nobodys_business() -> None:
    play = Play()
    for usd_a_minute in (0.2, 0.4, 0.9, 1.5, 3, 6, 10):
        play.run(usd_a_minute, HOUR)
    assert play.found == []


def test_who_has_no_history_is_measured_by_min_usd_alone() -> None:
    play = Play(min_usd=1)
    assert play.spend(999_999_999) == []
    (found,) = play.spend(1)
    assert (found.window_nano_usd, found.usual_nano_usd) == (USD, 0)


def test_below_min_usd_nothing_is_found_however_steep() -> None:
    play = Play(min_usd=5)
    play.run(0.001, HOUR)
    play.run(4.9, HOUR)
    assert play.found == []


def test_a_multiple_must_be_passed_not_met() -> None:
    play = Play(recent_s=600, max_multiple=12, min_usd="0.000001")
    play.spend(900)
    play.now_ns += 2 * MINUTE
    assert play.spend(1080) == []  # 900 in ten minutes are 90 in one
    assert len(play.spend(1)) == 1


@pytest.mark.parametrize(("slices_ago", "usual_nano_usd"), [(59, 19), (60, 0)])
def test_history_is_as_long_as_it_is_said_to_be(slices_ago: int, usual_nano_usd: int) -> None:
    play = Play(recent_s=600, window_s=12, min_usd="0.000001", max_multiple=2)
    play.spend(999)  # in 600 s, 19.98 in 12 s
    play.now_ns += 12 * S + slices_ago * 10 * S
    assert [each.usual_nano_usd for each in play.spend(10_000)] == [usual_nano_usd]


def test_what_led_to_a_pause_and_what_came_in_it_never_becomes_usual() -> None:
    play = Play(for_s=10)
    (first,) = play.spend(7 * USD)
    play.now_ns += 5 * S
    assert play.spend(50 * USD) == []  # what was under way
    play.now_ns = first.until_ns
    assert play.spend(999_999_999) == []
    (second,) = play.spend(1)
    assert (second.usual_nano_usd, second.window_nano_usd, second.times) == (0, USD, 2)
    assert play.spend(3, ago_ns=20 * S) == []  # a late row of the first pause


def test_a_call_at_the_very_beginning_of_a_window_belongs_to_it() -> None:
    play = Play(for_s=1)
    play.spend(7 * USD)
    play.now_ns += 2 * S
    began_ns = START_NS - 55 * S
    assert play.guard._seen[0, AGENT].pauses[0][0] == began_ns
    play.spend(5, ago_ns=play.now_ns - began_ns)
    assert play.guard._seen[0, AGENT].window.total == 0
    play.spend(5, ago_ns=play.now_ns - began_ns + 1)
    assert play.guard._seen[0, AGENT].recent.total == 5


def test_the_same_call_again_and_again() -> None:
    play = Play(max_multiple=None, repeats=3)
    assert play.spend(1, fingerprint=7) == []
    assert play.spend(1, fingerprint=8) == []
    play.now_ns += 30 * S
    assert play.spend(1, fingerprint=7) == []
    play.now_ns += 20 * S
    (found,) = play.spend(0, fingerprint=7)
    assert (found.reason, found.repeats, found.window_nano_usd) == ("repeats", 3, 3)


def test_calls_that_led_to_a_pause_do_not_lead_to_another() -> None:
    play = Play(max_multiple=None, repeats=3, for_s=1)
    (first,) = play.spend(1, fingerprint=7, calls=3)
    play.now_ns = first.until_ns
    assert play.spend(1, fingerprint=7, calls=2) == []
    assert [each.times for each in play.spend(1, fingerprint=7)] == [2]


def test_calls_that_are_spread_out_are_no_repetition() -> None:
    play = Play(max_multiple=None, repeats=3)
    for _ in range(50):
        play.now_ns += 30 * S
        play.spend(1, fingerprint=7)
    assert play.found == []


def test_without_repeats_prompts_are_not_remembered() -> None:
    play = Play()
    play.spend(1, fingerprint=7)
    assert len(play.guard._prompts) == 0


def test_calls_of_the_future_are_of_now_and_free_ones_leave_no_trace() -> None:
    play = Play()
    assert [each.at_ns for each in play.spend(2 * USD, ago_ns=-HOUR)] == [START_NS]
    fresh = Play()
    fresh.spend(0)
    assert len(fresh.guard._seen) == 0


def test_a_restored_pause_holds_and_goes_on_doubling() -> None:
    play = Play()
    play.guard.restore(0, AGENT, (START_NS - 100 * S, START_NS + 200 * S), 3)
    assert play.spend(100 * USD) == []
    assert play.spend(100 * USD, ago_ns=130 * S) == []  # what led to it
    play.now_ns += 200 * S
    (found,) = play.spend(USD)
    assert (found.times, found.usual_nano_usd, found.until_ns - found.at_ns) == (4, 0, 2400 * S)


def test_of_too_many_the_least_recently_seen_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spikes, "MAX_ENTITIES", 2)
    guard = SpikeGuard([row(min_usd=1)])
    for name in ("ada", "bob", "ada", "eve"):
        guard.feed(Spent(0, (name,), START_NS, USD // 2, 0, 1), START_NS)
    assert [entity for _, entity in guard._seen] == [("ada",), ("eve",)]
    assert [spike.entity for spike in guard.judge(START_NS)] == [("ada",)]
