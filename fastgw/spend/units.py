"""The algebra of units: which unit is part of which, and the price of a call as one weighted sum.

A price list names a rate for some units. A token is charged at the most specific of them that it falls under, so the
count of a wider unit is what is left after its more specific ones are taken out. That is linear in the counts:
:func:`weights` turns rates into one weight a unit (negative where a part is cheaper than its whole), and a price is
the sum of weight times count. The result is never negative for a usage that keeps the invariant of
:mod:`fastgw.domain.usage`. The relation is genai-prices' (``decompose.py``), which a test compares it with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fastgw.domain.usage import UNITS

ANCESTORS: Final[Mapping[str, frozenset[str]]] = {
    **{unit: frozenset[str]() for unit in UNITS},
    "cache_read_tokens": frozenset({"input_tokens"}),
    "cache_write_tokens": frozenset({"input_tokens"}),
    "cache_write_5m_tokens": frozenset({"input_tokens", "cache_write_tokens"}),
    "cache_write_1h_tokens": frozenset({"input_tokens", "cache_write_tokens"}),
    "input_audio_tokens": frozenset({"input_tokens"}),
    "input_image_tokens": frozenset({"input_tokens"}),
    "input_video_tokens": frozenset({"input_tokens"}),
    "cache_audio_read_tokens": frozenset({"input_tokens", "cache_read_tokens", "input_audio_tokens"}),
    "cache_image_read_tokens": frozenset({"input_tokens", "cache_read_tokens", "input_image_tokens"}),
    "output_reasoning_tokens": frozenset({"output_tokens"}),
    "output_audio_tokens": frozenset({"output_tokens"}),
    "output_image_tokens": frozenset({"output_tokens"}),
    "output_video_tokens": frozenset({"output_tokens"}),
    "output_citation_tokens": frozenset({"output_tokens"}),
    "input_audio_seconds": frozenset({"audio_seconds"}),
    "input_annotated_document_pages": frozenset({"input_document_pages"}),
}
"""For each unit the wider ones that contain it."""

COUNTS_PER_RATE: Final[Mapping[str, int]] = {"audio_seconds": 3600, "input_audio_seconds": 3600}
"""Rates are pico-USD a count; these are priced by the hour, which is not a whole number of pico-USD a second."""


def is_token_unit(unit: str) -> bool:
    """Whether a unit counts tokens: regional uplifts apply to these only."""
    return unit.endswith("_tokens")


def leaf_terms(priced: frozenset[str]) -> dict[str, dict[str, int]]:
    """For each priced unit, the sum of counts (unit to factor) that is charged at its rate."""
    leaves: dict[str, dict[str, int]] = {}
    for unit in sorted(priced, key=lambda name: (-len(ANCESTORS[name]), name)):
        terms = {unit: 1}
        for narrower in leaves:
            if unit in ANCESTORS[narrower]:
                for term, factor in leaves[narrower].items():
                    terms[term] = terms.get(term, 0) - factor
        leaves[unit] = terms
    return leaves


def weights(rates: Mapping[str, int]) -> dict[str, int]:
    """Rates a priced unit to weights a unit, without zeros. Any integer scale."""
    total: dict[str, int] = {}
    for unit, terms in leaf_terms(frozenset(rates)).items():
        for term, factor in terms.items():
            total[term] = total.get(term, 0) + rates[unit] * factor
    return {unit: weight for unit, weight in total.items() if weight}
