from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw.mock_provider.bill import PRICES, Bill, demo_prices, price_usage
from fastgw.mock_provider.usage import NOTHING, Usage

TOKENS = st.integers(0, 1_000_000_000)


def test_prices_of_a_model_are_all_different() -> None:
    for prices in PRICES.values():
        assert len({Decimal(text) for text in prices.values()}) == len(prices)


def test_demo_prices_are_the_same_rates() -> None:
    assert demo_prices()["mock-small"]["input_usd_per_mtok"] == "0.15"
    assert {
        model: {name.removesuffix("_usd_per_mtok"): text for name, text in prices.items()}
        for model, prices in demo_prices().items()
    } == PRICES


def test_price_of_each_unit() -> None:
    million = 1_000_000
    assert price_usage("mock-small", Usage(input=million)) == Decimal("0.15")
    assert price_usage("mock-small", Usage(cached_input=million)) == Decimal("0.0375")
    assert price_usage("mock-small", Usage(cache_write_5m=million)) == Decimal("0.1875")
    assert price_usage("mock-small", Usage(cache_write_1h=million)) == Decimal("0.3")
    assert price_usage("mock-small", Usage(input_audio=million)) == Decimal(10)
    assert price_usage("mock-small", Usage(output=million, reasoning=million)) == Decimal("0.6")
    assert price_usage("mock-small", Usage(output_audio=million)) == Decimal(20)
    assert price_usage("mock-embed", Usage(input=3)) == Decimal("0.0000000597")


@given(st.builds(Usage, *[TOKENS] * 8))
def test_price_is_exact(usage: Usage) -> None:
    """Decimal's 28 digits lose nothing over the whole range of counts: the sum equals one of fractions."""
    exact = sum(Fraction(text) * getattr(usage, unit) / 1_000_000 for unit, text in PRICES["mock-large"].items())
    assert Fraction(price_usage("mock-large", usage)) == exact


def test_row_is_priced_and_rounded_half_up_once() -> None:
    bill = Bill(10)
    row = bill.open("/v1/embeddings", "r", 3, "hash")
    row.priced_model = "mock-small"
    bill.finish(row, "complete", Usage(cached_input=3), 0)
    assert (row.cost_usd, row.cost_nano_usd) == ("0.0000001125", 113)
    assert bill.to_json()["totals"]["complete"]["cost_usd"] == "0.0000001125"
    assert bill.to_json()["totals"]["complete"]["cost_nano_usd"] == 113


def test_ring_forgets_rows_but_totals_do_not() -> None:
    bill = Bill(3)
    for _ in range(10):
        row = bill.open("/v1/messages", "", 0, "")
        row.priced_model = "mock-large"
        bill.finish(row, "complete", Usage(input=4, output=2, reasoning=1), 2)
    page = bill.to_json(since=8)
    assert [row.seq for row in bill.rows()] == [8, 9, 10]
    assert [row.seq for row in page["rows"]] == [9, 10]
    assert page["last_seq"] == 10
    assert page["totals"]["complete"]["requests"] == 10
    assert page["totals"]["complete"]["usage"]["input"] == 40
    assert page["totals"]["complete"]["usage"]["reasoning"] == 10
    assert page["totals"]["all"]["cost_usd"] == "0.00035"


def test_states_have_totals_of_their_own() -> None:
    bill = Bill(10)
    for state, usage in (("complete", Usage(input=1)), ("cut", Usage(input=2)), ("refused", NOTHING)):
        row = bill.open("/v1/messages", "", 0, "")
        row.priced_model = "mock-small"
        bill.finish(row, state, usage, 0)  # type: ignore[arg-type]  # the three states of the literal
    bill.open("/v1/messages", "", 0, "")
    totals = bill.to_json()["totals"]
    assert [totals[state]["usage"]["input"] for state in ("complete", "cut", "refused")] == [1, 2, 0]
    assert totals["all"] == {"requests": 3, "cost_usd": "0.00000045", "cost_nano_usd": 450}
    assert bill.rows()[-1].state == "open"


def test_cleared_bill_numbers_on() -> None:
    bill = Bill(10)
    row = bill.open("/v1/messages", "", 0, "")
    row.priced_model = "mock-small"
    bill.finish(row, "complete", Usage(input=1), 0)
    bill.clear()
    assert bill.to_json()["totals"]["all"]["requests"] == 0
    assert bill.rows() == []
    assert bill.open("/v1/messages", "", 0, "").seq == 2


def test_unknown_model_has_no_price() -> None:
    with pytest.raises(KeyError):
        price_usage("gpt-4", Usage(input=1))
