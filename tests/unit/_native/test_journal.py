"""Segments: what is appended is read, in order, whatever dies; damaged bytes never become a record."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import resource
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fastgw._native.errors import JournalError
from fastgw._native.journal import OPENED, SETTLED, JournalReader, JournalWriter

SMALL = 4096


def segment_paths(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.seg"))


def read_all(path: Path) -> list[tuple[int, int, bytes]]:
    reader = JournalReader(str(path))
    records = []
    while some := reader.read(7):
        records += some
    return records


def test_reads_back_what_was_appended(tmp_path: Path) -> None:
    writer = JournalWriter(str(tmp_path), 3, 0xAB)
    records = [(OPENED, -(2**63), b""), (SETTLED, 2**63 - 1, b"x"), (255, 0, bytes(range(256)) * 300)]
    assert all(writer.append(*record) for record in records)
    (path,) = segment_paths(tmp_path)
    assert path.name == "0003-00000001-00000000000000ab.seg"
    assert path.stat().st_size == 1 << 20
    reader = JournalReader(str(path))
    assert reader.read(0) == []
    assert reader.read(2) == records[:2]
    assert reader.read() == records[2:]
    assert reader.read() == []
    assert writer.append(SETTLED, 7, b"later")
    assert reader.read() == [(SETTLED, 7, b"later")]
    assert not reader.torn


def test_nothing_is_made_before_the_first_append(tmp_path: Path) -> None:
    writer = JournalWriter(str(tmp_path), 0, 1)
    assert (writer.segments, writer.room_bytes) == (0, 0)
    writer.close()
    assert list(tmp_path.iterdir()) == []


def test_a_record_that_does_not_fit_goes_to_the_next_segment(tmp_path: Path) -> None:
    writer = JournalWriter(str(tmp_path), 0, 1, SMALL)
    whole = SMALL - 64 - 16
    for number in range(3):
        assert writer.append(SETTLED, number, bytes([number]) * whole)
        assert writer.room_bytes == 0
    assert writer.segments == 3
    for number, path in enumerate(segment_paths(tmp_path)):
        assert read_all(path) == [(SETTLED, number, bytes([number]) * whole)]
        assert JournalReader(str(path)).sealed == (number < 2)
    with pytest.raises(ValueError, match="do not fit"):
        writer.append(SETTLED, 9, b"x" * (whole + 1))


def test_a_sealed_segment_is_finished_once_all_is_read(tmp_path: Path) -> None:
    writer = JournalWriter(str(tmp_path), 0, 1)
    writer.append(OPENED, 1, b"one")
    reader = JournalReader(str(segment_paths(tmp_path)[0]))
    assert reader.read() == [(OPENED, 1, b"one")]
    assert (reader.sealed, reader.finished, reader.writer_alive) == (False, False, True)
    writer.append(SETTLED, 1, b"two")
    writer.close()
    assert (reader.sealed, reader.finished, reader.writer_alive) == (True, False, False)
    assert reader.read() == [(SETTLED, 1, b"two")]
    assert reader.finished


def test_after_close_nothing_is_appended(tmp_path: Path) -> None:
    writer = JournalWriter(str(tmp_path), 0, 1)
    assert writer.append(OPENED, 1, b"")
    writer.close()
    writer.close()
    assert writer.append(OPENED, 2, b"") is False
    with pytest.raises(JournalError, match="closed"):
        writer.rotate()
    assert len(segment_paths(tmp_path)) == 1


def test_dropping_the_writer_is_a_death_and_no_seal(tmp_path: Path) -> None:
    writer = JournalWriter(str(tmp_path), 0, 1)
    writer.append(OPENED, 1, b"kept")
    reader = JournalReader(str(segment_paths(tmp_path)[0]))
    assert reader.writer_alive
    del writer
    assert not reader.writer_alive
    assert reader.read() == [(OPENED, 1, b"kept")]
    assert (reader.sealed, reader.finished, reader.torn) == (False, False, False)


def test_the_next_segment_is_there_before_the_last_is_sealed(tmp_path: Path) -> None:
    """The drain takes a writer without a file for dead: there must be no moment in which a live one has none."""
    writer = JournalWriter(str(tmp_path), 0, 1)
    writer.append(OPENED, 1, b"")
    (tmp_path / f"0000-00000002-0000000000000001.seg.{os.getpid()}.tmp").touch()
    with pytest.raises(JournalError) as caught:
        writer.rotate()
    assert isinstance(caught.value.__cause__, FileExistsError)
    reader = JournalReader(str(segment_paths(tmp_path)[0]))
    assert reader.writer_alive
    assert not reader.sealed
    assert writer.append(SETTLED, 1, b"there is room yet")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [((0, 1, 0), "segment_bytes"), ((0, 1, 5000), "segment_bytes"), ((0, 1, 1 << 25), "segment_bytes")],
)
def test_sizes_out_of_range(tmp_path: Path, arguments: tuple[int, int, int], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        JournalWriter(str(tmp_path), *arguments)
    with pytest.raises(ValueError, match="max_journal_bytes"):
        JournalWriter(str(tmp_path), 0, 1, SMALL, -1)


def test_arguments_out_of_range(tmp_path: Path) -> None:
    writer = JournalWriter(str(tmp_path), 0, 1)
    for kind in (0, 256, -1):
        with pytest.raises(ValueError, match="kind"):
            writer.append(kind, 1, b"")
    with pytest.raises(OverflowError):
        writer.append(1, 2**63, b"")
    with pytest.raises(TypeError):
        writer.append(1, 1, None)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_the_directory_is_bounded_over_all_writers(tmp_path: Path) -> None:
    one = JournalWriter(str(tmp_path), 1, 1, SMALL, 3 * SMALL)
    two = JournalWriter(str(tmp_path), 2, 2, SMALL, 3 * SMALL)
    one.rotate()
    two.rotate()
    two.rotate()
    assert one.problem is None
    with pytest.raises(JournalError, match="of at most 12288") as caught:
        one.rotate()
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.EDQUOT
    assert one.append(SETTLED, 1, bytes(3000))
    assert one.append(SETTLED, 2, bytes(3000)) is False
    assert "of at most" in str(one.problem)
    segment_paths(tmp_path)[1].unlink()
    assert one.append(SETTLED, 2, bytes(3000)) is False  # not tried again by itself: that would cost each record a look
    one.rotate()
    assert one.problem is None
    assert one.append(SETTLED, 2, bytes(3000))


def test_a_missing_directory_is_an_error_with_its_reason(tmp_path: Path) -> None:
    writer = JournalWriter(str(tmp_path / "none"), 0, 1)
    assert writer.append(OPENED, 1, b"") is False
    assert "No such file" in str(writer.problem)
    with pytest.raises(JournalError) as caught:
        writer.rotate()
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def _in_child(work: object) -> int:
    """Run ``work()`` in a forked child that is then gone without any clean-up; returns its exit status."""
    child = os.fork()
    if child == 0:
        status = 99
        try:
            status = int(work())  # type: ignore[operator]
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_file_that_cannot_grow_is_an_error_at_rotation(tmp_path: Path) -> None:
    def work() -> int:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        writer = JournalWriter(str(tmp_path), 0, 1, SMALL)
        if not writer.append(SETTLED, 1, b"fits"):
            return 1
        resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL - 1, resource.RLIM_INFINITY))
        if writer.append(SETTLED, 2, bytes(SMALL - 80)):
            return 2
        if len(os.listdir(tmp_path)) != 1:
            return 3
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        writer.rotate()
        return 0 if writer.append(SETTLED, 2, bytes(SMALL - 80)) else 4

    assert _in_child(work) == 0
    first, second = segment_paths(tmp_path)
    assert read_all(first) == [(SETTLED, 1, b"fits")]
    assert read_all(second) == [(SETTLED, 2, bytes(SMALL - 80))]


CHILD = """
import os, sys
from fastgw._native.journal import JournalWriter
writer = JournalWriter(sys.argv[1], 1, int(sys.argv[2]), 1 << 16)
number = 0
while True:
    if not writer.append(2, number, b"%d:" % number * (number % 60)):
        os._exit(3)
    number += 1
    os.write(1, number.to_bytes(8, "little"))
