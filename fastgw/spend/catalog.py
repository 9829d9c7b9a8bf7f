"""The price book: the compiled public prices, and which of them a provider's model name means.

Invariant: a name that nobody lists has no price (``None``), never a price of zero; a listed model without rates is
free, which is how the data write that. A provider's part of the book is decoded when it is first asked for. The file is
made by ``tools/build_prices.py``; reading it from disk is the caller's.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import msgspec

from fastgw.domain.errors import ConfigError
from fastgw.spend.match import MAX_NAME_CHARS, Clause, ModelIndex, with_dashed_date
from fastgw.spend.price import ModelPrice, Period, Variant

REMEMBERED_NAMES: Final = 4096
"""Resolved names kept, found or not; the oldest goes first, so inventing names costs memory for this many."""


class ModelRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """A model as the file has it. ``match`` decides which names mean it."""

    id: str
    match: Clause
    periods: msgspec.Raw
    variants: msgspec.Raw = msgspec.Raw(b"[]")
    minimum_seconds: int = 0
    source: str = ""
    dated: date | None = None


class ProviderRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """A provider as the file has it: ``match`` for its other names, ``fallbacks`` whose models it also serves."""

    id: str
    models: msgspec.Raw
    source: str = ""
    match: Clause | None = None
    fallbacks: tuple[str, ...] = ()


class BookFile(msgspec.Struct, frozen=True):
    """The whole file. The order of providers and of their models is their precedence."""

    version: str
    providers: tuple[ProviderRow, ...]


_decode_models = msgspec.json.Decoder(list[ModelRow]).decode
_decode_periods = msgspec.json.Decoder(tuple[Period, ...]).decode
_decode_variants = msgspec.json.Decoder(tuple[Variant, ...]).decode


class _Models:
    """One provider's models, decoded."""

    __slots__ = ("index", "rows")

    def __init__(self, provider: ProviderRow) -> None:
        self.rows = _decode_models(provider.models)
        self.index = ModelIndex(row.match for row in self.rows)


class PriceBook:
    """Public prices by provider and model name."""

    __slots__ = ("_models", "_providers", "_resolved", "version")

    def __init__(self, file: BookFile) -> None:
        self.version = file.version
        self._providers = {row.id: row for row in file.providers}
        self._models: dict[str, _Models] = {}
        self._resolved: dict[tuple[str, str], ModelPrice | None] = {}

    @classmethod
    def load(cls, data: bytes) -> PriceBook:
        """The book of a compiled file. Raises :class:`ConfigError` for anything else."""
        try:
            return cls(msgspec.json.decode(data, type=BookFile))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ConfigError("", f"the price book cannot be read: {error}") from error

    def canonical_id(self, provider_id: str) -> str | None:
        """The book's own name for a provider (``bedrock`` is ``aws``), ``None`` for one it does not have."""
        name = provider_id.lower().strip()
        if name in self._providers:
            return name
        return next(
            (row.id for row in self._providers.values() if row.match is not None and row.match.is_match(name)), None
        )

    def resolve(self, provider_id: str, model: str) -> ModelPrice | None:
        """The price of a model at a provider, ``None`` when the book has none. Remembered, so a second look costs one
        hash.

        The first model of the provider that matches is taken, else the first one of the providers it falls back to,
        whose variants (batch, flex) are theirs alone; a date written without dashes is tried with them.
        """
        key = (provider_id, model)
        if key in self._resolved:
            return self._resolved[key]
        price = self._find(provider_id, model.lower()) if len(model) <= MAX_NAME_CHARS else None
        if len(self._resolved) >= REMEMBERED_NAMES:
            del self._resolved[next(iter(self._resolved))]
        self._resolved[key] = price
        return price

    def _find(self, provider_id: str, model: str) -> ModelPrice | None:
        canonical = self.canonical_id(provider_id)
        if canonical is None:
            return None
        provider = self._providers[canonical]
        for name in dict.fromkeys((model, with_dashed_date(model))):
            for candidate in (provider.id, *provider.fallbacks):
                row = self._row(candidate, name)
                if row is not None:
                    return self._price(self._providers[candidate], row, own=candidate == provider.id)
        return None

    def _row(self, provider_id: str, name: str) -> ModelRow | None:
        models = self._models.get(provider_id)
        if models is None:
            if provider_id not in self._providers:
                return None
            models = self._models[provider_id] = _Models(self._providers[provider_id])
        position = models.index.find(name)
        return None if position is None else models.rows[position]

    def _price(self, provider: ProviderRow, row: ModelRow, *, own: bool) -> ModelPrice:
        return ModelPrice(
            periods=_decode_periods(row.periods),
            variants=_decode_variants(row.variants) if own else (),
            minimum_seconds=row.minimum_seconds,
            label=f"{self.version}:{provider.id}/{row.id}",
            source=row.source or provider.source,
            dated=row.dated,
        )
