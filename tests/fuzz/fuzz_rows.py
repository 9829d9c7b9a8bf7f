"""Throws damaged entries at the reader of ledger rows: what it reads must be what msgspec reads, or be handed back.

Run: ``python -m tests.fuzz.fuzz_rows --seconds 60 [--seed N]``. Ends with status 1 and the seed of the first failure.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

import msgspec

from fastgw._native.ledger_rows import RowReader
from fastgw.ledger.schema import call_values, decode_any, full_values, json_of
from tests.model.calls import call_id, settled

CODES = bytes.fromhex("00 7f 80 81 90 a0 a7 bf c0 c1 c2 c3 cc cf d0 d3 d9 db dc de ff")
ENTRIES = [
    settled(1),
    settled(2, metadata={"project": "x", "ä": "雪"}, cost_nano_usd=None),
    settled(3, request_id=f"fgw_{call_id(3):016x}", cost_nano_usd=2**50, latency_ns=-5),
    settled(4, alias="m" * 300, price_version="p@2026-01-01", error_code="client_gone", streaming=True),
]


def damage(dice: random.Random, payload: bytes) -> bytes:
    changed = bytearray(payload)
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(changed) or 1)
        kind = dice.randrange(4)
        if kind == 0:
            changed[at : at + 1] = bytes([dice.choice(CODES)])
        elif kind == 1:
            del changed[at : at + dice.randint(1, 4)]
        elif kind == 2:
            changed[at:at] = dice.randbytes(dice.randint(1, 4))
        else:
            del changed[at:]
    return bytes(changed)


def check(dice: random.Random) -> None:
    entry = dice.choice(ENTRIES)
    reader = RowReader(json_of)
    for known in ENTRIES:
        shape = reader.shape(msgspec.msgpack.encode(known))
        assert shape is not None
        reader.shapes[shape] = 7
    payload = damage(dice, msgspec.msgpack.encode(entry))
    plain: list[tuple[object, ...]] = []
    full: list[tuple[object, ...]] = []
    if reader.read([(entry.id, payload)], plain, full):
        return
    slow = decode_any(payload)
    assert plain in ([], [(*call_values(slow), 7)])
    assert full in ([], [full_values(slow, 7)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    end, seed = time.monotonic() + options.seconds, options.seed
    while time.monotonic() < end:
        seed += 1
        try:
            check(random.Random(seed))
        except Exception as error:
            sys.stdout.write(f"seed {seed}: {error!r}\n")
            return 1
    sys.stdout.write(f"{seed - options.seed} entries, nothing found\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
