from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from fastgw.domain.entry import LedgerEntry
from fastgw.ledger.writer import Batch, LedgerWriter
from tests.model.calls import entry, settled

CALLS = [
    settled(
        0, team="a", alias="gpt-4", metadata={"project id": "p", "env.x": "dev"}, input_tokens=10, cost_nano_usd=1_500
    ),
    settled(1, team="a", alias="gpt-4", metadata={"env.x": "prod"}, output_tokens=4, cost_nano_usd=2_000_000_000),
    settled(
        2, team="b", alias="haiku", status=502, error_code="upstream_cut", cost_nano_usd=None, cached_input_tokens=0
    ),
    entry(86_400_000_000, team="=cmd|' /C calc'!A0", alias="gpt-4", cost_nano_usd=1),
]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A database of four calls, closed."""
    path = tmp_path / "x.db"
    write(path, CALLS)
    return path


def write(path: Path, calls: list[LedgerEntry]) -> None:
    writer = LedgerWriter(path)
    records = [(call.id, msgspec.msgpack.encode(call)) for call in calls]
    writer.apply(
        Batch(
            settled=[record for record, call in zip(records, calls, strict=True) if call.outcome == "settled"],
            unknown=[record for record, call in zip(records, calls, strict=True) if call.outcome == "unknown"],
        )
    )
    writer.close()
