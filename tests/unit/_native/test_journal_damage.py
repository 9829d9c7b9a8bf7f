"""Damaged, cut, moved and foreign segments: what is read is what was written, or nothing."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from fastgw._native.errors import JournalError
from fastgw._native.journal import SETTLED, JournalReader, JournalWriter

SMALL = 4096


def segment_paths(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.seg"))


def read_all(path: Path) -> list[tuple[int, int, bytes]]:
    reader = JournalReader(str(path))
    records = []
    while some := reader.read(7):
        records += some
    return records


def _filled(directory: Path) -> tuple[Path, list[tuple[int, int, bytes]]]:
    writer = JournalWriter(str(directory), 0, 77, SMALL)
    records = [(SETTLED, number, bytes([65 + number]) * (number * 13)) for number in range(12)]
    for record in records:
        assert writer.append(*record)
    writer.close()
    (path,) = segment_paths(directory)
    return path, records


def test_a_changed_byte_never_becomes_a_record(tmp_path: Path) -> None:
    """Every byte of the file, three changes each: what is read is a prefix of what was written, or nothing at all."""
    path, records = _filled(tmp_path)
    whole = path.read_bytes()
    used_bytes = struct.unpack_from("<Q", whole, 40)[0]
    damaged = tmp_path / "damaged.seg"
    for offset in range(used_bytes + 16):
        for mask in (0x01, 0x80, 0xFF):
            damaged.write_bytes(whole[:offset] + bytes([whole[offset] ^ mask]) + whole[offset + 1 :])
            if offset < 40 or 48 <= offset < 56:
                with pytest.raises(JournalError) as caught:
                    read_all(damaged)
                assert caught.value.__cause__ is None
                continue
            got = read_all(damaged)
            assert got == records[: len(got)], offset
            if 64 <= offset < used_bytes and not _is_padding(offset):
                assert len(got) < len(records)
                reader = JournalReader(str(damaged))
                reader.read()
                assert reader.torn
                assert not reader.finished


def _is_padding(offset: int) -> bool:
    position = 64
    for number in range(12):
        end = position + 16 + number * 13
        position += 16 + (number * 13 + 7) // 8 * 8
        if offset < position:
            return offset >= end
    return True


def test_a_truncated_file_gives_the_records_before_the_cut(tmp_path: Path) -> None:
    path, records = _filled(tmp_path)
    whole = path.read_bytes()
    for size in range(0, SMALL, 5):
        path.write_bytes(whole)
        reader = JournalReader(str(path))
        os.truncate(path, size)
        try:
            got = reader.read()
        except JournalError:
            assert size < 48
            continue
        assert got == records[: len(got)]
        assert reader.finished == (len(got) == len(records))
        assert reader.torn == (len(got) < len(records))
        with pytest.raises(JournalError):
            JournalReader(str(path))


def test_records_are_bound_to_their_place_and_life(tmp_path: Path) -> None:
    """A block of another segment, or of another place in this one, is not read as a record."""
    blocks = {}
    for token in (1, 2):
        writer = JournalWriter(str(tmp_path), token, token, SMALL)
        writer.append(SETTLED, 1, b"same")
        writer.append(SETTLED, 1, b"same")
        writer.close()
        blocks[token] = segment_paths(tmp_path)[-1].read_bytes()
    target = tmp_path / "moved.seg"
    target.write_bytes(blocks[1][:64] + blocks[2][64:])
    assert read_all(target) == []
    target.write_bytes(blocks[1][:64] + blocks[1][88:112] + blocks[1][88:])
    assert read_all(target) == []


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.seg"
    whole = _filled(tmp_path)[0].read_bytes()
    for content, reason in (
        (b"", "0 bytes of header"),
        (b"#!/bin/sh\n" * 1000, "not a journal segment"),
        (whole[:8] + struct.pack("<I", 2) + whole[12:], "journal format 2, this build reads 1"),
        (whole[:16] + b"\xff" + whole[17:], "damaged segment header"),
        (whole + b"\x00", "4097 bytes, its header says 4096"),
    ):
        path.write_bytes(content)
        with pytest.raises(JournalError, match=reason) as caught:
            JournalReader(str(path))
        assert caught.value.__cause__ is None
    with pytest.raises(JournalError) as caught:
        JournalReader(str(tmp_path / "none.seg"))
    assert isinstance(caught.value.__cause__, FileNotFoundError)
