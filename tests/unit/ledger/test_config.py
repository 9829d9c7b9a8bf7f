"""``[ledger]``: ranges, and where things are."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from fastgw.ledger.config import LedgerConfig


def test_defaults_and_places() -> None:
    config = LedgerConfig()
    assert (config.database_path, config.journal_directory) == (Path("fastgw.db"), Path("fastgw.db.segments"))
    assert config.retention_ns == 0
    absolute = LedgerConfig(url="sqlite:/var/lib/fastgw/l.db", retention_days=2)
    assert absolute.journal_directory == Path("/var/lib/fastgw/l.db.segments")
    assert absolute.retention_ns == 2 * 24 * 3600 * 10**9


@pytest.mark.parametrize(
    "text",
    [
        'url = "postgresql://x"',
        'url = "sqlite:"',
        'sync = "never"',
        "sync_interval_ms = 0",
        "retention_days = -1",
        "drain_interval_ms = 0",
        "max_buffer_mib = 0",
        "max_journal_mib = 1",
        "surprise = 1",
    ],
)
def test_refuses_what_it_does_not_know(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.toml.decode(text, type=LedgerConfig)
