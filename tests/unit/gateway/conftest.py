from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.gateway.playbook import Play


@pytest.fixture
def play() -> Iterator[Play]:
    """A gateway on fake transports. At the end no lane has crashed, and every call that has ended was settled exactly once."""
    running = Play()
    yield running
    assert running.door.crashes == []
    settled = [row.id for row in running.books.rows]
    assert len(settled) == len(set(settled))
    if running.is_at_rest:
        assert {row.id for row in running.books.opened_rows} <= set(settled)
