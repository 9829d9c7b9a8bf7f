"""How a counter is shown."""

from __future__ import annotations

from fastgw.limits.config import BudgetRow, RateLimitRow
from fastgw.limits.state import BudgetState, RateLimitState
from fastgw.limits.windows import NEVER_NS


def test_sums_are_exact_texts() -> None:
    row = BudgetRow(id="b", limit_usd="0.5", window="lifetime", per=("user", "metadata.x"), group="g")
    state = BudgetState(
        row=row, entity=("ada", ""), until_ns=NEVER_NS, ledger_nano_usd=1, used_nano_usd=2, reserved_nano_usd=3
    )
    assert state.shown() == {
        "id": "b",
        "group": "g",
        "mode": "enforce",
        "window": "lifetime",
        "scope": {"user": "ada", "metadata.x": ""},
        "limit_usd": "0.5",
        "used_usd": "0.000000002",
        "reserved_usd": "0.000000003",
        "ledger_usd": "0.000000001",
        "resets_ns": None,
    }
    day = BudgetRow(id="b", limit_usd=1, window="day")
    assert (
        BudgetState(row=day, entity=(), until_ns=7, ledger_nano_usd=0, used_nano_usd=0, reserved_nano_usd=0).shown()[
            "resets_ns"
        ]
        == 7
    )


def test_a_bucket_is_shown_with_what_is_gone_from_it() -> None:
    row = RateLimitRow(id="r", limit=2, unit="requests_per_day", per=("key",))
    assert RateLimitState(row=row, entity=("k",), used=1).shown() == {
        "id": "r",
        "group": None,
        "mode": "enforce",
        "unit": "requests_per_day",
        "scope": {"key": "k"},
        "limit": 2,
        "burst": 2,
        "used": 1,
    }
