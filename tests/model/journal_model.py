"""The slow, obvious twin of the journal and of the ledger behind it.

A segment is a list; an appended record is in it for good; a reader has what is in the list. A ledger row is: the
settlement, else the estimate once its worker is gone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Record = tuple[int, int, bytes]
HEADER_BYTES = 64
RECORD_BYTES = 16


@dataclass
class WriterModel:
    """What a writer with segments of ``segment_bytes`` puts where."""

    segment_bytes: int
    segments: list[list[Record]] = field(default_factory=list)
    used_bytes: int = 0
    closed: bool = False

    def append(self, kind: int, record_id: int, payload: bytes) -> bool:
        needed_bytes = RECORD_BYTES + (len(payload) + 7) // 8 * 8
        if not self.segments or self.used_bytes + needed_bytes > self.segment_bytes:
            if self.closed:
                return False
            self.rotate()
        if self.closed:
            return False
        self.segments[-1].append((kind, record_id, payload))
        self.used_bytes += needed_bytes
        return True

    def rotate(self) -> None:
        self.segments.append([])
        self.used_bytes = HEADER_BYTES

    def sealed(self, index: int) -> bool:
        return self.closed or index < len(self.segments) - 1


@dataclass
class Call:
    worker: int
    estimate_nano_usd: int
    settled_nano_usd: int | None = None


@dataclass
class LedgerModel:
    """Which calls there were, and what the ledger must say once everything is drained."""

    calls: dict[int, Call] = field(default_factory=dict)
    dead_workers: set[int] = field(default_factory=set)

    def rows(self) -> dict[int, tuple[str, int]]:
        """(outcome, cost in nano-USD) by id; calls in flight at a live worker have no row yet."""
        rows = {}
        for call_id, call in self.calls.items():
            if call.settled_nano_usd is not None:
                rows[call_id] = ("settled", call.settled_nano_usd)
            elif call.worker in self.dead_workers:
                rows[call_id] = ("unknown", call.estimate_nano_usd)
        return rows
