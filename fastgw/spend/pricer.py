"""What a target's calls cost: configured prices over regional ones over the price book, less the provider's discount.

Invariant: a target that nobody has priced is ``None`` (``unpriced``), at build time or, where a configured price has
yet to begin, at the call; it is never free by omission. Built once for each snapshot; reading files is the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from fastgw._native.ledger_record import LedgerRecord
from fastgw._native.price_sum import PriceSum
from fastgw.domain.errors import ConfigError
from fastgw.domain.money import NanoUsd
from fastgw.domain.usage import Usage
from fastgw.spend.catalog import PriceBook
from fastgw.spend.ceiling import Ceiling
from fastgw.spend.config import PriceRow, ProviderPricing, RegionRow, discount_millipercent, period_of
from fastgw.spend.match import is_glob_match
from fastgw.spend.price import PER_MILLE, ActivePrice, Context, ModelPrice, Period


class _Layer(msgspec.Struct, frozen=True):
    """One price of a target, and the factor on its token rates with the words that tell of it."""

    price: ModelPrice
    per_mille: int = PER_MILLE
    note: str = ""


def context_of(service_tier: str | None, region: str) -> dict[str, str]:
    """The context in which variants are chosen.

    ``service_tier`` is the provider's own word in its answer. ``batch`` also means ``processing=batch``, and ``fast``
    also ``speed=fast``, which is what Anthropic calls it. The region is the ``route`` of an aggregator.
    """
    context = {"route": region} if region else {}
    if service_tier:
        context["service_tier"] = service_tier
    if service_tier == "batch":
        context["processing"] = "batch"
    if service_tier == "fast":
        context["speed"] = "fast"
    return context


class TargetPrice:
    """The price of one target.

    It keeps what it compiled for the current period, one for each service tier that has a price of its own.
    """

    __slots__ = ("_active", "_ceilings", "_discount_millipercent", "_layers", "_region", "_sums", "_tiers")

    def __init__(self, layers: Sequence[_Layer], region: str, discount: int) -> None:
        self._layers = tuple(layers)
        self._region = region
        self._discount_millipercent = discount
        self._active: dict[str, ActivePrice] = {}
        self._sums: dict[str, PriceSum | None] = {}
        self._ceilings: dict[tuple[str | None, bool, bool], tuple[int, int, tuple[Ceiling, ...]]] = {}
        whens = [variant.when for layer in layers for variant in layer.price.variants]
        self._tiers = frozenset(word for when in whens for key, word in when.items() if key != "route")

    def cost(self, usage: Usage, at_unix_ns: int, service_tier: str | None = None) -> tuple[NanoUsd, str] | None:
        """What a call costs and the name of the price that made it, ``None`` when no price has begun at that moment."""
        active = self._active.get(service_tier if service_tier in self._tiers else "")
        if active is None or not active.from_ns <= at_unix_ns < active.until_ns:
            active = self._activate(at_unix_ns, service_tier)
            if active is None:
                return None
        return active.nano_usd(usage), active.version

    def charge(self, row: LedgerRecord, service_tier: str | None, usage: Usage | None = None) -> None:
        """Write on a row what its counts cost, and the name of the price; no cost when no price has begun at its time.

        ``usage`` is what the row was itemised from, and tells what the row does not; without it the row has
        no counts but input, cached input, output and reasoning.
        """
        summed: PriceSum | None = self._sums.get(service_tier if service_tier in self._tiers else "")
        if summed is None or not summed.charge(row):
            if usage is None:
                cached, reasoning = row.cached_input_tokens, row.reasoning_tokens
                usage = Usage(row.input_tokens, row.output_tokens, cached, 0, 0, 0, reasoning)
            row.charge(*self.cost(usage, row.started_ns, service_tier) or (None, ""))

    def ceiling(self, at_unix_ns: int, service_tier: str | None, *, dearest: bool, media: bool) -> tuple[Ceiling, ...]:
        """The most that a call can cost, by each price that may be applied: of the tier that it asks for, or, if ``dearest``, of
        any. Empty when no price has begun."""
        asked = service_tier if service_tier in self._tiers else ""
        known = self._ceilings.get((asked, dearest, media))
        if known is not None and known[0] <= at_unix_ns < known[1]:
            return known[2]
        found: list[ActivePrice] = []
        for tier in sorted({asked or "", *(("", *self._tiers) if dearest else ())}):
            active = self._active.get(tier)
            if active is None or not active.from_ns <= at_unix_ns < active.until_ns:
                active = self._activate(at_unix_ns, tier or None)
            if active is not None:
                found.append(active)
        if not found:
            return ()
        ceilings = tuple(active.ceiling(dearest=dearest, media=media) for active in found)
        from_ns, until_ns = max(active.from_ns for active in found), min(active.until_ns for active in found)
        self._ceilings[asked, dearest, media] = from_ns, until_ns, ceilings
        return ceilings

    def sources(self) -> list[str]:
        """The pages the prices were read from, most important first; configured prices have none."""
        return [layer.price.source for layer in self._layers if layer.price.source]

    def _activate(self, at_unix_ns: int, service_tier: str | None) -> ActivePrice | None:
        tier = service_tier if service_tier in self._tiers else None
        context = context_of(tier, self._region)
        spans = [layer.price.span_at(at_unix_ns) for layer in self._layers]
        for layer in self._layers:
            active = self._compile(layer, at_unix_ns, context)
            if active is not None:
                active.from_ns = max(start for start, _ in spans)
                active.until_ns = min(end for _, end in spans)
                self._active[tier or ""] = active
                self._sums[tier or ""] = active.summed()
                return active
        return None

    def _compile(self, layer: _Layer, at_unix_ns: int, context: Context) -> ActivePrice | None:
        discount = self._discount_millipercent
        active = ActivePrice.of(
            layer.price, at_unix_ns, context, per_mille=layer.per_mille, discount_millipercent=discount
        )
        if active is not None:
            active.version += layer.note
            if discount:
                active.version += f";discount={discount // 1000}.{discount % 1000:03d}%"
        return active


class Pricer:
    """All prices of a configuration.

    Raises:
        ConfigError: from the constructor, for a number that cannot be charged exactly or a row for a provider that is
            not configured.
    """

    __slots__ = ("_book", "_discounts", "_private", "_regions", "_rows")

    def __init__(
        self,
        book: PriceBook,
        providers: Mapping[str, ProviderPricing],
        rows: Sequence[PriceRow] = (),
        regions: Sequence[RegionRow] = (),
    ) -> None:
        """``providers`` by configured name. Errors name ``prices[i]`` and ``providers.<name>``."""
        self._book = book
        self._discounts: dict[str, int] = {}
        self._private: dict[str, Period] = {}
        for name, provider in providers.items():
            path = f"providers.{name}"
            self._discounts[name] = discount_millipercent(provider.discount_percent, f"{path}.discount_percent")
            if provider.price is not None:
                self._private[name] = period_of(provider.price, f"{path}.price")
        self._rows: list[tuple[PriceRow, Period]] = []
        for position, row in enumerate(rows):
            if row.provider not in providers:
                raise ConfigError(
                    f"prices[{position}].provider", f"expected a configured provider, got {row.provider!r}"
                )
            self._rows.append((row, period_of(row, f"prices[{position}]", from_date=row.from_date, tiers=row.tiers)))
        self._regions = tuple(regions)

    def for_target(
        self, provider_name: str, price_source_id: str | None, model: str, region: str = ""
    ) -> TargetPrice | None:
        """The price of a provider's model in a region, ``None`` when there is none.

        ``provider_name`` is the configured one; ``price_source_id`` names the provider in the price book, ``None``
        for a server of one's own, which only the configuration can price.
        """
        layers = []
        periods = self._configured(provider_name, model, region)
        if periods:
            layers.append(_Layer(ModelPrice(periods)))
        if price_source_id is not None:
            layers += self._public(price_source_id, model, region)
        return TargetPrice(layers, region, self._discounts.get(provider_name, 0)) if layers else None

    def _configured(self, provider_name: str, model: str, region: str) -> tuple[Period, ...]:
        """Periods in ascending order of precedence: the private price, then rows."""
        private = self._private.get(provider_name)
        found = [
            (row, period)
            for row, period in reversed(self._rows)
            if row.provider == provider_name and row.region in {None, region} and is_glob_match(row.models, model)
        ]
        found.sort(key=lambda item: (item[0].region is not None, item[1].from_ns))
        return (*([private] if private is not None else []), *(period for _, period in found))

    def _public(self, price_source_id: str, model: str, region: str) -> list[_Layer]:
        canonical = self._book.canonical_id(price_source_id)
        public = self._book.resolve(price_source_id, model)
        for position, row in enumerate(self._regions):
            if row.provider != canonical or region not in row.regions or not is_glob_match(row.models, model):
                continue
            name = f"regions[{position}]"
            if row.price is not None:
                period = period_of(row.price, name)
                return [_Layer(ModelPrice((period,), source=row.source, dated=row.checked))]
            if public is not None and row.multiplier_per_mille is not None:
                return [_Layer(public, row.multiplier_per_mille, f";{name}={region}*{row.multiplier_per_mille}/1000")]
        return [_Layer(public)] if public is not None else []
