"""Alerts are written whole, once, and kept as long as somebody has to be told."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fastgw.ledger import alert_store
from fastgw.ledger.alert_store import AlertStore, Delivery, Mark, NewAlert
from fastgw.ledger.reader import LedgerReader
from fastgw.ledger.writer import LedgerWriter
from tests.unit.domain.test_alert import alert, spike

NOW_NS = 1_790_000_000_000_000_000
COUNTER = b"c" * 16


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AlertStore]:
    writer = LedgerWriter(tmp_path / "x.db")
    yield writer.alerts
    writer.close()


def new(name: str, until_ns: int = 0) -> NewAlert:
    return NewAlert(alert(id=name), NOW_NS, until_ns)


def ids(deliveries: list[Delivery]) -> list[str]:
    return [each.alert.id for each in deliveries]


def shown(path: Path, limit: int = 1000) -> list[dict[str, Any]]:
    async def main() -> list[dict[str, Any]]:
        reader = await LedgerReader.open(path / "x.db")
        try:
            return await reader.alerts(limit)
        finally:
            await reader.close()

    return asyncio.run(main())


def test_an_alert_waits_on_every_channel_until_it_is_settled(store: AlertStore, tmp_path: Path) -> None:
    store.put([new("a")], [], ["mail", "hook"], NOW_NS)
    (mail,), next_ns = store.due("mail", NOW_NS, 10)
    assert (mail.alert, mail.channel, mail.at_ns, mail.attempts, next_ns) == (alert(id="a"), "mail", NOW_NS, 0, NOW_NS)
    store.settle(mail, "pending", NOW_NS + 5, "no answer")
    assert store.due("mail", NOW_NS, 10) == ([], NOW_NS + 5)
    (again,), _ = store.due("mail", NOW_NS + 5, 10)
    assert again.attempts == 1
    store.settle(again, "delivered", 0, "")
    assert store.due("mail", NOW_NS + 10**18, 10) == ([], None)
    assert len(store.due("hook", NOW_NS, 10)[0]) == 1
    (found,) = shown(tmp_path)
    assert found["id"] == "a"
    assert found["deliveries"] == [
        {"channel": "hook", "state": "pending", "attempts": 0, "problem": ""},
        {"channel": "mail", "state": "delivered", "attempts": 2, "problem": ""},
    ]


def test_the_same_alert_again_changes_nothing(store: AlertStore) -> None:
    store.put([new("a")], [Mark(COUNTER, 5, NOW_NS + 1)], ["c"], NOW_NS)
    store.settle(store.due("c", NOW_NS, 1)[0][0], "delivered", 0, "")
    store.put([new("a")], [Mark(COUNTER, 5, NOW_NS + 1)], ["c"], NOW_NS)
    assert store.due("c", NOW_NS, 1) == ([], None)


def test_marks_hold_until_their_window_is_over(store: AlertStore) -> None:
    store.put([], [Mark(COUNTER, 5, NOW_NS + 1), Mark(COUNTER, 9, NOW_NS + 1), Mark(b"d" * 16, 7, NOW_NS)], [], 0)
    assert store.top_marks([COUNTER, b"d" * 16, b"e" * 16]) == {COUNTER: 9, b"d" * 16: 7}
    store.put([], [], [], NOW_NS)
    assert store.top_marks([COUNTER, b"d" * 16]) == {COUNTER: 9}


def test_the_longest_due_comes_first(store: AlertStore) -> None:
    store.put([new(name) for name in "abc"], [], ["c"], NOW_NS)
    store.settle(store.due("c", NOW_NS, 1)[0][0], "pending", NOW_NS + 1, "")
    assert ids(store.due("c", NOW_NS + 1, 2)[0]) == ["b", "c"]
    assert ids(store.due("c", NOW_NS + 1, 9)[0]) == ["b", "c", "a"]


def test_a_full_channel_drops_and_says_so(store: AlertStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_store, "MAX_PENDING", 2)
    store.put([new(name) for name in "abc"], [], ["c"], NOW_NS)
    store.put([new("d")], [], ["c", "other"], NOW_NS)
    assert ids(store.due("c", NOW_NS, 9)[0]) == ["a", "b"]
    assert ids(store.due("other", NOW_NS, 9)[0]) == ["d"]
    states = {each["id"]: [(way["channel"], way["state"]) for way in each["deliveries"]] for each in shown(tmp_path)}
    assert states["c"] == [("c", "dropped")]
    assert states["d"] == [("c", "dropped"), ("other", "pending")]


def test_a_channel_that_is_gone_gets_nothing_more(store: AlertStore, tmp_path: Path) -> None:
    store.put([new("a")], [], ["old", "kept"], NOW_NS)
    store.keep_channels(["kept", "new"])
    assert store.due("old", NOW_NS, 9) == ([], None)
    assert len(store.due("kept", NOW_NS, 9)[0]) == 1
    (found,) = shown(tmp_path)
    assert found["deliveries"][1]["problem"] == "the channel is no longer configured"


def test_the_last_are_kept_and_those_that_wait_or_hold(
    store: AlertStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_store, "MAX_KEPT", 2)
    store.put([new("waits")], [], ["c"], NOW_NS)
    store.put([new("holds", NOW_NS + 1)], [], [], NOW_NS)
    for name in "abcd":
        store.put([new(name)], [], [], NOW_NS)
    assert [each["id"] for each in shown(tmp_path)] == ["d", "c", "holds", "waits"]
    assert [each["id"] for each in shown(tmp_path, 1)] == ["d"]
    store.settle(store.due("c", NOW_NS, 1)[0][0], "delivered", 0, "")
    store.put([], [], [], NOW_NS + 1)
    assert [each["id"] for each in shown(tmp_path)] == ["d", "c"]
    connection = sqlite3.connect(tmp_path / "x.db")
    assert connection.execute("SELECT count(*) FROM alert_deliveries").fetchone() == (0,)
    connection.close()


def test_a_transaction_that_fails_leaves_nothing(store: AlertStore, tmp_path: Path) -> None:
    intruder = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    intruder.execute("ALTER TABLE alert_deliveries RENAME TO elsewhere")
    with pytest.raises(sqlite3.Error):
        store.put([new("a")], [Mark(COUNTER, 5, NOW_NS + 1)], ["c"], NOW_NS)
    with pytest.raises(sqlite3.Error):
        store.settle(Delivery(1, "c", alert(), 0, 0), "delivered", 0, "")
    intruder.execute("ALTER TABLE elsewhere RENAME TO alert_deliveries")
    intruder.close()
    assert store.top_marks([COUNTER]) == {}
    assert shown(tmp_path) == []
    store.put([new("a")], [Mark(COUNTER, 5, NOW_NS + 1)], ["c"], NOW_NS)
    assert len(shown(tmp_path)) == 1


def test_pauses_are_found_again(store: AlertStore) -> None:
    pauses = [NewAlert(spike(id=str(until)), NOW_NS - 5, NOW_NS + until) for until in (3, 0, 2)]
    store.put([new("budget", NOW_NS + 9), *pauses], [], [], NOW_NS)
    assert store.anomalies(NOW_NS) == [
        (spike(id="3"), NOW_NS - 5, NOW_NS + 3),
        (spike(id="2"), NOW_NS - 5, NOW_NS + 2),
    ]
