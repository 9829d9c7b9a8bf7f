"""Each broken promise is found; an honest ledger has no finding."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from fastgw._native.journal import JournalWriter
from fastgw.ledger.config import journal_directory
from fastgw.ledger.schema import DIMENSION_COLUMNS
from fastgw.ledger.verify import verify
from fastgw.ledger.writer import Batch, LedgerWriter
from fastgw.storage.migrate import load_migrations
from tests.model.calls import call_id


def test_an_honest_ledger(ledger: Path) -> None:
    result = verify(ledger)
    assert (result.findings, result.notes) == ([], [])
    assert result.totals is not None
    assert result.totals.calls == 4


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ("""extra = '{"input_image_tokens":-1}'""", "negative count"),
        ("latency_ns = -1", "negative count"),
        ("cost_nano_usd = -1", "negative cost"),
        ("cached_input_tokens = 11", "cached and cache-written"),
        ("cache_write_1h_tokens = 11", "cached and cache-written"),
        ("reasoning_tokens = 1", "reasoning tokens"),
        ("status = 0", "settled without a status"),
        ("outcome = 2", "outcome is neither"),
        ("dimension = 9", "source of the usage"),
        ("metadata = '{'", "metadata is not JSON"),
        ("extra = 'x'", "other usage is not JSON"),
        ("output_tokens = NULL", "a value is missing"),
        ("outcome = NULL", "a value is missing"),
        ("dimension = NULL", "a value is missing"),
        ("dimension = 10", "a value is missing"),
    ],
)
def test_a_broken_row_is_named(ledger: Path, change: str, finding: str) -> None:
    connection = sqlite3.connect(ledger)
    names = ", ".join(DIMENSION_COLUMNS)
    values = names.replace("usage_source", "'guess'")
    connection.execute(
        f"INSERT INTO dimensions (id, until_id, {names}) SELECT 9, until_id, {values} FROM dimensions LIMIT 1"
    )
    connection.execute(f"UPDATE calls SET {change} WHERE id = ?", (call_id(0),))
    connection.commit()
    connection.close()
    (found,) = verify(ledger).findings
    assert found.startswith(finding)
    assert found.endswith(f": 1 rows, the first has the id {call_id(0)}")


def test_a_clock_that_was_set_breaks_no_promise(ledger: Path) -> None:
    connection = sqlite3.connect(ledger)
    connection.execute("UPDATE calls SET started_ns = started_ns + 2000000000 WHERE id = ?", (call_id(0),))
    connection.commit()
    connection.close()
    result = verify(ledger)
    assert result.findings == []
    assert result.notes == [
        "1 calls were made after the machine's clock was set: reports file them by the clock of the start"
    ]


def test_a_missing_and_a_damaged_file(tmp_path: Path, ledger: Path) -> None:
    (found,) = verify(tmp_path / "none.db").findings
    assert "unable to open" in found
    content = bytearray(ledger.read_bytes())
    content[4096 + 8 : 4096 + 400] = bytes(392)
    ledger.write_bytes(content)
    assert verify(ledger).findings


@pytest.mark.parametrize("version", [0, 99])
def test_a_version_that_is_not_ours(ledger: Path, version: int) -> None:
    connection = sqlite3.connect(ledger)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    result = verify(ledger)
    assert result.findings == [f"version {version}, this build knows {len(load_migrations('fastgw.ledger'))}"]
    assert result.totals is None


def test_what_waits_beside_the_rows(ledger: Path) -> None:
    directory = journal_directory(ledger)
    directory.mkdir()
    (directory / "0000-00000001-0000000000000001.seg.bad").touch()
    journal = JournalWriter(str(directory), 0, 1)
    journal.rotate()
    writer = LedgerWriter(ledger)
    writer.apply(Batch(opened=[(1, "0000-a", b"")], rejected=[(1, 1, "", b"")]))
    result = verify(ledger)
    assert result.notes == ["1 calls were admitted and are not settled yet", "1 journal segments in use"]
    assert len(result.findings) == 2
    assert "rejected_records" in result.findings[0]
    assert "damaged journal segment 0000" in result.findings[1]
    writer.close()
    assert "1 journal segments wait for the gateway" in verify(ledger).findings[2]
    Path(f"{ledger}.lock").unlink()
    assert "1 journal segments wait for the gateway" in verify(ledger).findings[2]
