from __future__ import annotations

from genai_prices.units import _get_registry

from fastgw.domain.usage import UNITS
from fastgw.spend.units import ANCESTORS, COUNTS_PER_RATE, is_token_unit, leaf_terms, weights


def test_units_contain_each_other_as_in_genai_prices() -> None:
    registry = _get_registry()
    assert set(ANCESTORS) == set(UNITS)
    for unit, ancestors in ANCESTORS.items():
        assert ancestors == registry.ancestor_usage_keys(unit) & set(UNITS), unit
        assert (registry.units[unit].per == 3600) == (COUNTS_PER_RATE.get(unit) == 3600), unit


def test_a_part_is_taken_out_of_its_whole_once() -> None:
    assert weights({"input_tokens": 10, "cache_read_tokens": 4}) == {"input_tokens": 10, "cache_read_tokens": -6}
    every = {"input_tokens": 10, "cache_read_tokens": 4, "input_audio_tokens": 90, "cache_audio_read_tokens": 40}
    assert weights(every) == {
        "input_tokens": 10,
        "cache_read_tokens": -6,
        "input_audio_tokens": 80,
        "cache_audio_read_tokens": 40 - 90 - 4 + 10,
    }


def test_a_unit_without_a_rate_is_charged_as_its_whole() -> None:
    assert weights({"output_tokens": 7}) == {"output_tokens": 7}
    assert leaf_terms(frozenset({"input_tokens", "cache_write_1h_tokens"})) == {
        "cache_write_1h_tokens": {"cache_write_1h_tokens": 1},
        "input_tokens": {"input_tokens": 1, "cache_write_1h_tokens": -1},
    }
    assert weights({"input_tokens": 5, "cache_read_tokens": 5}) == {"input_tokens": 5}


def test_uplifts_are_for_tokens() -> None:
    assert {unit for unit in UNITS if not is_token_unit(unit)} == {
        "input_characters",
        "input_text_messages",
        "audio_seconds",
        "input_audio_seconds",
        "input_document_pages",
        "input_annotated_document_pages",
        "web_searches",
        "storage_searches",
        "requests",
    }
