"""The oracle of pricing: genai-prices itself, offline, driven by usages made of disjoint kinds of tokens."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from genai_prices import types
from genai_prices.data import providers
from genai_prices.data_snapshot import DataSnapshot
from genai_prices.units import _get_registry

from fastgw.domain.usage import UNITS, Usage, usage_of

SNAPSHOT = DataSnapshot(providers=providers, from_auto_update=False)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Each kind of token or other count, and every unit that it counts in.
CELLS: dict[str, tuple[str, ...]] = {
    "plain input": ("input_tokens",),
    "cached": ("input_tokens", "cache_read_tokens"),
    "cached audio": ("input_tokens", "cache_read_tokens", "input_audio_tokens", "cache_audio_read_tokens"),
    "cached image": ("input_tokens", "cache_read_tokens", "input_image_tokens", "cache_image_read_tokens"),
    "written": ("input_tokens", "cache_write_tokens"),
    "written 5m": ("input_tokens", "cache_write_tokens", "cache_write_5m_tokens"),
    "written 1h": ("input_tokens", "cache_write_tokens", "cache_write_1h_tokens"),
    "audio": ("input_tokens", "input_audio_tokens"),
    "image": ("input_tokens", "input_image_tokens"),
    "video": ("input_tokens", "input_video_tokens"),
    "plain output": ("output_tokens",),
    "reasoning": ("output_tokens", "output_reasoning_tokens"),
    "output audio": ("output_tokens", "output_audio_tokens"),
    "output image": ("output_tokens", "output_image_tokens"),
    "output video": ("output_tokens", "output_video_tokens"),
    "citation": ("output_tokens", "output_citation_tokens"),
    "characters": ("input_characters",),
    "messages": ("input_text_messages",),
    "seconds": ("audio_seconds",),
    "input seconds": ("audio_seconds", "input_audio_seconds"),
    "pages": ("input_document_pages",),
    "annotated pages": ("input_document_pages", "input_annotated_document_pages"),
    "web searches": ("web_searches",),
    "storage searches": ("storage_searches",),
}
SIZES = (0, 1, 9, 99, 1_000, 32_000, 100_000, 128_000, 200_000, 272_000, 1_000_000, 5_000_000)


def counts_of(cells: dict[str, int]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for cell, count in cells.items():
        for unit in CELLS[cell]:
            counts[unit] = counts.get(unit, 0) + count
    return counts


def random_cells(rng: random.Random) -> dict[str, int]:
    cells = {"plain input": rng.choice(SIZES) + rng.randrange(3), "plain output": rng.randrange(20_000)}
    for cell in rng.sample(sorted(CELLS), rng.randrange(6)):
        cells[cell] = rng.choice(SIZES) if rng.random() < 0.3 else rng.randrange(3_000)
    return cells


def random_usage(rng: random.Random) -> Usage:
    return usage_of(counts_of(random_cells(rng)))


def random_name(rng: random.Random, model: types.ModelInfo) -> str:
    """A name that is likely to mean the model: its id, or the text of one of its clauses with something around it."""
    clause: Any = model.match
    while isinstance(clause, (types.ClauseOr, types.ClauseAnd)):
        clause = rng.choice(clause.or_ if isinstance(clause, types.ClauseOr) else clause.and_)
    match clause:
        case types.ClauseEquals(equals=text):
            name = text
        case types.ClauseStartsWith(starts_with=text):
            name = text + rng.choice(("", "-2026-01-31", "-20260131", "-20260231", ":extra"))
        case types.ClauseEndsWith(ends_with=text):
            name = rng.choice(("", "eu.", "arn:aws:bedrock:us-east-1::inference-profile/")) + text
        case types.ClauseContains(contains=text):
            name = rng.choice(("", "x-")) + text + rng.choice(("", "-y"))
        case _:
            name = model.id
    return rng.choice((name, name.upper(), model.id))


@dataclass
class Answer:
    pico_usd: Decimal
    provider_id: str
    model_id: str
    has_float_accident: bool


def find(provider_id: str, name: str) -> tuple[types.Provider, types.ModelInfo] | None:
    try:
        return SNAPSHOT.find_provider_model(name, None, provider_id, None)
    except LookupError:
        return None


def price(provider_id: str, name: str, usage: Usage, at_unix_ns: int, context: dict[str, str]) -> Answer | None:
    found = find(provider_id, name)
    if found is None:
        return None
    reported = {unit: usage.count(unit) for unit in UNITS if unit != "requests"}
    at = EPOCH + timedelta(microseconds=at_unix_ns // 1000)
    result = SNAPSHOT.calc(types.Usage(**reported), name, provider_id, None, at, context or None)
    owner = next(provider for provider in providers if any(model is found[1] for model in provider.models))
    return Answer(result.total_price * 10**12, owner.id, found[1].id, _has_float_accident(result.model_price))


def rounded(pico_usd: Decimal) -> int:
    """Whole pico-USD, half up: what an hourly price needs, and nothing for all others."""
    return int(pico_usd.to_integral_value(ROUND_HALF_UP))


def _has_float_accident(prices: types.ModelPrice) -> bool:
    registry = _get_registry()
    for key, value in prices.__dict__.items():
        if value is None or not registry.unit_for_price_key(key).usage_key.endswith("_tokens"):
            continue
        rates = (
            [value.base, *(tier.price for tier in value.tiers)] if isinstance(value, types.TieredPrices) else [value]
        )
        if any(rate * 10**6 % 1 for rate in rates):
            return True
    return False
