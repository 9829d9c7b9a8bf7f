"""What is counted is the real thing."""

from __future__ import annotations

from bench.count.ops_stream import EVENT, OPERATIONS


def test_what_the_operations_give() -> None:
    results = {name: operation()() for name, operation in OPERATIONS.items()}
    assert results["stream.split_event"] == [EVENT]
    assert results["stream.tap_event"] == EVENT
    hidden = results["stream.tap_hiding"]
    assert isinstance(hidden, bytes)
    assert b"piece-4" in hidden
    assert b"usage" not in hidden
