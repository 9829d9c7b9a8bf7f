"""What is said of an alert: one line, whatever a caller calls itself."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fastgw.domain.alert import Alert, BudgetAlert, SpikeAlert


def alert(**fields: Any) -> BudgetAlert:
    values: dict[str, Any] = {
        "id": "a1-900000",
        "rule": "ml-team",
        "group": None,
        "mode": "enforce",
        "window": "day",
        "scope": {},
        "threshold": 0.9,
        "limit_usd": "10",
        "used_usd": "9.25",
        "reserved_usd": "0.5",
        "resets_at": "2026-11-02T00:00:00Z",
        "at": "2026-11-01T10:00:00Z",
    }
    return BudgetAlert(**(values | fields))


def spike(**fields: Any) -> SpikeAlert:
    values: dict[str, Any] = {
        "id": "b2-1790000000000000000",
        "rule": "runaway",
        "group": None,
        "mode": "enforce",
        "action": "stop",
        "reason": "spend",
        "scope": {"key": "agent"},
        "window_s": 60,
        "spent_usd": "2.1",
        "usual_usd": "0.2",
        "repeats": 0,
        "times": 1,
        "until": "2026-11-01T10:05:00Z",
        "at": "2026-11-01T10:00:00Z",
    }
    return SpikeAlert(**(values | fields))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {},
            "anomaly `runaway` for key=agent: 2.1 USD in 60 s, where 0.2 is usual; stopped until 2026-11-01T10:05:00Z",
        ),
        (
            {"reason": "repeats", "repeats": 20, "action": "slow", "times": 2, "scope": {}},
            (
                "anomaly `runaway`: the same call 20 times in 60 s, 2.1 USD in all; "
                "slowed until 2026-11-01T10:05:00Z, for the 2. time in a row"
            ),
        ),
        (
            {"mode": "audit"},
            (
                "anomaly `runaway` for key=agent: 2.1 USD in 60 s, where 0.2 is usual; "
                "only noted, and not again before 2026-11-01T10:05:00Z"
            ),
        ),
    ],
)
def test_the_line_of_an_anomaly(fields: dict[str, Any], text: str) -> None:
    assert spike(**fields).text == text


def test_the_line_for_people() -> None:
    assert alert().text == (
        "budget `ml-team` passed 90% of 10 USD a day: 9.25 USD used, 0.5 reserved; resets at 2026-11-02T00:00:00Z"
    )
    assert alert(window="lifetime", resets_at=None).text.endswith("0.5 reserved")


@pytest.mark.parametrize(
    ("threshold", "shown"), [(1.0, "100%"), (0.755, "75.5%"), (0.000001, "0.0001%"), (2.0, "200%")]
)
def test_a_threshold_is_shown_as_it_was_written(threshold: float, shown: str) -> None:
    assert f" passed {shown} of " in alert(threshold=threshold).text


def test_names_of_callers_stay_on_the_line() -> None:
    text = alert(scope={"user": "eve\r\nBcc: all@example.com", "metadata.x": "1"}).text
    assert "for user=eve\\x0d\\x0aBcc: all@example.com metadata.x=1 passed" in text
    assert text.isprintable()


def test_it_survives_as_json_with_its_kind() -> None:
    for each, kind in ((alert(), "budget_alert"), (spike(), "anomaly")):
        packed = msgspec.json.encode(each)
        assert msgspec.json.decode(packed)["kind"] == kind
        assert msgspec.json.decode(packed, type=Alert) == each
