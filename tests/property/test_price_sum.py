"""What rows are charged is what exact integers of any size give, over the whole range of prices and counts."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw._native.ledger_record import LedgerRecord
from fastgw._native.price_sum import PriceSum
from fastgw.domain.usage import COMMON_UNITS, MAX_COUNT, Usage
from fastgw.spend.price import ActivePrice, Rate

COUNTS = st.integers(0, MAX_COUNT) | st.integers(0, 2000)
WEIGHTS = st.integers(-(2**52), 2**52) | st.integers(-2000, 2000)
PARTS = (
    "output_reasoning_tokens",
    "input_audio_tokens",
    "output_audio_tokens",
    "input_image_tokens",
    "output_image_tokens",
)


def row_of(usage: Usage) -> LedgerRecord:
    record = LedgerRecord(1, "r", 0, "k")
    write, write_1h = usage.cache_write_tokens, usage.cache_write_1h_tokens
    parts = (getattr(usage, name) for name in PARTS)
    record.itemise(
        usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, write, write_1h, *parts, usage.other
    )
    return record


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    counts = {unit: draw(COUNTS) for unit in COMMON_UNITS if draw(st.booleans())}
    # The writes of each life are parts of all writes: that is what a row relies on.
    write = counts.get("cache_write_tokens", 0)
    write_1h = min(counts.get("cache_write_1h_tokens", 0), write)
    write_5m = min(counts.get("cache_write_5m_tokens", 0), write - write_1h)
    return Usage(**(counts | {"cache_write_1h_tokens": write_1h, "cache_write_5m_tokens": write_5m}))


@given(
    usages(),
    st.lists(st.lists(WEIGHTS, min_size=12, max_size=12), min_size=1, max_size=4),
    st.lists(COUNTS, min_size=3, max_size=3, unique=True),
    st.integers(0, 200_000),
    st.integers(1, 2**50),
)
@settings(max_examples=200, deadline=None)
def test_a_row_costs_the_rounded_sum(
    usage: Usage, weights: list[list[int]], above: list[int], ratio: int, half_divisor: int
) -> None:
    thresholds = [*sorted(above, reverse=True)[: len(weights) - 1], -1]
    for tier in weights:
        tier[4] = 0  # the writes of 5 minutes, which a row does not tell apart
    try:
        price = PriceSum(
            zip(thresholds, weights, strict=True), ratio, 2 * half_divisor, version="v", from_ns=0, until_ns=1
        )
    except ValueError:
        assert max(sum(map(abs, tier)) for tier in weights) * 2**32 * ratio // (2 * half_divisor) > 2**62
        return
    record = row_of(usage)
    assert price.charge(record)
    tier = next(tier for start, tier in zip(thresholds, weights, strict=True) if usage.input_tokens > start)
    total = sum(weight * usage.count(unit) for weight, unit in zip(tier, (*COMMON_UNITS, "requests"), strict=True))
    assert record.cost_nano_usd == (total * ratio + half_divisor) // (2 * half_divisor)


AMOUNTS = st.integers(0, 6 * 10**8)
RATE: st.SearchStrategy[Rate] = AMOUNTS | st.tuples(
    AMOUNTS, st.lists(st.tuples(COUNTS, AMOUNTS), max_size=3).map(lambda tiers: tuple(sorted(tiers)))
)
RATES = st.dictionaries(st.sampled_from((*COMMON_UNITS, "requests", "web_searches", "audio_seconds")), RATE, min_size=1)


@given(RATES, usages(), st.integers(0, 3000), st.integers(0, 100_000))
@settings(max_examples=200, deadline=None)
def test_a_compiled_price_is_the_price(
    rates: dict[str, Rate], usage: Usage, per_mille: int, discount_millipercent: int
) -> None:
    active = ActivePrice(rates, per_mille=per_mille, discount_millipercent=discount_millipercent)
    summed = active.summed()
    record = row_of(usage)
    thresholds = {start for rate in rates.values() if isinstance(rate, tuple) for start, _ in rate[1]}
    if summed is None:
        assert len(thresholds) >= 4
    elif summed.charge(record):
        assert record.cost_nano_usd == active.nano_usd(usage)
    else:
        assert "cache_write_5m_tokens" in rates
        assert usage.cache_write_tokens > usage.cache_write_1h_tokens
