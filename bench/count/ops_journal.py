"""Appending one settled call to the journal: a memory copy and a checksum, no system call."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable

import msgspec

from bench.count.ops_entry import sample_entry
from fastgw._native.journal import SETTLED, JournalWriter

SEGMENT_BYTES = 1 << 24


def append() -> Callable[[], object]:
    folder = tempfile.mkdtemp(prefix="fastgw-count-journal-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    writer = JournalWriter(folder, 0, 1, SEGMENT_BYTES)
    record = msgspec.msgpack.encode(sample_entry())
    return lambda: writer.append(SETTLED, 7, record)


OPERATIONS = {"journal.append": append}
