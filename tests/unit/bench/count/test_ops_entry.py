"""What is counted is the real thing."""

from __future__ import annotations

from bench.count.ops_entry import OPERATIONS, sample_entry


def test_decode_gives_the_entry_back() -> None:
    assert OPERATIONS["entry.decode"]()() == sample_entry()
