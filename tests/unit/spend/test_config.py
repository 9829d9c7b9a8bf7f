from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec
import pytest

import fastgw.spend
from fastgw.domain.errors import ConfigError
from fastgw.spend.config import (
    Price,
    PriceRow,
    PriceTier,
    ProviderPricing,
    discount_millipercent,
    load_regions,
    period_of,
    rates_of,
)


def price(toml: str) -> Price:
    return msgspec.toml.decode(toml, type=Price)


def test_each_field_is_the_rate_of_its_unit() -> None:
    toml = """
        input_usd_per_mtok = 2.5
        output_usd_per_mtok = "10"
        cached_input_usd_per_mtok = 0.000001
        cache_write_5m_usd_per_mtok = 3
        cache_write_1h_usd_per_mtok = 4
        reasoning_usd_per_mtok = 5
        input_audio_usd_per_mtok = 6
        output_audio_usd_per_mtok = 7
        input_image_usd_per_mtok = 8
        output_image_usd_per_mtok = 9
        request_usd = "0.000000000001"
    """
    assert rates_of(price(toml), "p") == {
        "input_tokens": 2_500_000,
        "output_tokens": 10_000_000,
        "cache_read_tokens": 1,
        "cache_write_tokens": 3_000_000,
        "cache_write_1h_tokens": 4_000_000,
        "output_reasoning_tokens": 5_000_000,
        "input_audio_tokens": 6_000_000,
        "output_audio_tokens": 7_000_000,
        "input_image_tokens": 8_000_000,
        "output_image_tokens": 9_000_000,
        "requests": 1,
    }


@pytest.mark.parametrize("written", ["0.1", "0.3", "1.1", "0.000003", "2.345678", "1e-6", "'0.1'", "7"])
def test_a_float_means_what_was_typed(written: str) -> None:
    typed = float(written.strip("'"))
    assert rates_of(price(f"input_usd_per_mtok = {written}"), "p")["input_tokens"] == round(typed * 10**6)


@pytest.mark.parametrize(
    "written", ["0.0000001", "'0.1234567'", "inf", "1000001", "'1000000.000001'", "1e300", "'999999999999'"]
)
def test_a_number_that_is_not_whole_or_not_believable_is_refused(written: str) -> None:
    with pytest.raises(ConfigError) as refused:
        rates_of(price(f"input_usd_per_mtok = {written}"), "providers.mine.price")
    assert refused.value.path == "providers.mine.price.input_usd_per_mtok"


