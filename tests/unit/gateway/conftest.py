from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fastgw.gateway import pipeline
from fastgw.gateway.context import Call
from tests.unit.gateway.playbook import Play


@pytest.fixture
def play() -> Iterator[Play]:
    """A gateway on fake transports. At the end no lane has crashed, and every call that has ended was settled exactly once."""
    running = Play()
    yield running
    assert running.door.crashes == []
    settled = [row.id for row in running.books.rows]
    assert len(settled) == len(set(settled))
    if running.comes_to_rest():
        assert {row.id for row in running.books.opened_rows} <= set(settled)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """The calls that the pipeline makes, in their order."""
    made: list[Call] = []

    def keep(*given: Any) -> Call:
        made.append(Call(*given))
        return made[-1]

    monkeypatch.setattr(pipeline, "Call", keep)
    return made
