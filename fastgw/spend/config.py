"""Prices in the configuration: private prices, dated and tiered rows, discounts, and the shipped regional overlay.

Invariant: a number that is written is charged exactly or refused with its path: rates become whole pico-USD,
discounts whole thousandths of a percent, and no float takes part in that (a TOML float is read by its shortest
decimal text, which is what was typed). Finding the rows that apply to a target is ``fastgw.spend.pricer``'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Final

import msgspec

from fastgw.domain.errors import ConfigError
from fastgw.spend.price import Period, Rate
from fastgw.spend.units import ANCESTORS

MAX_USD: Final = 1_000_000
"""The dearest rate that is taken for meant: a million USD for a million tokens, or for a request."""

Number = (
    Annotated[int, msgspec.Meta(ge=0)]
    | Annotated[float, msgspec.Meta(ge=0)]
    | Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,12}(\.[0-9]{1,18})?$")]
)
"""A decimal number, as a TOML number or as text."""


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rates in USD a million tokens, and USD a request. What is not named is charged as the wider unit, or not at all.

    ``cache_write_5m`` is the rate of every cache write but those of one hour. Cached audio and image tokens cost
    ``cached_input``, as cached text does.
    """

    input_usd_per_mtok: Number | None = None
    output_usd_per_mtok: Number | None = None
    cached_input_usd_per_mtok: Number | None = None
    cache_write_5m_usd_per_mtok: Number | None = None
    cache_write_1h_usd_per_mtok: Number | None = None
    reasoning_usd_per_mtok: Number | None = None
    input_audio_usd_per_mtok: Number | None = None
    output_audio_usd_per_mtok: Number | None = None
    input_image_usd_per_mtok: Number | None = None
    output_image_usd_per_mtok: Number | None = None
    request_usd: Number | None = None


