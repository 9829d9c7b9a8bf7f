"""Throws damaged segments at the reader: it must end, and give only what was written or refuse.

Run: ``python -m tests.fuzz.fuzz_journal --seconds 60 [--seed N]``. Ends with status 1 and the seed of the first
failure.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from fastgw._native.errors import JournalError
from fastgw._native.journal import JournalReader, JournalWriter

SEGMENT_BYTES = 8192


def make_segment(dice: random.Random, directory: Path) -> tuple[bytes, list[tuple[int, int, bytes]]]:
    """A segment of random records, sealed or as a killed writer leaves it."""
    token = dice.getrandbits(64)
    writer = JournalWriter(str(directory), 0, token, SEGMENT_BYTES)
    records = []
    while True:
        record = (dice.randint(1, 255), dice.getrandbits(63), dice.randbytes(dice.choice((0, 3, 8, 60, 700))))
        if writer.segments and writer.room_bytes < 16 + len(record[2]) + 8:
            break
        writer.append(*record)
        records.append(record)
    if dice.random() < 0.5:
        writer.close()
    del writer
    (path,) = directory.glob("*.seg")
    content = path.read_bytes()
    path.unlink()
    return content, records


def damage(dice: random.Random, content: bytes) -> bytes:
    """A few changes: bytes set, blocks moved or cleared, the end cut or grown."""
    changed = bytearray(content)
    for _ in range(dice.randint(1, 4)):
        at, size = dice.randrange(len(changed) or 1), dice.choice((1, 1, 8, 64, 512))
        kind = dice.randrange(5)
        if kind == 0:
            changed[at : at + size] = dice.randbytes(len(changed[at : at + size]))
        elif kind == 1:
            changed[at : at + size] = bytes(len(changed[at : at + size]))
        elif kind == 2:
            source = dice.randrange(len(changed) or 1) // 8 * 8
            block = changed[source : source + size]
            changed[at // 8 * 8 : at // 8 * 8 + len(block)] = block
        elif kind == 3:
            del changed[at:]
        else:
            changed += dice.randbytes(size)
    return bytes(changed)


def run_one(seed: int, directory: Path) -> None:
    """One segment, twenty damages. Raises ``AssertionError`` when the reader believes what was not written."""
    dice = random.Random(seed)
    content, records = make_segment(dice, directory)
    path = directory / "damaged.bin"
    for _ in range(20):
        path.write_bytes(damage(dice, content))
        try:
            reader = JournalReader(str(path))
            got = reader.read(dice.choice((1, 3, 1000)))
            while some := reader.read(1000):
                got += some
        except JournalError:
            continue
        if got != records[: len(got)]:
            raise AssertionError(f"seed {seed}: read what was not written")


def main() -> int:
    """Run until the time is up."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    end = time.monotonic() + arguments.seconds
    seed = arguments.seed
    with tempfile.TemporaryDirectory() as name:
        while time.monotonic() < end:
            run_one(seed, Path(name))
            seed += 1
    sys.stdout.write(f"{(seed - arguments.seed) * 20} damaged segments, none believed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
