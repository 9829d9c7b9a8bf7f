"""What is counted is the real thing."""

from __future__ import annotations

import pytest

from bench.count.ops_connection import OPERATIONS, Sink


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_can_be_repeated(name: str) -> None:
    run = OPERATIONS[name]()
    assert len([run() for _ in range(5)]) == 5


def test_a_timer_fires_each_time() -> None:
    run = OPERATIONS["timer.fire"]()
    assert [run() for _ in range(3)] == [1, 1, 1]


@pytest.mark.parametrize("name", ["connection.client_request", "connection.provider_call", "connection.round_trip"])
def test_messages_are_written(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    monkeypatch.setattr(Sink, "write", lambda _, data: written.append(data))
    run = OPERATIONS[name]()
    run()
    run()
    kinds = [data[:4] for data in written]
    assert kinds == {"client": [b"HTTP"] * 2, "provider": [b"POST"] * 2}.get(
        name.split(".")[1].split("_")[0], [b"POST", b"HTTP"] * 2
    )
