"""Two records a call, in order, also over a full disk."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from fastgw._native.journal import OPENED, SETTLED, JournalReader, JournalWriter
from fastgw.domain.entry import LedgerEntry
from fastgw.ledger.config import LedgerConfig
from fastgw.ledger.recorder import Recorder, open_recorder
from tests.model.calls import call_id, entry, record_of, settled

SMALL = 4096


def read_back(directory: Path) -> list[tuple[int, LedgerEntry]]:
    found = []
    for path in sorted(directory.glob("*.seg")):
        for kind, record_id, payload in JournalReader(str(path)).read(10_000):
            call = msgspec.msgpack.decode(payload, type=LedgerEntry)
            assert call.id == record_id
            found.append((kind, call))
    return found


def test_both_records_are_in_the_journal_when_the_call_returns(tmp_path: Path) -> None:
    recorder = Recorder(JournalWriter(str(tmp_path), 0, 1), 1000)
    call = record_of(entry(1))
    recorder.opened(call)
    call.outcome, call.cost_nano_usd = "settled", 5
    recorder.settled(call)
    assert read_back(tmp_path) == [(OPENED, entry(1)), (SETTLED, entry(1, outcome="settled", cost_nano_usd=5))]
    assert (recorder.problem, recorder.waiting_bytes, recorder.lost_records) == (None, 0, 0)


def test_a_full_journal_fills_the_buffer_and_the_buffer_comes_back_in_order(tmp_path: Path) -> None:
    recorder = Recorder(JournalWriter(str(tmp_path), 0, 1, SMALL, SMALL), 1 << 20)
    for number in range(200):
        recorder.opened(record_of(entry(number)))
        recorder.settled(record_of(settled(number)))
    in_file = len(read_back(tmp_path))
    assert 0 < in_file < 100
    assert recorder.waiting_bytes > 0
    assert "journal cannot grow" in str(recorder.problem)
    assert f"{400 - in_file} records wait in memory" in str(recorder.problem)
    recorder.flush()
    assert "of at most 4096 bytes" in str(recorder.problem)
    # The drain makes room, a file at a time.
    calls = []
    while recorder.problem is not None:
        calls += read_back(tmp_path)
        for path in tmp_path.glob("*.seg"):
            path.unlink()
        recorder.flush()
    calls += read_back(tmp_path)
    expected = [call for number in range(200) for call in ((OPENED, entry(number)), (SETTLED, settled(number)))]
    assert calls == expected
    assert (recorder.waiting_bytes, recorder.lost_records) == (0, 0)


def test_a_record_waits_behind_those_that_wait_already(tmp_path: Path) -> None:
    """The old segment may have room for a small record when a large one did not fit."""
    recorder = Recorder(JournalWriter(str(tmp_path), 0, 1, SMALL, SMALL), 1 << 20)
    recorder.opened(record_of(entry(1)))
    recorder.opened(record_of(entry(2, metadata={"m": "x" * 3900})))
    assert recorder.writer.room_bytes > 1000
    recorder.opened(record_of(entry(3)))
    assert [call.id for _, call in read_back(tmp_path)] == [call_id(1)]
    assert "2 records wait" in str(recorder.problem)


def test_the_buffer_is_bounded_and_what_it_does_not_take_is_counted(tmp_path: Path) -> None:
    recorder = Recorder(JournalWriter(str(tmp_path / "none"), 0, 1), 2000)
    for number in range(100):
        recorder.settled(record_of(settled(number)))
    assert 0 < recorder.waiting_bytes <= 2000
    waiting = int(str(recorder.problem).split("; ")[1].split()[0])
    assert recorder.lost_records == 100 - waiting
    (tmp_path / "none").mkdir()
    recorder.flush()
    assert [call.id for _, call in read_back(tmp_path / "none")] == [call_id(number) for number in range(waiting)]
    recorder.settled(record_of(settled(200)))
    assert len(read_back(tmp_path / "none")) == waiting + 1


def test_close_seals_and_counts_what_it_cannot_bring_over(tmp_path: Path) -> None:
    recorder = Recorder(JournalWriter(str(tmp_path / "none"), 0, 1), 1 << 20)
    recorder.settled(record_of(settled(1)))
    recorder.close()
    assert (recorder.lost_records, recorder.problem) == (1, None)
    sealed = Recorder(JournalWriter(str(tmp_path), 0, 1), 1 << 20)
    sealed.settled(record_of(settled(1)))
    sealed.close()
    assert JournalReader(str(next(tmp_path.glob("*.seg")))).sealed


def test_a_record_no_segment_can_hold_is_lost_and_counted_and_stops_no_call(tmp_path: Path) -> None:
    recorder = Recorder(JournalWriter(str(tmp_path), 0, 1, SMALL), 1 << 20)
    recorder.opened(record_of(entry(1, metadata={"m": "x" * 5000})))
    recorder.settled(record_of(settled(1)))
    assert recorder.lost_records == 1
    assert [kind for kind, _ in read_back(tmp_path)] == [SETTLED]
    # The same while others wait.
    late = Recorder(JournalWriter(str(tmp_path / "late"), 0, 1, SMALL), 1 << 20)
    late.opened(record_of(entry(1)))
    late.opened(record_of(entry(2, metadata={"m": "x" * 5000})))
    late.settled(record_of(settled(1)))
    (tmp_path / "late").mkdir()
    late.flush()
    assert (late.lost_records, late.problem, late.waiting_bytes) == (1, None, 0)
    assert read_back(tmp_path / "late") == [(OPENED, entry(1)), (SETTLED, settled(1))]


def test_open_recorder_makes_the_directory_and_a_life_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = LedgerConfig(url="sqlite:sub/x.db")
    recorders = [open_recorder(config, 3, life) for life in (1, 2)]
    for recorder in recorders:
        recorder.opened(record_of(entry(1)))
    names = sorted(path.name for path in (tmp_path / "sub" / "x.db.segments").iterdir())
    assert len({name[14:30] for name in names}) == 2
    assert all(name.startswith("0003-00000001-") for name in names)