class PriceTier(Price, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rates for all tokens of a call with more than ``above_input_tokens``; the row's own where none is given."""

    above_input_tokens: Annotated[int, msgspec.Meta(ge=1, lt=2**31)]


class PriceRow(Price, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[prices]]``: the price of a provider's models, by glob, from midnight UTC of a date, in a region.

    Of the rows that apply, one with a region comes before one without, then the latest ``from_date``, then the first
    written.
    """

    provider: Annotated[str, msgspec.Meta(min_length=1)]
    models: Annotated[tuple[Annotated[str, msgspec.Meta(min_length=1)], ...], msgspec.Meta(min_length=1)]
    region: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    from_date: date | None = None
    tiers: tuple[PriceTier, ...] = ()


class ProviderPricing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider's own table: a private price for all its models, and a discount on whatever it charges."""

    price: Price | None = None
    discount_percent: Number = 0


class RegionRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row of the shipped regional overlay: a factor on the token rates of the price book, or rates of its own.

    ``provider`` is the price book's name. A target has the price when its configured region is one of ``regions``.
    """

    provider: Annotated[str, msgspec.Meta(min_length=1)]
    models: Annotated[tuple[Annotated[str, msgspec.Meta(min_length=1)], ...], msgspec.Meta(min_length=1)]
    regions: Annotated[tuple[Annotated[str, msgspec.Meta(min_length=1)], ...], msgspec.Meta(min_length=1)]
    source: Annotated[str, msgspec.Meta(pattern="^https://")]
    checked: date
    multiplier_per_mille: Annotated[int, msgspec.Meta(ge=1, le=100_000)] | None = None
    price: Price | None = None


class _RegionFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rows: tuple[RegionRow, ...]


def load_regions(data: bytes) -> tuple[RegionRow, ...]:
    """The rows of a regional overlay file (TOML). Raises :class:`ConfigError`."""
    try:
        rows = msgspec.toml.decode(data, type=_RegionFile).rows
    except (msgspec.MsgspecError, ValueError) as error:
        raise ConfigError("regions", str(error)) from error
    for position, row in enumerate(rows):
        if (row.multiplier_per_mille is None) == (row.price is None):
            raise ConfigError(f"regions.rows[{position}]", "expected exactly one of multiplier_per_mille and price")
    return rows


_UNIT_OF: Final = {
    "input_usd_per_mtok": "input_tokens",
    "output_usd_per_mtok": "output_tokens",
    "cached_input_usd_per_mtok": "cache_read_tokens",
    "cache_write_5m_usd_per_mtok": "cache_write_tokens",
    "cache_write_1h_usd_per_mtok": "cache_write_1h_tokens",
    "reasoning_usd_per_mtok": "output_reasoning_tokens",
    "input_audio_usd_per_mtok": "input_audio_tokens",
    "output_audio_usd_per_mtok": "output_audio_tokens",
    "input_image_usd_per_mtok": "input_image_tokens",
    "output_image_usd_per_mtok": "output_image_tokens",
    "request_usd": "requests",
}
_FIELD_OF: Final = {unit: field for field, unit in _UNIT_OF.items()}
_WHOLES: Final = {"input_tokens", "output_tokens"}
_MEDIA_READS: Final = {"input_audio_tokens": "cache_audio_read_tokens", "input_image_tokens": "cache_image_read_tokens"}
_MTOK_DECIMALS: Final = 6
"""One pico-USD a token is 0.000001 USD a million tokens."""
_REQUEST_DECIMALS: Final = 12
_PERCENT_DECIMALS: Final = 3


def _exact(value: Number, path: str, *, maximum: int, decimals: int) -> int:
    """A number times ``10 ** decimals``, refused when that is not whole or it is out of range."""
    number = Decimal(repr(value) if isinstance(value, float) else value)
    if not number.is_finite() or not 0 <= number <= maximum:
        raise ConfigError(path, f"expected a number from 0 to {maximum}, got {value}")
    scaled = number.scaleb(decimals)
    if scaled != scaled.to_integral_value():
        raise ConfigError(path, f"expected at most {decimals} decimals, got {value}")
    return int(scaled)


def discount_millipercent(value: Number, path: str) -> int:
    """A discount in thousandths of a percent, 0 to 100,000. More than three decimals raise :class:`ConfigError`."""
    return _exact(value, path, maximum=100, decimals=_PERCENT_DECIMALS)


def rates_of(price: Price, path: str) -> dict[str, int]:
    """Pico-USD a count by unit, of what is named. What is not whole raises :class:`ConfigError`."""
    rates: dict[str, int] = {}
    for field, unit in _UNIT_OF.items():
        value: Number | None = getattr(price, field)
        if value is not None:
            decimals = _REQUEST_DECIMALS if unit == "requests" else _MTOK_DECIMALS
            rates[unit] = _exact(value, f"{path}.{field}", maximum=MAX_USD, decimals=decimals)
    return rates


def period_of(price: Price, path: str, *, from_date: date | None = None, tiers: tuple[PriceTier, ...] = ()) -> Period:
    """A configured price as a period, named ``config:<path>``.

    Raises:
        ConfigError: no rate at all, a part priced without its whole, tiers out of order or with a rate the row lacks.
    """
    base = rates_of(price, path)
    if not base:
        raise ConfigError(path, "expected at least one rate, got none")
    for unit in base:
        for missing in sorted((ANCESTORS[unit] & _WHOLES) - base.keys()):
            raise ConfigError(f"{path}.{_FIELD_OF[unit]}", f"expected {_FIELD_OF[missing]} beside it, got none")
    rates = _with_tiers(base, tiers, path)
    for media, both in _MEDIA_READS.items():
        if media in rates and "cache_read_tokens" in rates:
            rates[both] = rates["cache_read_tokens"]
    return Period(rates, from_date=from_date, label=f"config:{path}")


def _with_tiers(base: Mapping[str, int], tiers: tuple[PriceTier, ...], path: str) -> dict[str, Rate]:
    steps: dict[str, list[tuple[int, int]]] = {unit: [] for unit in base}
    previous = 0
    for position, tier in enumerate(tiers):
        where = f"{path}.tiers[{position}]"
        if tier.above_input_tokens <= previous:
            raise ConfigError(
                f"{where}.above_input_tokens", f"expected more than {previous}, got {tier.above_input_tokens}"
            )
        previous = tier.above_input_tokens
        for unit, rate in rates_of(tier, where).items():
            if unit not in steps:
                raise ConfigError(f"{where}.{_FIELD_OF[unit]}", "expected the same field on the row itself, got none")
            steps[unit].append((tier.above_input_tokens, rate))
    return {unit: (rate, tuple(steps[unit])) if steps[unit] else rate for unit, rate in base.items()}
