"""What is counted is the real thing."""

from __future__ import annotations

from bench.count.ops_journal import OPERATIONS


def test_every_append_of_a_run_finds_room() -> None:
    append = OPERATIONS["journal.append"]()
    assert all(append() for _ in range(1500))
