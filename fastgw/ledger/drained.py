"""What calls that were just written have in common, for who watches spending.

Invariant: the sums over all groups are those of the rows. Costs one look at a dictionary a row, and only while somebody watches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from fastgw.ledger.schema import Row
from fastgw.telemetry.clock import ID_SLOT_BITS

_ID, _COST, _LATENCY, _FINGERPRINT, _DIMENSION, _METADATA = 0, 10, 11, 14, 15, 18
"""Places in what the statements of ``schema`` take; a plain row ends before its metadata."""
_US_PER_MINUTE: Final = 60_000_000
_NS_PER_S: Final = 1_000_000_000


class Drained(NamedTuple):
    """Calls of one dimension (in the order of ``DIMENSION_COLUMNS``) and one metadata (JSON), which came in one minute and ended in
    one second of the Unix clock."""

    dimension: Row
    metadata: str | None
    minute: int
    second: int
    fingerprint: int
    calls: int
    nano_usd: int


class Watcher(NamedTuple):
    """Who is told of each batch once it is committed, in the thread that wrote it. ``fingerprints``: calls of different prompts
    are told apart; otherwise the fingerprint is 0."""

    take: Callable[[list[Drained]], None]
    fingerprints: bool = False


def group_drained(rows: Iterable[Row], names: Mapping[int, Row], *, fingerprints: bool) -> list[Drained]:
    """The groups of what a batch wrote; ``names`` are the values of its dimensions."""
    groups: dict[tuple[int, str | None, int, int, int], list[int]] = {}
    for row in rows:
        started_us = row[_ID] >> ID_SLOT_BITS
        key = (
            row[_DIMENSION],
            (row[_METADATA] or None) if len(row) > _METADATA else None,
            started_us // _US_PER_MINUTE,
            (started_us * 1000 + row[_LATENCY]) // _NS_PER_S,
            row[_FINGERPRINT] if fingerprints else 0,
        )
        sums = groups.setdefault(key, [0, 0])
        sums[0] += 1
        sums[1] += row[_COST] or 0
    return [
        Drained(names[dimension], metadata, minute, second, fingerprint, calls, nano_usd)
        for (dimension, metadata, minute, second, fingerprint), (calls, nano_usd) in groups.items()
    ]
