"""Numbers of limits as they are written."""

from __future__ import annotations

import msgspec
import pytest

from fastgw.limits.config import AnomalyRow, BudgetRow, RateLimitRow


def budget(**fields: object) -> BudgetRow:
    return msgspec.convert({"id": "b", "window": "day", **fields}, BudgetRow)


def rate(**fields: object) -> RateLimitRow:
    return msgspec.convert({"id": "r", "limit": 5, "unit": "requests_per_minute", **fields}, RateLimitRow)


@pytest.mark.parametrize(
    ("limit_usd", "nano_usd"),
    [
        (0, 0),
        (100, 100 * 10**9),
        (0.1, 10**8),
        (0.000_000_001, 1),
        ("0.000000015", 15),
        ("999999999.999999999", 10**18 - 1),
    ],
)
def test_sums_are_what_was_typed(limit_usd: object, nano_usd: int) -> None:
    assert budget(limit_usd=limit_usd).limit_nano_usd == nano_usd


@pytest.mark.parametrize("limit_usd", [-1, -0.1, 1e10, "1e3", "-1", "", "1.0000000001", None])
def test_what_is_no_sum(limit_usd: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        budget(limit_usd=limit_usd)


def test_units_say_what_is_counted_and_for_how_long() -> None:
    assert (rate().counts, rate().period_ns) == ("requests", 60 * 10**9)
    assert (rate(unit="tokens_per_day").counts, rate(unit="tokens_per_day").period_ns) == ("tokens", 86_400 * 10**9)
    assert (rate(unit="concurrent_requests").counts, rate(unit="concurrent_requests").period_ns) == ("concurrent", 0)
    for fields in ({"unit": "requests_per_month"}, {"limit": 0}, {"limit": 10**13}, {"burst": 0}, {"limit": 1.5}):
        with pytest.raises(msgspec.ValidationError):
            rate(**fields)


def test_alerts_are_fractions() -> None:
    assert budget(limit_usd=1, alerts=[0.75, 1, 10]).alerts == (0.75, 1.0, 10.0)
    assert budget(limit_usd=1).alerts == ()
    for alerts in ([0], [-0.5], [10.5], ["0.5"], 0.5, [0.5] * 21):
        with pytest.raises(msgspec.ValidationError):
            budget(limit_usd=1, alerts=alerts)


def anomaly(**fields: object) -> AnomalyRow:
    return msgspec.convert({"id": "a"} | fields, AnomalyRow)


def test_an_anomaly_is_a_key_that_spends_unless_said() -> None:
    row = anomaly()
    assert (row.per, row.recent_s, row.window_s, row.min_nano_usd) == (("key",), 3600, 60, 10**9)
    assert (row.action, row.for_s, row.slow_to_per_minute, row.mode) == ("stop", 300, 6, "enforce")
    assert anomaly(min_usd="0.000000015").min_nano_usd == 15
    assert anomaly(per=["user", "metadata.app"]).per == ("user", "metadata.app")


@pytest.mark.parametrize(
    "fields",
    [
        {"max_multiple": 1},
        {"max_multiple": 0.5},
        {"repeats": 1},
        {"recent_s": 59},
        {"window_s": 9},
        {"for_s": 0},
        {"for_s": 86_401},
        {"slow_to_per_minute": 0},
        {"action": "shout"},
        {"per": ["planet"]},
        {"limit_usd": 1},
    ],
)
def test_what_is_no_anomaly(fields: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        anomaly(**fields)
