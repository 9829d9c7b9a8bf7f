"""Prices equal genai-prices' own to the last pico-USD, and grow with usage; hostile usage blocks never raise."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from genai_prices.data import providers
from hypothesis import given, settings
from hypothesis import strategies as st

import fastgw.spend
from fastgw.domain.money import round_pico_to_nano
from fastgw.domain.usage import MAX_COUNT, UNITS, Usage, reconciled, usage_of
from fastgw.spend import meter
from fastgw.spend.catalog import PriceBook
from fastgw.spend.config import ProviderPricing
from fastgw.spend.price import ActivePrice, cost_pico_usd
from fastgw.spend.pricer import Pricer
from fastgw.spend.units import leaf_terms
from tests.model import price_model

DRAWS = 5_000
CONTEXTS = (
    {},
    {},
    {"service_tier": "flex"},
    {"service_tier": "priority"},
    {"service_tier": "fast"},
    {"service_tier": "default"},
    {"processing": "batch"},
    {"speed": "fast"},
    {"route": "mistral/eu"},
    {"service_tier": "nobody's", "processing": "batch"},
)
FROM_NS = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp()) * 10**9
UNTIL_NS = int(datetime(2027, 3, 1, tzinfo=UTC).timestamp()) * 10**9


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook.load((Path(fastgw.spend.__file__).parent / "data" / "prices.json").read_bytes())


def test_random_usages_cost_what_genai_prices_says(book: PriceBook) -> None:
    rng = random.Random(20261122)
    seen, accidents, priced = set(), set(), 0
    for _ in range(DRAWS):
        # Half of the draws go to a provider at random, half to a model at random: one provider has 40 % of all models.
        source = rng.choice(providers)
        owner = source if rng.random() < 0.5 else rng.choice([one for one in providers for _ in one.models])
        via = rng.choice(("azure", "google", owner.id)) if owner.id in {"openai", "anthropic"} else owner.id
        name = price_model.random_name(rng, rng.choice(owner.models))
        usage, at_ns, context = price_model.random_usage(rng), rng.randrange(FROM_NS, UNTIL_NS), rng.choice(CONTEXTS)
        expected = price_model.price(via, name, usage, at_ns, context)
        found = book.resolve(via, name)
        if expected is None:
            assert found is None, (via, name)
            continue
        assert found is not None, (via, name)
        assert found.label == f"{book.version}:{expected.provider_id}/{expected.model_id}"
        cost = cost_pico_usd(found, usage, at_ns, context)
        assert cost is not None
        priced += 1
        seen.add(via)
        if expected.has_float_accident:
            # Their rate is some float's idea of a price: ours is the nearest whole one, half a pico away at most.
            accidents.add(expected.provider_id)
            assert abs(cost - expected.pico_usd) <= sum(usage.count(unit) for unit in UNITS) / 2, (via, name)
        else:
            assert cost == price_model.rounded(expected.pico_usd), (via, name, usage, at_ns, context)
    assert len(seen) >= 40
    assert priced > DRAWS * 0.9
    assert accidents <= {"openrouter", "huggingface_together"}


def test_a_target_prices_as_the_book_does_at_every_moment(book: PriceBook) -> None:
    """What a target keeps for a period is dropped at the period's end: times come in any order."""
    rng = random.Random(7)
    pricer = Pricer(book, {"mine": ProviderPricing()})
    for source, name in (("deepseek", "deepseek-chat"), ("openai", "gpt-5.6-luna"), ("anthropic", "claude-opus-4-8")):
        target, found = pricer.for_target("mine", source, name), book.resolve(source, name)
        assert target is not None
        assert found is not None
        for _ in range(150):
            usage, at_ns = price_model.random_usage(rng), rng.randrange(FROM_NS, UNTIL_NS)
            pico = cost_pico_usd(found, usage, at_ns, {})
            cost = target.cost(usage, at_ns)
            assert pico is not None
            assert cost is not None
            assert cost[0] == round_pico_to_nano(pico)


CELL_COUNTS = st.dictionaries(st.sampled_from(sorted(price_model.CELLS)), st.integers(0, 10**6), max_size=8)
RATES = st.dictionaries(st.sampled_from(UNITS), st.integers(0, 10**9), min_size=1, max_size=8)


@given(CELL_COUNTS, CELL_COUNTS, RATES)
@settings(max_examples=200, deadline=None)
def test_more_of_anything_never_costs_less(cells: dict[str, int], more: dict[str, int], rates: dict[str, int]) -> None:
    # A price list that names a part names its wholes, and the overlap of two parts.
    for both, parts in (
        ("cache_audio_read_tokens", ("input_audio_tokens", "cache_read_tokens")),
        ("cache_image_read_tokens", ("input_image_tokens", "cache_read_tokens")),
    ):
        if any(part in rates for part in (*parts, both)):
            rates = {**dict.fromkeys((*parts, both, "input_tokens"), 5), **rates}
    less = usage_of(price_model.counts_of(cells))
    grown = usage_of(price_model.counts_of({cell: cells.get(cell, 0) + more.get(cell, 0) for cell in cells | more}))
    active = ActivePrice(rates)
    assert 0 <= active.pico_usd(less) <= active.pico_usd(grown)
    assert 0 <= active.nano_usd(less) <= active.nano_usd(grown)


@given(st.dictionaries(st.sampled_from(UNITS[:-1]), st.integers(-(10**20), 10**20), max_size=20))
@settings(max_examples=200, deadline=None)
def test_reconciled_counts_leave_no_part_below_zero(counts: dict[str, int]) -> None:
    fitted, cut = reconciled(usage_of(counts))
    again, cut_again = reconciled(fitted)
    assert again == fitted
    assert not cut_again
    assert cut or all(fitted.count(unit) >= count for unit, count in counts.items())
    media_and_caches = frozenset(
        unit for unit in UNITS if unit not in {"output_reasoning_tokens", "output_citation_tokens"}
    )
    for priced in (media_and_caches, frozenset({"output_tokens", "output_reasoning_tokens", "output_citation_tokens"})):
        for terms in leaf_terms(priced).values():
            assert 0 <= sum(fitted.count(unit) * factor for unit, factor in terms.items()) <= MAX_COUNT


MEMBERS = sorted(
    {
        name
        for shape, inner in meter._DETAILS.items()
        for struct in (shape, *inner.values())
        for name in struct.__struct_fields__
    }
)
HOSTILE = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**30), 10**30),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=5),
        st.integers(0, 5000),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(MEMBERS),
            inner,
            max_size=8,
        ),
    ),
    max_leaves=20,
)
READERS = (meter.read_openai_chat, meter.read_openai_responses, meter.read_anthropic)


def is_sound(usage: Usage) -> bool:
    return reconciled(usage) == (usage, False)


@given(HOSTILE, st.binary(max_size=40))
@settings(max_examples=200, deadline=None)
def test_no_block_raises_and_every_usage_is_sound(value: object, junk: bytes) -> None:
    for block in (json.dumps(value).encode(), junk, json.dumps(value).encode() + junk):
        stream = meter.AnthropicStreamUsage()
        stream.add(block)
        stream.add(junk)
        for usage, source in (*(read(block) for read in READERS), stream.result()):
            assert source in {"reported", "clamped", "none"}
            assert is_sound(usage)
            assert source != "none" or usage == Usage()
