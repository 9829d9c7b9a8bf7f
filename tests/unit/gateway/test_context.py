"""What a call knows of itself before, while and after it is made."""

from __future__ import annotations

import pytest

from fastgw.gateway.context import Call
from tests.unit.gateway.playbook import DONE, LAST_CHUNK, STREAM, USAGE_EVENT, Play, chunk, stream_head


def test_a_call_fills_on_its_way(play: Play, calls: list[Call]) -> None:
    play.ask(STREAM, headers={"x-request-id": "r1"})
    (call,) = calls
    assert call.snapshot is play.snapshot
    assert call.subject is not None
    assert (call.subject.key, call.request_id, call.operation, call.dialect) == ("app", "r1", "chat", "openai")
    assert call.entry is not None
    assert (call.provider, call.entry.id) == ("up", call.id)
    assert call.price is not None
    assert call.exchange.received_ns <= call.sent_at_ns
    assert (call.first_token_at_ns, call.upstream_ns, call.settled, call.in_events) == (0, 0, False, False)
    play.answer(stream_head())
    assert call.in_events
    play.answer(chunk(USAGE_EVENT + DONE), LAST_CHUNK)
    assert call.sent_at_ns < call.first_token_at_ns
    assert call.upstream_ns > 0
    assert call.settled


def test_a_refused_call_has_no_provider(play: Play, calls: list[Call]) -> None:
    play.ask(key="")
    (call,) = calls
    assert (call.provider, call.subject, call.entry, call.answer) == ("", None, None, None)
    play.connect()
    play.ask({"model": "nowhere/x"})
    assert calls[1].provider == ""
    assert calls[1].settled


def test_a_call_takes_no_other_attributes(play: Play, calls: list[Call]) -> None:
    play.ask()
    with pytest.raises(AttributeError):
        calls[0].colour = 1  # type: ignore[attr-defined]  # the mistake under test
