"""Usage: what a provider counted for one call, by billable unit.

Invariant: a part never exceeds its whole, and parts that overlap do so only by the amount they say, so that no way of
taking the parts out of their wholes leaves less than nothing. :func:`reconciled` makes any counts so. Reading a
provider's answer and pricing belong to ``fastgw.spend``.
"""

from __future__ import annotations

from typing import Final

import msgspec

MAX_COUNT: Final = 2**31 - 1
"""The largest believable count of anything in one call: it bounds every product with a rate."""


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Counts of one call, each in ``[0, MAX_COUNT]``, named as genai-prices names them.

    ``input_tokens`` includes cache reads, all cache writes, audio and image; ``cache_write_tokens`` includes the 5
    minute and 1 hour ones and those of no stated life; ``output_tokens`` includes reasoning, audio and image.
    ``other`` holds the units that few calls have (:data:`RARE_UNITS`), without zeros, and is not to be changed by
    whoever reads it.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_reasoning_tokens: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    input_image_tokens: int = 0
    output_image_tokens: int = 0
    other: dict[str, int] | None = None

    def count(self, unit: str) -> int:
        """The count of any unit of :data:`UNITS`; ``requests`` is 1 for every call."""
        if unit in _COMMON:
            value: int = getattr(self, unit)
            return value
        if unit == "requests":
            return 1
        return self.other.get(unit, 0) if self.other else 0


COMMON_UNITS: Final = tuple(name for name in Usage.__struct_fields__ if name != "other")
RARE_UNITS: Final = (
    "cache_audio_read_tokens",
    "cache_image_read_tokens",
    "input_video_tokens",
    "output_video_tokens",
    "output_citation_tokens",
    "input_characters",
    "input_text_messages",
    "audio_seconds",
    "input_audio_seconds",
    "input_document_pages",
    "input_annotated_document_pages",
    "web_searches",
    "storage_searches",
)
UNITS: Final = (*COMMON_UNITS, *RARE_UNITS, "requests")
"""The closed list of billable units."""

_COMMON: Final = frozenset(COMMON_UNITS)


def usage_of(counts: dict[str, int]) -> Usage:
    """A usage from counts by unit name, taken as they are; a unit outside :data:`UNITS` raises ``KeyError``."""
    unknown = counts.keys() - set(UNITS)
    if unknown:
        raise KeyError(min(unknown))
    other = {unit: count for unit, count in counts.items() if unit not in _COMMON and unit != "requests" and count}
    common = {unit: count for unit, count in counts.items() if unit in _COMMON}
    return msgspec.structs.replace(Usage(other=other or None), **common)


def reconciled(usage: Usage) -> tuple[Usage, bool]:
    """Counts cut to what is possible, and whether any had to be cut.

    Counts are bounded first, then each part is cut to its whole, the dearer part keeping its own. Cache reads and
    media tokens may overlap without the provider saying by how much: the smallest overlap that explains the counts is
    then added to ``cache_audio_read_tokens`` and ``cache_image_read_tokens``, which is a deduction and not a cut.
    """
    given = {unit: usage.count(unit) for unit in UNITS}
    counts = {unit: min(max(count, 0), MAX_COUNT) for unit, count in given.items()}
    _fit_caches(counts)
    _fit_parts(counts, "input_tokens", ("input_audio_tokens", "input_image_tokens", "input_video_tokens"))
    _fit_overlap(counts)
    _fit_parts(counts, "output_tokens", ("output_audio_tokens", "output_image_tokens", "output_video_tokens"))
    _fit_parts(counts, "output_tokens", ("output_reasoning_tokens", "output_citation_tokens"))
    _fit_parts(counts, "audio_seconds", ("input_audio_seconds",))
    _fit_parts(counts, "input_document_pages", ("input_annotated_document_pages",))
    changed = any(counts[unit] < count or count < 0 for unit, count in given.items())
    return usage_of(counts), changed


def _fit_parts(counts: dict[str, int], whole: str, parts: tuple[str, ...]) -> None:
    room = counts[whole]
    for part in parts:
        counts[part] = min(counts[part], room)
        room -= counts[part]


def _fit_caches(counts: dict[str, int]) -> None:
    _fit_parts(counts, "input_tokens", ("cache_write_tokens", "cache_read_tokens"))
    _fit_parts(counts, "cache_write_tokens", ("cache_write_1h_tokens", "cache_write_5m_tokens"))


def _fit_overlap(counts: dict[str, int]) -> None:
    read = counts["cache_read_tokens"]
    pairs = (
        ("input_audio_tokens", "cache_audio_read_tokens"),
        ("input_image_tokens", "cache_image_read_tokens"),
    )
    room = read
    for media, both in pairs:
        counts[both] = min(counts[both], counts[media], room)
        room -= counts[both]
    excess = read + counts["cache_write_tokens"] + counts["input_video_tokens"] - counts["input_tokens"]
    excess += sum(counts[media] - counts[both] for media, both in pairs)
    for media, both in pairs:
        shared = max(0, min(excess, counts[media] - counts[both], room))
        counts[both] += shared
        room -= shared
        excess -= shared
    # What is left are media tokens inside a cache write: no price tells those apart, so they stay plain writes.
    for media, both in (("input_video_tokens", ""), *reversed(pairs)):
        cut = max(0, min(excess, counts[media] - counts.get(both, 0)))
        counts[media] -= cut
        excess -= cut
