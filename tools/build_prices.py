"""Compile the price data of the installed genai-prices into the package's price book.

Run by ``setup.py`` while the package is built, and by ``make prices`` after an update of genai-prices. The output is
a function of the installed version alone. Rates become whole pico-USD a count; a rate that is not whole is the
rounding error of somebody's float (0.18000000000000002 USD a million) and is rounded to the nearest, which is
reported. Nothing here is imported at run time.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from datetime import date, time
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import genai_prices  # noqa: E402 - the package of the tree must be importable first
from genai_prices import types as g  # noqa: E402
from genai_prices.data import providers as source_providers  # noqa: E402
from genai_prices.units import UnitDef, UnitRegistry, _get_registry  # noqa: E402

from fastgw.domain.usage import UNITS  # noqa: E402
from fastgw.spend.catalog import BookFile, ModelRow, ProviderRow  # noqa: E402
from fastgw.spend.match import Clause  # noqa: E402
from fastgw.spend.price import Period, Rate, Variant  # noqa: E402
from fastgw.spend.units import ANCESTORS, COUNTS_PER_RATE  # noqa: E402

PICO_PER_USD = 10**12
LEAVES = {
    g.ClauseEquals: ("equals", "equals"),
    g.ClauseStartsWith: ("prefix", "starts_with"),
    g.ClauseEndsWith: ("suffix", "ends_with"),
    g.ClauseContains: ("contains", "contains"),
}
URL = re.compile(r"https?://[^\s,;)'\"]+[^\s,;)'\".]")
ISO_DATE = re.compile(r"\b20\d\d-\d\d-\d\d\b")
# Not in the data but in the code of genai-prices: the shortest audio that this provider bills.
MINIMUM_SECONDS = {("groq", "whisper-large-v3"): 10, ("groq", "whisper-large-v3-turbo"): 10}


class Compiler:
    def __init__(self, registry: UnitRegistry) -> None:
        self.registry = registry
        self.rounded: list[str] = []

    def clause(self, clause: Any) -> Clause:
        if isinstance(clause, g.ClauseOr):
            return Clause("or", parts=tuple(self.clause(part) for part in clause.or_))
        if isinstance(clause, g.ClauseAnd):
            return Clause("and", parts=tuple(self.clause(part) for part in clause.and_))
        if isinstance(clause, g.ClauseRegex):
            re.compile(clause.regex)
            return Clause("regex", clause.regex)
        kind, attribute = LEAVES[type(clause)]
        return Clause(kind, getattr(clause, attribute).lower())

    def pico(self, usd: Decimal, unit: UnitDef, where: str) -> int:
        exact = usd * PICO_PER_USD * COUNTS_PER_RATE.get(unit.usage_key, 1) / unit.per
        whole = exact.to_integral_value(ROUND_HALF_EVEN)
        if whole != exact:
            self.rounded.append(f"{where}: {usd}")
        return int(whole)

    def rates(self, prices: g.ModelPrice, where: str) -> dict[str, Rate]:
        rates: dict[str, Rate] = {}
        for key, value in prices.__dict__.items():
            if value is None:
                continue
            unit = self.registry.unit_for_price_key(key)
            if unit.usage_key not in UNITS:
                raise SystemExit(f"{where}: {unit.usage_key} is priced but is not a unit of fastgw.domain.usage")
            place = f"{where} {unit.usage_key}"
            if isinstance(value, g.TieredPrices):
                tiers = tuple((tier.start, self.pico(tier.price, unit, place)) for tier in value.tiers)
                rates[unit.usage_key] = (self.pico(value.base, unit, place), tiers)
            else:
                rates[unit.usage_key] = self.pico(value, unit, place)
        return dict(sorted(rates.items()))

    def period(self, prices: g.ModelPrice, constraint: Any, where: str) -> Period:
        rates = self.rates(prices, where)
        if isinstance(constraint, g.StartDateConstraint):
            return Period(rates, from_date=constraint.start_date)
        if isinstance(constraint, g.TimeOfDateConstraint):
            return Period(rates, window=(seconds(constraint.start_time), seconds(constraint.end_time)))
        return Period(rates)

    def periods(self, model: g.ModelInfo, where: str) -> tuple[Period, ...]:
        if isinstance(model.prices, g.ModelPrice):
            return (self.period(model.prices, None, where),)
        first, *later = model.prices
        # The first one is also what holds when none is active, so its own constraint never matters.
        return (
            self.period(first.prices, None, where),
            *(self.period(item.prices, item.constraint, where) for item in later),
        )

    def model(self, provider: g.Provider, model: g.ModelInfo) -> ModelRow:
        where = f"{provider.id}/{model.id}"
        periods = self.periods(model, where)
        variants = tuple(
            Variant(dict(sorted(item.when.items())), self.period(item.prices, item.constraint, where))
            for item in model.price_variants or ()
        )
        comments = model.price_comments or ""
        urls = URL.findall(comments)
        return ModelRow(
            id=model.id,
            match=self.clause(model.match),
            periods=raw(periods),
            variants=raw(variants),
            minimum_seconds=MINIMUM_SECONDS.get((provider.id, model.id), 0),
            source=urls[0] if urls else "",
            dated=latest_date(comments, (*periods, *(variant.period for variant in variants))),
        )

    def provider(self, provider: g.Provider) -> ProviderRow:
        return ProviderRow(
            id=provider.id,
            models=raw([self.model(provider, model) for model in provider.models]),
            source=(provider.pricing_urls or [""])[0],
            match=self.clause(provider.provider_match) if provider.provider_match is not None else None,
            fallbacks=tuple(provider.fallback_model_providers or ()),
        )


def seconds(value: time) -> int:
    offset = value.utcoffset()
    total = value.hour * 3600 + value.minute * 60 + value.second
    return (total - int(offset.total_seconds() if offset else 0)) % 86_400


def latest_date(comments: str, periods: Iterable[Period]) -> date | None:
    stated = [period.from_date for period in periods if period.from_date is not None]
    for text in ISO_DATE.findall(comments):
        try:
            stated.append(date.fromisoformat(text))
        except ValueError:
            continue
    return max(stated, default=None)


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def check_units(registry: UnitRegistry) -> None:
    for unit, ancestors in ANCESTORS.items():
        if registry.ancestor_usage_keys(unit) & set(UNITS) != ancestors:
            raise SystemExit(f"{unit}: genai-prices has another idea of what contains it; see fastgw.spend.units")


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Compile the installed genai-prices into the price book.", allow_abbrev=False
    )
    parser.add_argument("--output", type=Path, default=ROOT / "fastgw" / "spend" / "data" / "prices.json")
    # Run from setup.py, the rest of the command line is setuptools'.
    arguments, _ = parser.parse_known_args()
    registry = _get_registry()
    check_units(registry)
    compiler = Compiler(registry)
    book = BookFile(
        version=f"genai-prices/{genai_prices.__version__}",
        providers=tuple(compiler.provider(provider) for provider in source_providers),
    )
    data = msgspec.json.encode(book)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_bytes(data)
    for line in compiler.rounded:
        print(f"rounded to whole pico-USD: {line}")
    models = sum(len(provider.models) for provider in source_providers)
    print(f"{arguments.output}: {book.version}, {len(book.providers)} providers, {models} models, {len(data)} bytes")


if __name__ == "__main__":
    main()
