"""Numbers: exact, or among the findings."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw.importers.findings import Findings
from fastgw.importers.quantity import count_of, decimal_of, toml_number, usd_of


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, Decimal(1)),
        (Decimal("0.1"), Decimal("0.1")),
        ("12.5", Decimal("12.5")),
        ("1e-3", Decimal("0.001")),
        (True, None),
        ("ten", None),
        ("", None),
        ("1" * 99, None),
        (None, None),
        ([], None),
        (float("nan"), None),
        (Decimal("NaN"), None),
    ],
)
def test_what_is_a_number(value: object, number: Decimal | None) -> None:
    assert decimal_of(value) == number


@given(st.decimals(min_value=0, max_value=10**9, places=9))
def test_a_number_is_read_back_as_it_was_written(number: Decimal) -> None:
    assert Decimal(str(toml_number(number))) == number


@pytest.mark.parametrize(
    ("value", "usd", "kinds"),
    [
        (100, 100, []),
        (Decimal("0.1"), 0.1, []),
        ("99.50", 99.5, []),
        (0, 0, []),
        (Decimal("0.000001"), "0.000001", []),
        (Decimal("123456789.123456789"), "123456789.123456789", []),
        (Decimal("0.0000000015"), "0.000000001", ["changed"]),
        (-1, None, ["left out"]),
        (10**10, None, ["left out"]),
        ("much", None, ["left out"]),
        (None, None, ["left out"]),
    ],
)
def test_money(value: object, usd: object, kinds: list[str]) -> None:
    findings = Findings()
    found = usd_of("p", value, findings)
    assert (found, type(found)) == (usd, type(usd))
    assert [each.kind for each in findings.all] == kinds


@pytest.mark.parametrize(
    ("value", "count", "kinds"),
    [
        (5, 5, []),
        ("5", 5, []),
        (Decimal("5.0"), 5, []),
        (Decimal("5.7"), 5, ["changed"]),
        (0, 1, ["changed"]),
        (-1, None, ["left out"]),
        (10**13, None, ["left out"]),
        ("many", None, ["left out"]),
    ],
)
def test_counts(value: object, count: int | None, kinds: list[str]) -> None:
    findings = Findings()
    assert count_of("p", value, findings) == count
    assert [each.kind for each in findings.all] == kinds
