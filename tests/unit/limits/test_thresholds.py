"""When a part of a budget has been spent, exactly, and what is said of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fastgw.limits.config import BudgetRow
from fastgw.limits.thresholds import due, passed, thresholds_ppm


def budget(**fields: Any) -> BudgetRow:
    values: dict[str, Any] = {"id": "b", "limit_usd": 10, "window": "day", "mode": "audit", "alerts": [0.5, 0.9, 1.0]}
    return msgspec.convert(values | fields, BudgetRow)


@pytest.mark.parametrize(
    ("used_nano_usd", "expected"),
    [
        (4_999_999_999, ()),
        (5_000_000_000, (500_000,)),
        (8_999_999_999, (500_000,)),
        (9_000_000_000, (500_000, 900_000)),
        (9_999_999_999, (500_000, 900_000)),
        (10_000_000_000, (500_000, 900_000, 1_000_000)),
        (2**62, (500_000, 900_000, 1_000_000)),
        (0, ()),
        (-5, ()),
    ],
)
def test_a_threshold_is_passed_at_the_nano_usd(used_nano_usd: int, expected: tuple[int, ...]) -> None:
    assert passed(budget(), used_nano_usd) == expected


@pytest.mark.parametrize("mode", ["enforce", "soft"])
def test_a_budget_that_refuses_is_spent_when_a_hundredth_is_left(mode: str) -> None:
    assert passed(budget(mode=mode, alerts=[0.98, 0.995, 1.0, 1.01]), 9_899_999_999) == (980_000,)
    assert passed(budget(mode=mode, alerts=[0.98, 0.995, 1.0, 1.01]), 9_900_000_000) == (980_000, 995_000, 1_000_000)


def test_a_budget_of_nothing_alerts_once_something_is_spent() -> None:
    assert passed(budget(limit_usd=0), 0) == ()
    assert passed(budget(limit_usd=0), 1) == (500_000, 900_000, 1_000_000)


def test_thresholds_rise_and_come_once() -> None:
    assert thresholds_ppm(budget(alerts=[1, 0.5, 0.5, 0.000_000_1])) == (1, 500_000, 1_000_000)


@pytest.mark.parametrize(
    ("passed_ppm", "top_ppm", "expected"),
    [
        ((), None, (None, ())),
        ((1, 2, 3), None, (3, (1, 2, 3))),
        ((1, 2, 3), 1, (3, (2, 3))),
        ((1, 2, 3), 3, (None, ())),
        ((1,), 3, (None, ())),  # one that a reload added below what was said already
    ],
)
def test_only_the_highest_is_sent(
    passed_ppm: tuple[int, ...], top_ppm: int | None, expected: tuple[int | None, tuple[int, ...]]
) -> None:
    assert due(passed_ppm, top_ppm) == expected
