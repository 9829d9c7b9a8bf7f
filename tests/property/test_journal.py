"""The journal equals its model, and the ledger behind it has one row a call, whoever dies when."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw._native.errors import JournalError
from fastgw._native.journal import OPENED, SETTLED, JournalReader, JournalWriter
from fastgw.ledger.journal_drain import JournalDrain
from fastgw.ledger.writer import LedgerWriter
from fastgw.storage.sqlite import open_reader
from tests.model.calls import call_id, entry, settled
from tests.model.journal_model import Call, LedgerModel, Record, WriterModel

SEGMENT_BYTES = 4096

append_step = st.tuples(
    st.just("append"),
    st.integers(1, 255),
    st.integers(-(2**63), 2**63 - 1),
    st.one_of(st.binary(max_size=40), st.integers(0, SEGMENT_BYTES - 80).map(bytes)),
)
journal_steps = st.lists(
    st.one_of(append_step, append_step, st.tuples(st.sampled_from(["rotate", "read", "close"]))), max_size=60
)


class Readers:
    """Reads each segment of a directory a little at a time, as a drain would."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.readers: dict[str, JournalReader] = {}
        self.got: dict[str, list[Record]] = {}

    def read(self, max_records: int) -> None:
        for path in sorted(self.directory.glob("*.seg")):
            reader = self.readers.setdefault(path.name, JournalReader(str(path)))
            self.got.setdefault(path.name, []).extend(reader.read(max_records))
            assert not reader.torn

    def segments(self) -> list[list[Record]]:
        return [self.got[name] for name in sorted(self.got)]


@settings(max_examples=100, deadline=None)
@given(journal_steps)
def test_readers_have_what_the_model_has(steps: list[tuple[object, ...]]) -> None:
    """Whatever the order of appends, rotations and reads: every record, in order, in the segment the model says."""
    directory = Path(tempfile.mkdtemp())
    try:
        writer, model, readers = (
            JournalWriter(str(directory), 0, 9, SEGMENT_BYTES),
            WriterModel(SEGMENT_BYTES),
            Readers(directory),
        )
        for name, *arguments in steps:
            if name == "append":
                assert writer.append(*arguments) == model.append(*arguments)  # type: ignore[arg-type]
            elif name == "rotate" and not model.closed:
                writer.rotate()
                model.rotate()
            elif name == "read":
                readers.read(2)
            elif name == "close":
                writer.close()
                model.closed = True
            if model.segments and not model.closed:
                assert writer.room_bytes == SEGMENT_BYTES - model.used_bytes
        readers.read(10_000)
        assert readers.segments() == model.segments
        for index, name in enumerate(sorted(readers.readers)):
            reader = readers.readers[name]
            assert reader.sealed == reader.finished == model.sealed(index)
            assert reader.writer_alive == (not model.sealed(index))
    finally:
        shutil.rmtree(directory)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.binary(max_size=60), min_size=1, max_size=20),
    st.lists(st.tuples(st.integers(0, SEGMENT_BYTES - 1), st.binary(min_size=1, max_size=12)), max_size=4),
    st.one_of(st.none(), st.integers(0, SEGMENT_BYTES)),
)
def test_damage_gives_a_prefix_or_a_refusal(
    payloads: list[bytes], damages: list[tuple[int, bytes]], size: int | None
) -> None:
    """Overwritten anywhere and cut anywhere: what is read is a prefix of what was appended, and reading ends."""
    directory = Path(tempfile.mkdtemp())
    try:
        writer = JournalWriter(str(directory), 0, 9, SEGMENT_BYTES)
        records = [(SETTLED, number, payload) for number, payload in enumerate(payloads)]
        for record in records:
            assert writer.append(*record)
        del writer
        (path,) = directory.glob("*.seg")
        content = bytearray(path.read_bytes())
        for offset, damage in damages:
            content[offset : offset + len(damage)] = damage[: SEGMENT_BYTES - offset]
        path.write_bytes(content[:size])
        try:
            reader = JournalReader(str(path))
        except JournalError:
            return
        got = reader.read(10_000)
        assert got == records[: len(got)]
        assert reader.read() == []
    finally:
        shutil.rmtree(directory)