@pytest.mark.parametrize("written", ["-1", "-0.5", "'-1'", "'1e3'", "'a'", "true", "[1]", "'1.'", "''", "nan"])
def test_what_is_no_price_is_refused_by_its_type(written: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$.input_usd_per_mtok"):
        price(f"input_usd_per_mtok = {written}")


def test_a_request_may_cost_a_pico_but_not_less() -> None:
    with pytest.raises(ConfigError, match="12 decimals") as refused:
        rates_of(price("request_usd = '0.0000000000005'"), "p")
    assert refused.value.path == "p.request_usd"


def test_unknown_fields_are_typos() -> None:
    with pytest.raises(msgspec.ValidationError, match="input_usd_per_token"):
        price("input_usd_per_token = 1")


@pytest.mark.parametrize(
    ("written", "millipercent"), [(0, 0), (12.5, 12_500), ("33.333", 33_333), (100, 100_000), (0.001, 1)]
)
def test_discounts_have_three_decimals(written: float | str, millipercent: int) -> None:
    assert discount_millipercent(written, "d") == millipercent


@pytest.mark.parametrize("written", [100.001, "101", 0.0001, "33.3333", float("nan")])
def test_other_discounts_are_refused(written: float | str) -> None:
    with pytest.raises(ConfigError) as refused:
        discount_millipercent(written, "providers.x.discount_percent")
    assert refused.value.path == "providers.x.discount_percent"


def test_a_period_has_its_date_label_and_cached_media() -> None:
    row = price("input_usd_per_mtok = 2\ncached_input_usd_per_mtok = 1\ninput_audio_usd_per_mtok = 9")
    period = period_of(row, "prices[2]", from_date=date(2026, 2, 3))
    assert (period.label, period.from_date) == ("config:prices[2]", date(2026, 2, 3))
    assert period.rates["cache_audio_read_tokens"] == 1_000_000
    assert "cache_image_read_tokens" not in period.rates


@pytest.mark.parametrize(
    ("toml", "path"),
    [
        ("", "p"),
        ("cached_input_usd_per_mtok = 1", "p.cached_input_usd_per_mtok"),
        ("output_usd_per_mtok = 1\ncache_write_1h_usd_per_mtok = 1", "p.cache_write_1h_usd_per_mtok"),
        ("input_usd_per_mtok = 1\noutput_audio_usd_per_mtok = 1", "p.output_audio_usd_per_mtok"),
    ],
)
def test_a_price_that_would_charge_by_accident_is_refused(toml: str, path: str) -> None:
    with pytest.raises(ConfigError) as refused:
        period_of(price(toml), "p")
    assert refused.value.path == path


def test_tiers_take_the_rows_rates_where_they_have_none() -> None:
    tiers = (
        PriceTier(above_input_tokens=100, input_usd_per_mtok=2),
        PriceTier(above_input_tokens=200, input_usd_per_mtok=3, output_usd_per_mtok=9),
    )
    period = period_of(Price(input_usd_per_mtok=1, output_usd_per_mtok=5), "p", tiers=tiers)
    assert period.rates == {
        "input_tokens": (1_000_000, ((100, 2_000_000), (200, 3_000_000))),
        "output_tokens": (5_000_000, ((200, 9_000_000),)),
    }


@pytest.mark.parametrize(
    ("tiers", "path"),
    [
        ((PriceTier(above_input_tokens=5), PriceTier(above_input_tokens=5)), "p.tiers[1].above_input_tokens"),
        ((PriceTier(above_input_tokens=5, request_usd=1),), "p.tiers[0].request_usd"),
        ((PriceTier(above_input_tokens=5, input_usd_per_mtok="0.1234567"),), "p.tiers[0].input_usd_per_mtok"),
    ],
)
def test_tiers_that_make_no_sense_are_refused(tiers: tuple[PriceTier, ...], path: str) -> None:
    with pytest.raises(ConfigError) as refused:
        period_of(Price(input_usd_per_mtok=1), "p", tiers=tiers)
    assert refused.value.path == path


def test_the_tables_read_from_toml() -> None:
    class Root(msgspec.Struct, forbid_unknown_fields=True):
        providers: dict[str, ProviderPricing]
        prices: tuple[PriceRow, ...]

    root = msgspec.toml.decode(
        """
        [providers.onprem]
        price = { input_usd_per_mtok = 0, output_usd_per_mtok = 0 }
        discount_percent = 2.5
        [[prices]]
        provider = "onprem"
        models = ["llama*"]
        region = "eu"
        from_date = 2026-05-01
        input_usd_per_mtok = "0.1"
        [[prices.tiers]]
        above_input_tokens = 1000
        input_usd_per_mtok = 0.2
        """,
        type=Root,
    )
    assert root.prices[0].from_date == date(2026, 5, 1)
    assert root.prices[0].tiers == (PriceTier(above_input_tokens=1000, input_usd_per_mtok=0.2),)
    assert root.providers["onprem"].discount_percent == 2.5


def test_the_shipped_regions_are_sourced_and_dated() -> None:
    rows = load_regions((Path(fastgw.spend.__file__).parent / "data" / "regions.toml").read_bytes())
    assert {row.provider for row in rows} == {"openai", "anthropic", "together"}
    assert all(row.checked >= date(2026, 11, 1) for row in rows)


ROW = 'rows = [{provider = "x", models = ["*"], regions = ["us"], source = "https://x", checked = 2026-01-01%s}]'


@pytest.mark.parametrize(
    "toml",
    [
        ROW % "",
        ROW % ", multiplier_per_mille = 1100, price = { input_usd_per_mtok = 1 }",
        ROW % ", multiplier_per_mille = 0",
        ROW % ", multiplier = 2",
        "rows = 1",
        "rows = [",
    ],
)
def test_a_region_file_that_is_not_clear_is_refused(toml: str) -> None:
    with pytest.raises(ConfigError, match=r"^regions"):
        load_regions(toml.encode())