"""


def test_kill_9_takes_back_nothing_that_was_appended(tmp_path: Path) -> None:
    for turn in range(20):
        directory = tmp_path / str(turn)
        directory.mkdir()
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(directory), str(turn)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        reported = child.stdout.read(8 * (turn * 50 + 1))
        child.kill()
        reported += child.stdout.read()
        child.stdout.close()
        assert child.wait() == -signal.SIGKILL
        acknowledged = struct.unpack("<Q", reported[len(reported) // 8 * 8 - 8 :][:8])[0]
        records = [record for path in segment_paths(directory) for record in read_all(path)]
        assert len(records) in {acknowledged, acknowledged + 1}
        assert records == [(2, number, b"%d:" % number * (number % 60)) for number in range(len(records))]
        assert not any(JournalReader(str(path)).writer_alive for path in segment_paths(directory))


def test_a_record_longer_than_one_read_is_whole(tmp_path: Path) -> None:
    writer = JournalWriter(str(tmp_path), 0, 1)
    records = [
        (SETTLED, number, os.urandom(size)) for number, size in enumerate((65_000, 500, 200_000, 65_520, 65_521, 3))
    ]
    for record in records:
        assert writer.append(*record)
    (path,) = segment_paths(tmp_path)
    assert JournalReader(str(path)).read() == records


def test_sync_covers_segments_that_were_sealed_meanwhile(tmp_path: Path) -> None:
    def open_segments() -> int:
        links = []
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                links.append(os.readlink(f"/proc/self/fd/{name}"))
        return sum(link.startswith(str(tmp_path)) for link in links)

    writer = JournalWriter(str(tmp_path), 0, 1, SMALL)
    writer.sync(True)
    writer.sync(False)
    for _ in range(3):
        writer.rotate()
    writer.sync(False)
    assert open_segments() == 3
    writer.sync(True)
    assert open_segments() == 1
    for _ in range(40):
        writer.rotate()
    assert open_segments() <= 17
    assert sum(JournalReader(str(path)).writer_alive for path in segment_paths(tmp_path)) == 1
    writer.close()
    assert open_segments() == 0


def test_a_segment_in_the_making_is_locked_and_has_another_name(tmp_path: Path) -> None:
    """Readers must not see it, and once they do its lock says that the writer lives; its name says who makes it."""
    seen: list[str] = []
    real = os.rename

    def spy(source: str, target: str) -> None:
        fd = os.open(source, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(fd)
        seen.append(source)
        real(source, target)

    os.rename = spy  # type: ignore[assignment]
    try:
        JournalWriter(str(tmp_path), 0, 1).rotate()
    finally:
        os.rename = real
    assert len(seen) == 1
    assert seen[0].endswith(f".seg.{os.getpid()}.tmp")
    assert len(segment_paths(tmp_path)) == 1


def test_a_reader_beside_a_writing_process_sees_only_whole_records(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path), "5"], stdout=subprocess.DEVNULL)
    try:
        got: list[tuple[int, int, bytes]] = []
        done: set[str] = set()
        readers: dict[str, JournalReader] = {}
        deadline = time.monotonic() + 20
        while len(got) < 20_000 and time.monotonic() < deadline:
            for path in segment_paths(tmp_path):
                if path.name in done:
                    continue
                reader = readers.setdefault(path.name, JournalReader(str(path)))
                got += reader.read(10_000)
                if not reader.finished:
                    break
                done.add(path.name)
                del readers[path.name]
    finally:
        child.kill()
        child.wait()
    assert len(got) >= 20_000
    assert got == [(2, number, b"%d:" % number * (number % 60)) for number in range(len(got))]
