"""One model's price: its periods, variants and tiers, and the compiled form that prices a call.

Invariant: money is exact. Rates are whole pico-USD a count (an hour of audio for seconds); regional uplifts and
discounts are fractions that stay in the numerator and denominator; the one rounding is the last step, half up.
Nothing here knows a model's name or a file.

A price is chosen in three steps, as genai-prices does it: the last period that is active at the time of the call; the
variants whose context matches, first one wins for each unit; the tier by the total of input tokens, strictly above
its threshold, for all tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from math import gcd, lcm
from operator import attrgetter, mul
from typing import Final

import msgspec

from fastgw._native.price_sum import PriceSum
from fastgw.domain.money import PICO_PER_NANO, NanoUsd, PicoUsd
from fastgw.domain.usage import COMMON_UNITS, RARE_UNITS, Usage
from fastgw.spend.ceiling import Ceiling, ceiling_of
from fastgw.spend.units import COUNTS_PER_RATE, is_token_unit, weights

Rate = int | tuple[int, tuple[tuple[int, int], ...]]
"""Pico-USD a count, or ``(base, ((above_input_tokens, rate), ...))`` in ascending order of the threshold."""
Context = Mapping[str, str]
"""What the request asked for or the answer said: ``service_tier``, ``processing``, ``speed``, ``route``."""

NS_PER_S: Final = 1_000_000_000
DAY_NS: Final = 86_400 * NS_PER_S
PER_MILLE: Final = 1_000
FULL_MILLIPERCENT: Final = 100_000
ALWAYS_FROM_NS: Final = -(2**62)
ALWAYS_UNTIL_NS: Final = 2**62
_counts: Final[Callable[[Usage], tuple[int, ...]]] = attrgetter(*COMMON_UNITS)
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()


class Period(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Rates and when they hold: from midnight UTC of ``from_date``, and within ``window`` (seconds of the UTC day,
    from and to).

    ``label`` names a configured price in full; a price of the book is named by its model and date.
    """

    rates: dict[str, Rate]
    from_date: date | None = None
    window: tuple[int, int] | None = None
    label: str = ""

    @property
    def from_ns(self) -> int:
        """Unix ns of the first moment, ``ALWAYS_FROM_NS`` when undated."""
        if self.from_date is None:
            return ALWAYS_FROM_NS
        return (self.from_date.toordinal() - _EPOCH_ORDINAL) * DAY_NS

    def is_active(self, at_unix_ns: int) -> bool:
        """Whether the rates hold at a moment; a window that ends before it starts runs over midnight."""
        if at_unix_ns < self.from_ns:
            return False
        if self.window is None:
            return True
        start_s, end_s = self.window
        second = at_unix_ns % DAY_NS // NS_PER_S
        if end_s < start_s:
            return second >= start_s or second < end_s
        return start_s <= second < end_s


class Variant(msgspec.Struct, frozen=True, gc=False):
    """Rates that replace the standard ones, unit by unit, when every member of ``when`` is in the context."""

    when: dict[str, str]
    period: Period

    def is_chosen(self, at_unix_ns: int, context: Context) -> bool:
        """Whether its rates apply to a call."""
        return self.period.is_active(at_unix_ns) and all(context.get(key) == value for key, value in self.when.items())


