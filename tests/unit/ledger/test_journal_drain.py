"""The drain: each call becomes one row, whoever dies in between, and files go only after their rows are in."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from fastgw._native.journal import OPENED, SETTLED, JournalWriter
from fastgw.domain.entry import LedgerEntry
from fastgw.ledger.journal_drain import JournalDrain
from fastgw.ledger.writer import LedgerWriter
from fastgw.storage.sqlite import open_reader
from tests.model.calls import call_id, entry, settled

SMALL = 4096


class Books:
    """A database, its journal directory, and the bookkeeper of the moment."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "x.db"
        self.segments = folder / "x.db.segments"
        self.start()

    def start(self) -> None:
        self.writer = LedgerWriter(self.path)
        self.drain = JournalDrain(self.segments, self.writer)

    def restart(self) -> None:
        """Another bookkeeper, which knows only what is on disk."""
        self.drain.close()
        self.writer.close()
        self.start()

    def drain_all(self) -> int:
        total = 0
        # An empty step tells that lives are over, which the next one writes.
        for _ in range(3):
            while records := self.drain.step_now():
                total += records
        return total

    def rows(self) -> dict[int, tuple[str, int]]:
        connection = open_reader(self.path)
        rows = {
            row[0]: (row[1], row[2]) for row in connection.execute("SELECT id, outcome, cost_nano_usd FROM entries")
        }
        connection.close()
        return rows

    def worker(self, number: int = 0, token: int = 1) -> JournalWriter:
        return JournalWriter(str(self.segments), number, token, SMALL)

    def files(self) -> list[str]:
        return sorted(os.listdir(self.segments))


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    books = Books(tmp_path)
    yield books
    books.drain.close()
    books.writer.close()


def append(journal: JournalWriter, kind: int, call: LedgerEntry) -> None:
    assert journal.append(kind, call.id, msgspec.msgpack.encode(call))


def test_settled_calls_are_rows_at_once_and_open_ones_wait(books: Books) -> None:
    journal = books.worker()
    append(journal, OPENED, entry(1))
    append(journal, OPENED, entry(2))
    append(journal, SETTLED, settled(1, cost_nano_usd=5))
    assert books.drain.step_now() == 3
    assert books.rows() == {call_id(1): ("settled", 5)}
    append(journal, SETTLED, settled(2, cost_nano_usd=6))
    assert books.drain.step_now() == 1
    assert books.drain.step_now() == 0
    assert books.rows() == {call_id(1): ("settled", 5), call_id(2): ("settled", 6)}
    assert len(books.files()) == 1
    assert books.drain.problem is None


def test_a_dead_workers_open_calls_are_unknown_at_their_estimate(books: Books) -> None:
    journal, other = books.worker(0), books.worker(1, 2)
    append(journal, OPENED, entry(1, cost_nano_usd=77))
    append(journal, OPENED, entry(2))
    append(journal, SETTLED, settled(2, cost_nano_usd=6))
    append(other, OPENED, entry(3, 1))
    books.drain_all()
    assert call_id(1) not in books.rows()
    del journal
    books.drain_all()
    assert books.rows() == {call_id(1): ("unknown", 77), call_id(2): ("settled", 6)}
    assert [name[:4] for name in books.files()] == ["0001"]
    assert books.writer.open_entries() == []


def test_a_call_may_settle_segments_after_it_was_opened(books: Books) -> None:
    journal = books.worker()
    append(journal, OPENED, entry(1))
    append(journal, OPENED, entry(2))
    journal.rotate()
    books.drain_all()
    assert len(books.files()) == 1
    assert sorted(row[0] for row in books.writer.open_entries()) == [call_id(1), call_id(2)]
    assert books.rows() == {}
    books.restart()
    append(journal, SETTLED, settled(1, cost_nano_usd=5))
    journal.close()
    books.drain_all()
    assert books.rows() == {call_id(1): ("settled", 5), call_id(2): ("unknown", 1000)}
    assert books.writer.open_entries() == []
    assert books.files() == []


def test_a_new_worker_of_the_same_number_is_another_life(books: Books) -> None:
    journal = books.worker(0, 1)
    append(journal, OPENED, entry(1))
    journal.rotate()
    books.drain_all()
    del journal
    successor = books.worker(0, 2)
    append(successor, OPENED, entry(2))
    books.drain_all()
    assert books.rows() == {call_id(1): ("unknown", 1000)}


def test_the_same_files_again_change_nothing(books: Books) -> None:
    journal = books.worker()
    for number in range(30):
        append(journal, OPENED, entry(number))
        if number % 3:
            append(journal, SETTLED, settled(number, cost_nano_usd=number))
    del journal
    contents = {name: (books.segments / name).read_bytes() for name in books.files()}
    assert len(contents) > 1
    books.drain_all()
    rows = books.rows()
    assert len(rows) == 30
    for _ in range(2):
        for name, content in contents.items():
            (books.segments / name).write_bytes(content)
        assert books.drain_all() == 50
        assert books.rows() == rows
        assert books.files() == []
        books.restart()


