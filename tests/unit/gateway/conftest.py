from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fastgw.domain.errors import GatewayError
from fastgw.front.respond import WireResponder
from fastgw.gateway import pipeline
from fastgw.gateway.admission import Admission
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
    """The calls that came as far as a decision or a refusal, in their order."""
    made: list[Call] = []
    decide, refuse = pipeline.decide, WireResponder.refuse

    def keep(call: Call) -> None:
        if call not in made:
            made.append(call)

    def keep_decided(call: Call, *given: Any) -> Admission:
        keep(call)
        return decide(call, *given)

    def keep_refused(responder: WireResponder, call: Call, error: GatewayError) -> None:
        keep(call)
        refuse(responder, call, error)

    monkeypatch.setattr(pipeline, "decide", keep_decided)
    monkeypatch.setattr(WireResponder, "refuse", keep_refused)
    return made