class ModelPrice(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Everything known about what a model costs.

    ``label`` names it for the ledger, ``source`` is the page it was read from, ``dated`` the latest date the data
    state for it, and ``minimum_seconds`` what any audio is billed at least.
    """

    periods: tuple[Period, ...]
    variants: tuple[Variant, ...] = ()
    minimum_seconds: int = 0
    label: str = ""
    source: str = ""
    dated: date | None = None

    def period_at(self, at_unix_ns: int) -> Period | None:
        """The last period that is active at a moment."""
        return next((period for period in reversed(self.periods) if period.is_active(at_unix_ns)), None)

    def span_at(self, at_unix_ns: int) -> tuple[int, int]:
        """The time around a moment in which no price changes: from (inclusive) and to (exclusive), Unix ns."""
        edges = [ALWAYS_FROM_NS, ALWAYS_UNTIL_NS]
        midnight = at_unix_ns - at_unix_ns % DAY_NS
        for period in (*self.periods, *(variant.period for variant in self.variants)):
            edges.append(period.from_ns)
            if period.window is not None:
                edges += [midnight, midnight + DAY_NS, *(midnight + second * NS_PER_S for second in period.window)]
        return max(edge for edge in edges if edge <= at_unix_ns), min(edge for edge in edges if edge > at_unix_ns)


class _Segment(msgspec.Struct, frozen=True, gc=False):
    """The weights above a threshold of input tokens."""

    above_input_tokens: int
    common: tuple[int, ...]
    rare: tuple[tuple[str, int], ...]
    fixed: int


class ActivePrice:
    """Rates compiled for one context and one stretch of time; pricing a call is a sum of a few products."""

    __slots__ = (
        "_double_scale",
        "_half",
        "_minimum_seconds",
        "_ratio",
        "_scale",
        "_segments",
        "from_ns",
        "until_ns",
        "version",
    )

    def __init__(
        self, rates: Mapping[str, Rate], *, per_mille: int = PER_MILLE, discount_millipercent: int = 0
    ) -> None:
        """``per_mille`` multiplies token rates only, the discount the whole sum. Such a price holds for ever."""
        self.from_ns = ALWAYS_FROM_NS
        self.until_ns = ALWAYS_UNTIL_NS
        self.version = ""
        self._minimum_seconds = 0
        scale = lcm(*(COUNTS_PER_RATE.get(unit, 1) for unit in rates)) * (1 if per_mille == PER_MILLE else PER_MILLE)
        self._scale = scale
        multipliers = {
            unit: scale // COUNTS_PER_RATE.get(unit, 1) * (per_mille if is_token_unit(unit) else PER_MILLE) // PER_MILLE
            for unit in rates
        }
        thresholds = {start for rate in rates.values() if isinstance(rate, tuple) for start, _ in rate[1]}
        sums = {
            above: weights({unit: _rate_above(rate, above) * multipliers[unit] for unit, rate in rates.items()})
            for above in sorted({-1, *thresholds}, reverse=True)
        }
        self._segments = tuple(
            _Segment(
                above,
                tuple(weight.get(unit, 0) for unit in COMMON_UNITS),
                tuple((unit, weight[unit]) for unit in RARE_UNITS if unit in weight),
                weight.get("requests", 0),
            )
            for above, weight in sums.items()
        )
        kept = FULL_MILLIPERCENT - discount_millipercent
        shared = gcd(kept, scale * PICO_PER_NANO * FULL_MILLIPERCENT)
        self._ratio = 2 * kept // shared
        self._double_scale = 2 * scale * PICO_PER_NANO * FULL_MILLIPERCENT // shared
        self._half = self._double_scale // 2

    def _sum(self, usage: Usage) -> int:
        input_tokens = usage.input_tokens
        for segment in self._segments:
            if input_tokens > segment.above_input_tokens:
                break
        total: int = sum(map(mul, _counts(usage), segment.common), segment.fixed)
        if segment.rare and usage.other is not None:
            other = usage.other
            if self._minimum_seconds:
                other = _with_minimum(other, self._minimum_seconds)
            for unit, weight in segment.rare:
                total += other.get(unit, 0) * weight
        return total

    def pico_usd(self, usage: Usage) -> PicoUsd:
        """The cost of a call before any discount, exact but for audio by the hour and odd uplifts (then half up)."""
        if self._scale == 1:
            return PicoUsd(self._sum(usage))
        return PicoUsd((2 * self._sum(usage) + self._scale) // (2 * self._scale))

    def nano_usd(self, usage: Usage) -> NanoUsd:
        """The cost of a call after uplift and discount, rounded half up once."""
        return NanoUsd((self._sum(usage) * self._ratio + self._half) // self._double_scale)

    def summed(self) -> PriceSum | None:
        """The same for rows of the ledger, compiled; ``None`` when that cannot be exact for every row."""
        tiers = [(segment.above_input_tokens, (*segment.common, segment.fixed)) for segment in self._segments]
        try:
            return PriceSum(
                tiers,
                self._ratio,
                self._double_scale,
                version=self.version,
                from_ns=self.from_ns,
                until_ns=self.until_ns,
            )
        except (OverflowError, ValueError):
            return None

    def ceiling(self, *, dearest: bool, media: bool) -> Ceiling:
        """The most that a call can cost: see :func:`ceiling_of`."""
        tiers = [(segment.common, segment.fixed) for segment in self._segments]
        return ceiling_of(tiers, self._ratio, self._double_scale, dearest=dearest, media=media)

    @classmethod
    def of(
        cls,
        price: ModelPrice,
        at_unix_ns: int,
        context: Context,
        *,
        per_mille: int = PER_MILLE,
        discount_millipercent: int = 0,
    ) -> ActivePrice | None:
        """The price of a model at a moment and in a context, ``None`` when no period has begun."""
        period = price.period_at(at_unix_ns)
        if period is None:
            return None
        rates, chosen = dict(period.rates), {}
        for variant in reversed(price.variants):
            if variant.is_chosen(at_unix_ns, context):
                rates.update(variant.period.rates)
                chosen.update(variant.when)
        active = cls(rates, per_mille=per_mille, discount_millipercent=discount_millipercent)
        active.from_ns, active.until_ns = price.span_at(at_unix_ns)
        active._minimum_seconds = price.minimum_seconds
        active.version = _version(price, period, chosen)
        return active


def cost_pico_usd(price: ModelPrice, usage: Usage, at_unix_ns: int, context: Context) -> PicoUsd | None:
    """The list price of one call, ``None`` when no period has begun.

    It compiles the price each time: for many calls keep the :class:`ActivePrice`.
    """
    active = ActivePrice.of(price, at_unix_ns, context)
    return None if active is None else active.pico_usd(usage)


def _rate_above(rate: Rate, above_input_tokens: int) -> int:
    if isinstance(rate, int):
        return rate
    base, tiers = rate
    for start, tier_rate in tiers:
        if start <= above_input_tokens:
            base = tier_rate
    return base


def _with_minimum(other: Mapping[str, int], minimum_seconds: int) -> dict[str, int]:
    seconds = other.get("audio_seconds") or other.get("input_audio_seconds") or 0
    billed = max(seconds, minimum_seconds) if seconds else 0
    return {**other, "audio_seconds": billed, "input_audio_seconds": billed}


def _version(price: ModelPrice, period: Period, chosen: Mapping[str, str]) -> str:
    text = period.label or price.label
    if not period.label and period.from_date is not None:
        text += f"@{period.from_date.isoformat()}"
    if period.window is not None:
        text += "@{:02d}:{:02d}-{:02d}:{:02d}Z".format(
            *divmod(period.window[0] // 60, 60), *divmod(period.window[1] // 60, 60)
        )
    return text + "".join(f";{key}={value}" for key, value in sorted(chosen.items()))
