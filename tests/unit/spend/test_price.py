from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from fastgw.domain.money import round_pico_to_nano
from fastgw.domain.usage import MAX_COUNT, Usage, usage_of
from fastgw.spend.catalog import PriceBook
from fastgw.spend.price import (
    ALWAYS_FROM_NS,
    ALWAYS_UNTIL_NS,
    ActivePrice,
    ModelPrice,
    Period,
    Variant,
    cost_pico_usd,
)

SECOND = 10**9


def ns(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * SECOND


def test_each_token_is_charged_once_at_its_own_rate() -> None:
    active = ActivePrice({"input_tokens": 10, "cache_read_tokens": 1, "output_tokens": 100, "web_searches": 7_000})
    usage = usage_of({"input_tokens": 1000, "cache_read_tokens": 900, "output_tokens": 5, "web_searches": 2})
    assert active.pico_usd(usage) == 100 * 10 + 900 * 1 + 5 * 100 + 2 * 7_000


def test_a_price_for_a_request_is_charged_once() -> None:
    active = ActivePrice({"requests": 5_000_000, "output_tokens": 3})
    assert active.pico_usd(Usage()) == 5_000_000
    assert active.pico_usd(Usage(9, 2)) == 5_000_006


def test_the_largest_counts_and_rates_stay_exact() -> None:
    active = ActivePrice({"input_tokens": 10**12, "output_tokens": 10**12})
    assert active.nano_usd(Usage(MAX_COUNT, MAX_COUNT)) == 2 * MAX_COUNT * 10**9


def test_a_tier_begins_above_its_threshold_and_holds_for_all_tokens() -> None:
    active = ActivePrice({"input_tokens": (10, ((200_000, 20), (300_000, 30))), "output_tokens": (1, ((300_000, 2),))})
    assert active.pico_usd(Usage(200_000, 7)) == 200_000 * 10 + 7
    assert active.pico_usd(Usage(200_001, 7)) == 200_001 * 20 + 7
    assert active.pico_usd(Usage(300_000, 7)) == 300_000 * 20 + 7
    assert active.pico_usd(Usage(300_001, 7)) == 300_001 * 30 + 14
    assert active.pico_usd(Usage(0, 7)) == 7


def test_a_tier_of_the_public_book_begins_at_one_more_than_its_threshold(book: PriceBook) -> None:
    gemini = book.resolve("google", "gemini-2.5-pro")
    assert gemini is not None
    assert cost_pico_usd(gemini, Usage(200_000), ns(2026, 1, 1), {}) == 200_000 * 1_250_000
    assert cost_pico_usd(gemini, Usage(200_001), ns(2026, 1, 1), {}) == 200_001 * 2_500_000


def test_a_dated_price_begins_with_the_first_second_of_its_day() -> None:
    price = ModelPrice(
        (Period({"output_tokens": 5}), Period({"output_tokens": 3}, from_date=date(2026, 7, 30))), label="book:maker/m"
    )
    switch = ns(2026, 7, 30)
    before, after = ActivePrice.of(price, switch - 1, {}), ActivePrice.of(price, switch, {})
    assert before is not None
    assert after is not None
    assert (before.pico_usd(Usage(0, 1)), before.version) == (5, "book:maker/m")
    assert (after.pico_usd(Usage(0, 1)), after.version) == (3, "book:maker/m@2026-07-30")
    assert (before.from_ns, before.until_ns) == (ALWAYS_FROM_NS, switch)
    assert (after.from_ns, after.until_ns) == (switch, ALWAYS_UNTIL_NS)


def test_no_price_before_the_first_one_begins() -> None:
    price = ModelPrice((Period({"output_tokens": 3}, from_date=date(2026, 7, 30)),))
    assert ActivePrice.of(price, ns(2026, 7, 29), {}) is None
    assert cost_pico_usd(price, Usage(0, 1), ns(2026, 7, 29), {}) is None
    assert cost_pico_usd(price, Usage(0, 1), ns(2026, 7, 30), {}) == 3


@pytest.mark.parametrize(
    ("window", "hour", "minute", "rate"),
    [
        ((16 * 3600, 18 * 3600), 15, 59, 9),
        ((16 * 3600, 18 * 3600), 16, 0, 4),
        ((16 * 3600, 18 * 3600), 17, 59, 4),
        ((16 * 3600, 18 * 3600), 18, 0, 9),
        ((23 * 3600, 3600), 23, 0, 4),
        ((23 * 3600, 3600), 0, 59, 4),
        ((23 * 3600, 3600), 1, 0, 9),
        ((23 * 3600, 3600), 22, 59, 9),
    ],
)
def test_a_window_of_the_day_also_over_midnight(window: tuple[int, int], hour: int, minute: int, rate: int) -> None:
    price = ModelPrice((Period({"output_tokens": 9}), Period({"output_tokens": 4}, window=window)), label="x")
    at = ns(2026, 3, 4, hour, minute)
    active = ActivePrice.of(price, at, {})
    assert active is not None
    assert active.pico_usd(Usage(0, 1)) == rate
    assert ("Z" in active.version) == (rate == 4)
    for moment in (active.from_ns, active.until_ns - 1):
        assert cost_pico_usd(price, Usage(0, 1), moment, {}) == rate
    assert active.until_ns - active.from_ns <= 24 * 3600 * SECOND


def test_a_windowed_price_names_its_hours() -> None:
    price = ModelPrice((Period({"output_tokens": 4}, window=(5400, 61_200)),), label="x")
    active = ActivePrice.of(price, ns(2026, 3, 4, 2), {})
    assert active is not None
    assert active.version == "x@01:30-17:00Z"


def test_the_first_variant_that_matches_wins_unit_by_unit() -> None:
    price = ModelPrice(
        (Period({"input_tokens": 100, "output_tokens": 100}),),
        variants=(
            Variant({"service_tier": "flex", "speed": "slow"}, Period({"input_tokens": 1})),
            Variant(
                {"service_tier": "flex"}, Period({"input_tokens": 50, "output_tokens": 60}, from_date=date(2026, 1, 1))
            ),
            Variant({"service_tier": "flex"}, Period({"input_tokens": 70})),
        ),
        label="x",
    )
    usage = Usage(1, 1)
    assert cost_pico_usd(price, usage, ns(2026, 1, 1), {}) == 200
    assert cost_pico_usd(price, usage, ns(2026, 1, 1), {"service_tier": "FLEX"}) == 200
    assert cost_pico_usd(price, usage, ns(2026, 1, 1), {"service_tier": "flex"}) == 110
    assert cost_pico_usd(price, usage, ns(2025, 12, 31), {"service_tier": "flex"}) == 170
    assert cost_pico_usd(price, usage, ns(2026, 1, 1), {"service_tier": "flex", "speed": "slow"}) == 61
    active = ActivePrice.of(price, ns(2026, 1, 1), {"service_tier": "flex"})
    assert active is not None
    assert active.version == "x;service_tier=flex"


def test_seconds_are_priced_by_the_hour_without_loss() -> None:
    rate = 111 * 10**9
    active = ActivePrice({"audio_seconds": rate})
    assert active.pico_usd(usage_of({"audio_seconds": 3600})) == rate
    assert active.pico_usd(usage_of({"audio_seconds": 1})) == 30_833_333
    assert active.pico_usd(usage_of({"audio_seconds": 2})) == 61_666_667
    assert active.nano_usd(usage_of({"audio_seconds": 3})) == 92_500


def test_short_audio_is_billed_at_the_least_length(book: PriceBook) -> None:
    whisper = book.resolve("groq", "whisper-large-v3")
    assert whisper is not None

    def cost(**counts: int) -> int | None:
        return cost_pico_usd(whisper, usage_of(counts), ns(2026, 1, 1), {})

    assert cost(audio_seconds=1, input_audio_seconds=1) == cost(audio_seconds=10, input_audio_seconds=10)
    assert cost(audio_seconds=10) == cost(input_audio_seconds=3)
    assert cost(audio_seconds=11) != cost(audio_seconds=10)
    assert cost() == cost(web_searches=1) == 0


@pytest.mark.parametrize("millipercent", [0, 1, 12_500, 33_333, 99_999, 100_000])
@pytest.mark.parametrize("per_mille", [1000, 1100, 1, 1234])
def test_uplift_and_discount_are_exact_and_rounded_once(millipercent: int, per_mille: int) -> None:
    rates = {"input_tokens": 123_457, "output_tokens": 7, "requests": 999}
    active = ActivePrice(rates, per_mille=per_mille, discount_millipercent=millipercent)
    for tokens in (0, 1, 13, 1_000, 999_999):
        usage = Usage(tokens, tokens)
        tokens_pico = (123_457 + 7) * tokens
        # In thousandths of a pico-USD, times 100,000: whole numbers throughout.
        scaled = (tokens_pico * per_mille + 999 * 1000) * (100_000 - millipercent)
        unit = 1000 * 1000 * 100_000
        assert active.nano_usd(usage) == (2 * scaled + unit) // (2 * unit)


def test_without_uplift_and_discount_the_rounding_is_the_common_one() -> None:
    active = ActivePrice({"output_tokens": 1})
    for pico in (0, 499, 500, 501, 1_499, 1_500):
        assert active.nano_usd(Usage(0, pico)) == round_pico_to_nano(active.pico_usd(Usage(0, pico)))