ledger_steps = st.lists(
    st.one_of(
        st.tuples(st.just("open"), st.integers(0, 2), st.integers(0, 10**12)),
        st.tuples(st.just("settle"), st.integers(0, 50), st.integers(0, 10**12)),
        st.tuples(st.just("kill"), st.integers(0, 2), st.booleans()),
        st.tuples(st.just("rotate"), st.integers(0, 2), st.just(0)),
        st.tuples(st.just("drain"), st.just(0), st.just(0)),
        st.tuples(st.just("bookkeeper dies"), st.booleans(), st.just(0)),
    ),
    max_size=50,
)


class World:
    """Three workers and a bookkeeper, each of which may die, beside the model of their books."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "x.db"
        self.segments = folder / "segments"
        self.model = LedgerModel()
        self.lives = 0
        self.start_bookkeeper()
        self.workers = {number: self.start_worker(number) for number in range(3)}
        self.worker_of_life: dict[int, int] = {}

    def start_bookkeeper(self) -> None:
        self.writer = LedgerWriter(self.path)
        self.drain = JournalDrain(self.segments, self.writer)

    def start_worker(self, number: int) -> tuple[JournalWriter, int]:
        self.lives += 1
        return JournalWriter(str(self.segments), number, self.lives, SEGMENT_BYTES), self.lives

    def open(self, number: int, estimate_nano_usd: int) -> None:
        journal, life = self.workers[number]
        call = entry(len(self.model.calls), number, cost_nano_usd=estimate_nano_usd, metadata={"pad": "x" * 900})
        assert journal.append(OPENED, call.id, msgspec.msgpack.encode(call))
        self.model.calls[call.id] = Call(life, estimate_nano_usd)

    def settle(self, number: int, cost_nano_usd: int) -> None:
        if number >= len(self.model.calls):
            return
        record_id = list(self.model.calls)[number]
        call, worker = self.model.calls[record_id], record_id & 1023
        journal, life = self.workers[worker]
        if call.worker != life or call.settled_nano_usd is not None:
            return
        done = settled(number, worker, cost_nano_usd=cost_nano_usd)
        assert done.id == record_id == call_id(number, worker)
        assert journal.append(SETTLED, record_id, msgspec.msgpack.encode(done))
        call.settled_nano_usd = cost_nano_usd

    def kill(self, number: int, cleanly: bool) -> None:
        journal, life = self.workers.pop(number)
        if cleanly:
            journal.close()
        del journal
        self.model.dead_workers.add(life)
        self.workers[number] = self.start_worker(number)

    def kill_bookkeeper(self, between_commit_and_unlink: bool) -> None:
        if between_commit_and_unlink:
            self.drain._put_away = lambda: None  # type: ignore[method-assign]
            self.drain.step_now()
        self.drain.close()
        self.writer.close()
        self.start_bookkeeper()

    def step(self, name: str, first: int, second: int) -> None:
        if name == "open":
            self.open(first, second)
        elif name == "settle":
            self.settle(first, second)
        elif name == "kill":
            self.kill(first, bool(second))
        elif name == "rotate":
            self.workers[first][0].rotate()
        elif name == "drain":
            self.drain.step_now()
        else:
            self.kill_bookkeeper(bool(first))

    def rows(self) -> dict[int, tuple[str, int]]:
        connection = open_reader(self.path)
        rows = {
            row[0]: (row[1], row[2]) for row in connection.execute("SELECT id, outcome, cost_nano_usd FROM entries")
        }
        connection.close()
        return rows

    def close(self) -> None:
        self.drain.close()
        self.writer.close()


@settings(max_examples=60, deadline=None)
@given(ledger_steps)
def test_rows_are_calls_and_sums_agree(steps: list[tuple[str, int, int]]) -> None:
    """For any interleaving of open, settle, kill and drain: rows == calls that are over, sum == the model's sum."""
    folder = Path(tempfile.mkdtemp())
    world = World(folder)
    try:
        for name, first, second in steps:
            world.step(name, first, second)
            settled_so_far = {call: row for call, row in world.rows().items() if row[0] == "settled"}
            assert settled_so_far.items() <= world.model.rows().items()
        for _ in range(4):
            world.drain.step_now()
        assert world.rows() == world.model.rows()
        for number in range(3):
            world.kill(number, number == 0)
        for _ in range(4):
            world.drain.step_now()
        assert world.rows() == world.model.rows()
        assert len(world.rows()) == len(world.model.calls)
        assert world.drain.corrupt_records == world.drain.rejected_records == 0
        assert world.writer.open_entries() == []
        assert list(world.segments.glob("*.seg")) == []
    finally:
        world.close()
        shutil.rmtree(folder)