def test_a_late_settlement_replaces_the_unknown_row(books: Books) -> None:
    journal = books.worker()
    append(journal, OPENED, entry(1))
    del journal
    books.drain_all()
    assert books.rows() == {call_id(1): ("unknown", 1000)}
    late = books.worker(0, 2)
    append(late, SETTLED, settled(1, cost_nano_usd=5))
    books.drain_all()
    assert books.rows() == {call_id(1): ("settled", 5)}


def test_files_stay_until_the_database_takes_their_rows(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = books.worker()
    append(journal, OPENED, entry(1))
    append(journal, SETTLED, settled(2))
    journal.close()
    apply = books.writer.apply

    def full(_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(books.writer, "apply", full)
    late = books.worker(1, 2)
    append(late, SETTLED, settled(3))
    for _ in range(3):
        assert books.drain.step_now() == 0
        assert books.drain.problem == "ledger cannot be written: database or disk is full"
        assert len(books.files()) == 2
    append(late, SETTLED, settled(4))
    monkeypatch.setattr(books.writer, "apply", apply)
    books.drain_all()
    assert books.drain.problem is None
    assert sorted(books.rows()) == [call_id(1), call_id(2), call_id(3), call_id(4)]
    assert len(books.files()) == 1


def test_a_bookkeeper_that_dies_between_commit_and_unlink_loses_and_doubles_nothing(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = books.worker()
    append(journal, OPENED, entry(1))
    append(journal, OPENED, entry(2))
    journal.rotate()
    append(journal, SETTLED, settled(1, cost_nano_usd=5))
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(PermissionError("no")))
    assert books.drain.step_now() == 0
    assert books.drain.problem == "ledger cannot be written: no"
    assert books.rows() == {call_id(1): ("settled", 5)}
    monkeypatch.undo()
    books.restart()
    append(journal, SETTLED, settled(2, cost_nano_usd=6))
    books.drain_all()
    assert books.rows() == {call_id(1): ("settled", 5), call_id(2): ("settled", 6)}
    assert len(books.files()) == 1


def damage(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 0xFF
    path.write_bytes(content)


def test_a_damaged_segment_is_read_to_the_damage_and_kept(books: Books) -> None:
    journal = books.worker()
    for number in range(4):
        append(journal, SETTLED, settled(number))
    append(journal, OPENED, entry(9))
    journal.rotate()
    append(journal, SETTLED, settled(5))
    record_bytes = 16 + (len(msgspec.msgpack.encode(settled(0))) + 7) // 8 * 8
    name = books.files()[0]
    damage(books.segments / name, 64 + 2 * record_bytes + 20)
    books.drain_all()
    assert sorted(books.rows()) == [call_id(0), call_id(1), call_id(5)]
    assert books.drain.corrupt_records == 1
    assert books.files()[0] == f"{name}.bad"
    assert len(books.files()) == 2
    assert books.drain.problem is None


def test_damage_before_the_eyes_of_a_live_writer_is_looked_at_again(books: Books) -> None:
    journal = books.worker()
    append(journal, SETTLED, settled(1))
    path = books.segments / books.files()[0]
    with path.open("r+b") as file:  # the writer's pages: the same ones
        file.seek(80)
        kept = file.read(1)
        file.seek(80)
        file.write(b"\x00")
        file.flush()
        assert books.drain_all() == 0
        assert (books.drain.corrupt_records, books.files()) == (0, [path.name])
        file.seek(80)
        file.write(kept)
    assert books.drain_all() == 1
    append(journal, SETTLED, settled(2))
    damage_at = path.stat().st_size
    assert damage_at == SMALL
    del journal
    books.drain_all()
    assert sorted(books.rows()) == [call_id(1), call_id(2)]
    assert books.drain.corrupt_records == 0


def test_what_is_no_segment_is_kept_aside_and_other_files_are_left_alone(books: Books) -> None:
    (books.segments / "0000-00000001-0000000000000001.seg").write_bytes(b"garbage")
    (books.segments / "README").write_text("mine")
    journal = books.worker(1, 1)
    append(journal, SETTLED, settled(1))
    books.drain_all()
    assert books.drain.corrupt_records == 1
    assert list(books.rows()) == [call_id(1)]
    assert books.files() == [
        "0000-00000001-0000000000000001.seg.bad",
        "0001-00000001-0000000000000001.seg",
        "README",
    ]


def test_a_record_of_an_unknown_kind_or_content_is_kept_in_the_database(books: Books) -> None:
    journal = books.worker()
    journal.append(7, 1, b"from the future")
    journal.append(SETTLED, 2, b"no entry")
    append(journal, SETTLED, settled(3))
    books.drain_all()
    assert list(books.rows()) == [call_id(3)]
    assert books.drain.rejected_records == 2
    assert books.drain.corrupt_records == 0


def test_segments_half_made_by_the_dead_are_removed(books: Books) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    mine = f"0000-00000001-0000000000000001.seg.{os.getpid()}.tmp"
    init = "0000-00000001-0000000000000001.seg.1.tmp"
    for name in (mine, init, f"0000-00000001-0000000000000001.seg.{dead.pid}.tmp", f"x.seg.{2**70}.tmp"):
        (books.segments / name).touch()
    books.restart()
    assert books.files() == sorted([mine, init])
    (books.segments / f"0000-00000001-0000000000000001.seg.{dead.pid}.tmp").touch()
    books.drain.step_now()
    assert books.files() == sorted([mine, init])


def test_draining_all_ends_lives_whose_records_were_read_before(books: Books) -> None:
    journal = books.worker()
    append(journal, OPENED, entry(1))
    books.drain.step_now()
    del journal
    asyncio.run(books.drain.drain_all())
    assert books.rows() == {call_id(1): ("unknown", 1000)}


def test_segments_that_someone_else_removed_are_no_problem_for_long(books: Books) -> None:
    journal = books.worker()
    append(journal, OPENED, entry(1))
    books.drain.step_now()
    (books.segments / books.files()[0]).unlink()
    books.drain_all()
    assert books.rows() == {call_id(1): ("unknown", 1000)}
    assert books.drain.problem is None


def test_a_directory_that_cannot_be_read_is_told(books: Books) -> None:
    books.segments.rmdir()
    assert books.drain.step_now() == 0
    assert "journal cannot be read" in str(books.drain.problem)
    books.segments.mkdir()
    books.drain.step_now()
    assert books.drain.problem is None


def test_a_backlog_is_shared_between_lives(books: Books) -> None:
    """A batch is bounded; whom it cut off is first in the next one."""
    journals = [JournalWriter(str(books.segments), number, number + 1) for number in range(6)]
    for number, journal in enumerate(journals):
        for count in range(3000):
            assert journal.append(SETTLED, call_id(count, number), msgspec.msgpack.encode(settled(count, number)))
    for seen in ({0, 1}, {0, 1, 2, 3}, {0, 1, 2, 3, 4, 5}):  # 3000 of the first, 1000 of the second, ...
        assert books.drain.step_now() == 4000
        assert {call & 1023 for call in books.rows()} == seen
    books.drain_all()
    assert len(books.rows()) == 18_000


def test_run_drains_until_told_to_stop_and_to_the_end(books: Books) -> None:
    journal = books.worker()
    clock_ns = settled(1000).started_ns

    async def main() -> None:
        stop = asyncio.Event()
        append(journal, SETTLED, settled(1))
        append(journal, SETTLED, settled(999))

        async def follow() -> None:
            while len(books.rows()) != 1:
                await asyncio.sleep(0.01)
            append(journal, SETTLED, settled(1001))
            stop.set()

        await asyncio.gather(
            books.drain.run(stop, interval_ms=1, expires_before_ns=lambda: clock_ns - 500_000), follow()
        )

    asyncio.run(asyncio.wait_for(main(), 20))
    # The row of call 1 was older than the retention and is gone.
    assert sorted(books.rows()) == [call_id(999), call_id(1001)]


def test_run_goes_on_after_a_failure(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = books.worker()
    append(journal, SETTLED, settled(1))
    apply = books.writer.apply
    failures: list[object] = []

    def sometimes(batch: object) -> None:
        if len(failures) < 3:
            failures.append(books.drain.problem)
            raise sqlite3.OperationalError("disk I/O error")
        apply(batch)  # type: ignore[arg-type]

    monkeypatch.setattr(books.writer, "apply", sometimes)
    monkeypatch.setattr(books.writer, "expire", lambda *_: (_ for _ in ()).throw(sqlite3.OperationalError("locked")))

    async def main() -> None:
        stop = asyncio.Event()

        async def follow() -> None:
            while not books.rows():
                await asyncio.sleep(0.005)
            stop.set()

        await asyncio.gather(books.drain.run(stop, interval_ms=1, expires_before_ns=lambda: 1), follow())

    asyncio.run(asyncio.wait_for(main(), 20))
    assert list(books.rows()) == [call_id(1)]
    # Whoever looks while a step is under way sees what the one before has found.
    assert [problem is None for problem in failures] == [True, False, False]
