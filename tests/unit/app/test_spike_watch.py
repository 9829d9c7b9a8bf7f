"""Who is found is paused before anybody is told, and again after a restart."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest

from fastgw._native.counter_map import CounterMap
from fastgw.app.spike_watch import SpikeWatch
from fastgw.config.load import load
from fastgw.domain.alert import SpikeAlert
from fastgw.ledger.alert_store import NewAlert
from fastgw.ledger.drained import Drained
from fastgw.limits.config import AnomalyRow
from fastgw.limits.table import pause_key
from fastgw.rules.table import Fixed
from tests.unit.app.settings_text import ENV, PROVIDER_AND_KEY

S = 1_000_000_000
NOW_NS = 1_790_000_040 * S
USD = 10**9
TEXT = """
[[anomalies]]
id = "batch"
group = "g"
when = { subjects = ["key:batch-*"] }
max_multiple = 100
min_usd = 50
[[anomalies]]
id = "keys"
group = "g"
max_multiple = 10
"""


def rows(text: str = TEXT) -> tuple[AnomalyRow, ...]:
    return load(PROVIDER_AND_KEY + text, ENV, Path()).anomalies


class Play:
    def __init__(self, text: str = TEXT, slots: int = 64) -> None:
        self.rows = rows(text)
        self.counters = CounterMap(slots, 1, 1)
        self.watch = SpikeWatch(self.rows, UTC, self.counters)

    def spend(self, key: str, nano_usd: int, ago_s: int = 0, fingerprint: int = 0) -> list[NewAlert]:
        names = dict.fromkeys(Fixed.__struct_fields__, "") | {"key": key}
        second = NOW_NS // S - ago_s
        group = Drained(tuple(names.values()), None, second // 60, second, fingerprint, 1, nano_usd)
        self.watch.feed([group], NOW_NS)
        return self.watch.judge(NOW_NS)

    def paused_until_ns(self, row: AnomalyRow, key: str) -> int:
        found = self.counters.get(pause_key(row, (key,)))
        return found[0] if found is not None else 0


def test_who_is_found_is_paused_and_named() -> None:
    play = Play()
    (new,) = play.spend("agent", 2 * USD)
    until_ns = NOW_NS + 300 * S
    assert play.paused_until_ns(play.rows[1], "agent") == until_ns
    assert play.paused_until_ns(play.rows[1], "other") == 0
    assert (new.at_ns, new.until_ns) == (NOW_NS, until_ns)
    assert new.alert == SpikeAlert(
        id=f"{pause_key(play.rows[1], ('agent',)).hex()}-{NOW_NS}",
        rule="keys",
        group="g",
        mode="enforce",
        action="stop",
        reason="spend",
        scope={"key": "agent"},
        window_s=60,
        spent_usd="2",
        usual_usd="0",
        repeats=0,
        times=1,
        until="2026-09-21T14:19:00Z",
        at="2026-09-21T14:14:00Z",
    )


def test_inside_a_group_only_the_first_match_finds_anything() -> None:
    play = Play()
    assert play.spend("batch-7", 49 * USD) == []
    (new,) = play.spend("batch-7", 2 * USD)
    assert new.alert.rule == "batch"
    assert play.paused_until_ns(play.rows[1], "batch-7") == 0


def test_an_audit_finds_and_pauses_nobody() -> None:
    play = Play(TEXT.replace("max_multiple = 10\n", 'max_multiple = 10\nmode = "audit"\n'))
    (new,) = play.spend("agent", 2 * USD)
    assert new.alert.mode == "audit"
    assert play.paused_until_ns(play.rows[1], "agent") == 0
    assert play.spend("agent", 2 * USD) == []


def test_repeats_by_fingerprint() -> None:
    assert Play().watch.fingerprints is False
    play = Play('[[anomalies]]\nid = "loop"\nrepeats = 3\n')
    assert play.watch.fingerprints is True
    found = [play.spend("agent", 1, fingerprint=7) for _ in range(3)]
    assert found[:2] == [[], []]
    (new,) = found[2]
    assert isinstance(new.alert, SpikeAlert)
    assert (new.alert.reason, new.alert.repeats) == ("repeats", 3)


def test_what_was_spent_before_it_watched_is_usual() -> None:
    play = Play()
    dimension = ("agent", "", "", "", "", "", "", "", "")
    minutes = range(NOW_NS // S // 60 - 60, NOW_NS // S // 60 - 1)
    play.watch.recall([(*dimension, None, minute * 60 * S, USD // 2) for minute in minutes], NOW_NS)
    assert play.watch.judge(NOW_NS) == []
    assert play.watch.reach_ns == 3660 * S
    assert play.spend("agent", 4 * USD) == []
    (new,) = play.spend("agent", 2 * USD)
    assert isinstance(new.alert, SpikeAlert)
    assert 0.45 < float(new.alert.usual_usd) <= 0.5


def test_pauses_that_hold_hold_again_and_the_rest_is_remembered() -> None:
    before = Play()
    (new,) = before.spend("agent", 2 * USD)
    assert isinstance(new.alert, SpikeAlert)
    play = Play()
    gone = SpikeAlert(**{name: getattr(new.alert, name) for name in SpikeAlert.__struct_fields__} | {"rule": "gone"})
    other = SpikeAlert(
        **{name: getattr(new.alert, name) for name in SpikeAlert.__struct_fields__} | {"scope": {"user": "x"}}
    )
    over = SpikeAlert(
        **{name: getattr(new.alert, name) for name in SpikeAlert.__struct_fields__} | {"scope": {"key": "over"}}
    )
    play.watch.restore(
        [
            (new.alert, new.at_ns, new.until_ns),
            (gone, new.at_ns, new.until_ns),
            (other, new.at_ns, new.until_ns),
            (over, NOW_NS - 310 * S, NOW_NS - 10 * S),
        ],
        NOW_NS,
    )
    assert play.paused_until_ns(play.rows[1], "agent") == new.until_ns
    assert play.paused_until_ns(play.rows[1], "over") == 0
    assert play.spend("agent", 100 * USD) == []
    (again,) = play.spend("over", 100 * USD)
    assert isinstance(again.alert, SpikeAlert)
    assert again.alert.times == 2


def test_no_memory_to_pause_in_is_said(caplog: pytest.LogCaptureFixture) -> None:
    play = Play(slots=64)
    number = 0
    while play.counters.put(number.to_bytes(16, "big"), 1, 2**62, NOW_NS):
        number += 1
    (new,) = play.spend("agent", 2 * USD)
    assert new.alert.rule == "keys"
    assert "anomaly `keys`: no memory is left" in caplog.text
