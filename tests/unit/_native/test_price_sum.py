"""The price of a row: exact to the last nano-USD, and nothing at all where the row does not tell enough."""

from __future__ import annotations

import pytest

from fastgw._native.ledger_record import LedgerRecord
from fastgw._native.price_sum import PriceSum
from fastgw.domain.usage import COMMON_UNITS, MAX_COUNT

FROM_NS, UNTIL_NS = 1_000, 2_000
Tiers = list[tuple[int, tuple[int, ...]]]


def weights(**by_unit: int) -> tuple[int, ...]:
    return tuple(by_unit.get(unit, 0) for unit in (*COMMON_UNITS, "requests"))


def price(tiers: Tiers, ratio: int = 1, divisor: int = 1000) -> PriceSum:
    return PriceSum(tiers, ratio, divisor, version="book", from_ns=FROM_NS, until_ns=UNTIL_NS)


def row(at_ns: int = FROM_NS, **counts: int) -> LedgerRecord:
    record = LedgerRecord(1, "r", at_ns, "k")
    for name, count in counts.items():
        setattr(record, name, count)
    return record


def cost(sum_: PriceSum, record: LedgerRecord) -> int | None:
    assert sum_.charge(record)
    assert record.price_version == "book"
    return record.cost_nano_usd


@pytest.mark.parametrize(
    ("unit", "field"),
    [
        ("input_tokens", "input_tokens"),
        ("output_tokens", "output_tokens"),
        ("cache_read_tokens", "cached_input_tokens"),
        ("cache_write_tokens", "cache_write_5m_tokens"),
        ("cache_write_tokens", "cache_write_1h_tokens"),
        ("cache_write_1h_tokens", "cache_write_1h_tokens"),
        ("output_reasoning_tokens", "reasoning_tokens"),
        ("input_audio_tokens", "input_audio_tokens"),
        ("output_audio_tokens", "output_audio_tokens"),
        ("input_image_tokens", "input_image_tokens"),
        ("output_image_tokens", "output_image_tokens"),
    ],
)
def test_each_unit_is_found_in_its_field_of_the_row(unit: str, field: str) -> None:
    dear = price([(-1, weights(**{unit: 7_000}))])
    assert cost(dear, row(**{field: MAX_COUNT})) == 7 * MAX_COUNT
    assert cost(dear, row()) == 0


def test_the_call_itself_can_cost() -> None:
    assert cost(price([(-1, weights(requests=3_000, input_tokens=1_000))]), row(input_tokens=2)) == 5


def test_a_price_of_nothing_is_nothing() -> None:
    assert cost(price([(-1, weights(input_tokens=6 * 10**15))], ratio=0, divisor=2), row(input_tokens=MAX_COUNT)) == 0


def test_half_a_nano_is_rounded_up() -> None:
    halves = price([(-1, weights(input_tokens=1))])
    assert [cost(halves, row(input_tokens=count)) for count in (499, 500, 1499, 1500)] == [0, 1, 1, 2]


def test_the_first_tier_below_the_input_counts_and_the_last_one_always() -> None:
    tiers = price(
        [(200, weights(input_tokens=3_000)), (100, weights(input_tokens=2_000)), (-1, weights(input_tokens=1_000))]
    )
    assert [cost(tiers, row(input_tokens=count)) for count in (0, 100, 101, 200, 201)] == [0, 100, 202, 400, 603]


@pytest.mark.parametrize("at_ns", [FROM_NS - 1, UNTIL_NS])
def test_a_row_of_another_time_is_left_alone(at_ns: int) -> None:
    record = row(at_ns, input_tokens=1)
    assert not price([(-1, weights(input_tokens=1_000))]).charge(record)
    assert (record.cost_nano_usd, record.price_version) == (None, "")


@pytest.mark.parametrize("count", [-1, MAX_COUNT + 1, 2**63 - 1, -(2**63)])
@pytest.mark.parametrize(
    "field", ["input_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "output_image_tokens"]
)
def test_a_count_that_nobody_can_have_is_left_alone(field: str, count: int) -> None:
    record = row(**{field: count})
    assert not price([(-1, weights(input_tokens=1_000))]).charge(record)
    assert record.cost_nano_usd is None


def test_rare_units_are_left_alone() -> None:
    record = row(input_tokens=1)
    record.other_usage = {"web_searches": 1}
    assert not price([(-1, weights(input_tokens=1_000))]).charge(record)


def test_writes_of_5_minutes_are_left_alone_where_they_have_a_price_of_their_own() -> None:
    knowing = price([(-1, weights(cache_write_5m_tokens=5_000, cache_write_1h_tokens=8_000, cache_write_tokens=1_000))])
    assert not knowing.charge(row(cache_write_5m_tokens=1, cache_write_1h_tokens=1))
    assert cost(knowing, row(cache_write_1h_tokens=2)) == 18


def test_sums_beyond_64_bits_are_exact_and_a_cheaper_part_brings_the_price_down() -> None:
    wide = price(
        [(-1, weights(input_tokens=6 * 10**15, cache_read_tokens=-5 * 10**15))], ratio=199_999, divisor=7 * 10**14
    )
    total = MAX_COUNT * 6 * 10**15 - (MAX_COUNT - 1) * 5 * 10**15
    expected = (total * 199_999 + 35 * 10**13) // (7 * 10**14)
    assert cost(wide, row(input_tokens=MAX_COUNT, cached_input_tokens=MAX_COUNT - 1)) == expected
    # More of a part than of its whole is no usage, but has one price all the same: rounded down, as Python rounds.
    negative = price([(-1, weights(input_tokens=-1))])
    assert [cost(negative, row(input_tokens=count)) for count in (500, 501, 1500, 1501)] == [0, -1, -1, -2]


@pytest.mark.parametrize(
    ("tiers", "ratio", "divisor"),
    [
        ([], 1, 1000),
        ([(above, weights()) for above in (4, 3, 2, 1, -1)], 1, 1000),
        ([(-1, weights()[1:])], 1, 1000),
        ([(-1, weights(input_tokens=1))], -1, 1000),
        ([(-1, weights(input_tokens=1))], 1, 0),
        ([(-1, weights(input_tokens=2**63))], 1, 2**64),
        ([(-1, weights(input_tokens=2**62))], 2**40, 2**62),
        ([(-1, weights(input_tokens=2**40, output_tokens=-(2**40)))], 1, 1),
        ([(-1, weights())], 2**63, 1000),
        ([(-1, weights())], 1, 2**63),
    ],
)
def test_what_could_overflow_for_some_row_is_refused(tiers: Tiers, ratio: int, divisor: int) -> None:
    with pytest.raises((ValueError, OverflowError)):
        price(tiers, ratio, divisor)
