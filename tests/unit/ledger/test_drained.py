"""Groups of rows add up to the rows, and nobody pays for groups that nobody asks for."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from fastgw.domain.entry import LedgerEntry
from fastgw.ledger.drained import Drained, Watcher
from fastgw.ledger.schema import DIMENSION_COLUMNS
from fastgw.ledger.writer import Batch, LedgerWriter
from fastgw.rules.table import Fixed
from tests.model.calls import START_US, entry, settled

MINUTE, SECOND = START_US // 60_000_000, START_US // 1_000_000


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[LedgerWriter]:
    writer = LedgerWriter(tmp_path / "x.db")
    yield writer
    writer.close()


def batch(*calls: LedgerEntry) -> Batch:
    records = [(call.id, msgspec.msgpack.encode(call), call.outcome) for call in calls]
    return Batch(
        settled=[(id_, payload) for id_, payload, outcome in records if outcome == "settled"],
        unknown=[(id_, payload) for id_, payload, outcome in records if outcome == "unknown"],
    )


def told(writer: LedgerWriter, *calls: LedgerEntry, fingerprints: bool = False) -> list[Drained]:
    found: list[Drained] = []
    writer.watcher = Watcher(found.extend, fingerprints)
    writer.apply(batch(*calls))
    writer.watcher = None
    return found


def test_a_dimension_begins_with_what_rules_ask_about() -> None:
    assert DIMENSION_COLUMNS[: len(Fixed.__struct_fields__)] == Fixed.__struct_fields__


def test_calls_of_one_kind_and_second_are_one_group(writer: LedgerWriter) -> None:
    found = told(
        writer,
        settled(1, cost_nano_usd=5, request_id=f"fgw_{settled(1).id:016x}"),
        settled(2, cost_nano_usd=7),
        settled(3, cost_nano_usd=None),
        entry(4, cost_nano_usd=11, usage_source="reported"),
        settled(5, cost_nano_usd=1, key="other"),
    )
    assert sorted(
        (each.dimension[0], each.metadata, each.minute, each.second, each.fingerprint, each.calls, each.nano_usd)
        for each in found
    ) == [("checkout", None, MINUTE, SECOND, 0, 4, 23), ("other", None, MINUTE, SECOND, 0, 1, 1)]


def test_what_a_call_cost_is_spent_when_it_ends(writer: LedgerWriter) -> None:
    (found,) = told(writer, settled(1, latency_ns=125_000_000_000))
    assert (found.minute, found.second) == (MINUTE, SECOND + 125)


def test_metadata_and_prompts_are_told_apart(writer: LedgerWriter) -> None:
    calls = [settled(1, metadata={"a": "1"}, fingerprint=8), settled(2, metadata={"a": "2"}, fingerprint=8)]
    calls += [settled(3, fingerprint=8), settled(4, fingerprint=9), settled(5, fingerprint=9)]
    found = sorted((each.metadata or "", each.fingerprint, each.calls) for each in told(writer, *calls))
    assert found == [("", 0, 3), ('{"a":"1"}', 0, 1), ('{"a":"2"}', 0, 1)]
    found = sorted(
        (each.metadata or "", each.fingerprint, each.calls) for each in told(writer, *calls, fingerprints=True)
    )
    assert found == [("", 8, 1), ("", 9, 2), ('{"a":"1"}', 8, 1), ('{"a":"2"}', 8, 1)]


def test_a_batch_that_fails_is_not_told(writer: LedgerWriter, tmp_path: Path) -> None:
    found: list[Drained] = []
    writer.watcher = Watcher(found.extend)
    intruder = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    intruder.execute("ALTER TABLE calls RENAME TO elsewhere")
    with pytest.raises(sqlite3.Error):
        writer.apply(batch(settled(1)))
    assert found == []
    intruder.execute("ALTER TABLE elsewhere RENAME TO calls")
    intruder.close()
    writer.apply(batch(settled(1)))
    assert [each.calls for each in found] == [1]
