"""Mutation fuzzer of the JSON scanner and the answer tap: `python tests/fuzz/fuzz_json.py --seconds 60 --seed 1`.

Looks for: errors other than the declared one, texts that the scanner accepts and the standard library refuses (or the
other way round), spans that do not hold the value, and taps that see where the pieces were cut. Standard library only.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from fastgw._native.errors import JsonSyntaxError
from fastgw._native.json_scan import NUMBER, STRING, MemberSpans, MemberTable, quote, scan_object, splice
from fastgw._native.json_tail import scan_tail
from fastgw._native.json_tap import JsonTap

NAMES = [b"model", b"stream", b"n", b"usage", b"messages"]
TABLE = MemberTable(NAMES)
PATHS = [b"id", b"usage", b"response.usage", b"response", b"model"]
PATH_TABLE = MemberTable(PATHS)
TAIL_TABLE = MemberTable([b"usage", b"model"])
SEEDS = [
    b'{"model":"gpt","messages":[{"role":"user","content":"h\xc3\xa9llo \xe2\x82\xac \\ud83d\\ude00"}],"n":1.0e1}',
    b'{"mod\\u0065l" : null , "n": -9223372036854775808, "x":[[],{},[{"y":[1,2.5E-3,false]}]], "usage":["\\"\\\\"]}',
    b'{"id":"x","response":{"usage":{"input":1},"z":[{"usage":2}]},"usage":null,"model":"m"}',
    b"{}",
    b'{"messages":"%s","n":3}' % ("Съешь ещё этих мягких 我能吞下 😀😀 булок".encode() * 4),
]
TOKENS = [
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b'"n":1,', b'"model":"x",', b"\\u00e9", b"\\ud800",
    b"\xed\xa0\x80", b"\xc3\xa9",
    b"\xe2\x82\xac", b"\xf0\x9f\x98\x80", b"\xc0\x80", b"\xff", b"\x00", b"\x1f", b" ", b"\n", b"0", b"-", b".", b"e",
    b"1e5", b"true",
    b"null", b'"response":{"usage":', b"[[[[[[[[", b"]]]]]]]]",
]  # fmt: skip


def mutate(random_: random.Random, data: bytes) -> bytes:
    body = bytearray(data)
    for _ in range(random_.randint(0, 4)):
        at = random_.randint(0, len(body))
        kind = random_.randrange(5)
        if kind == 0:
            body[at:at] = random_.choice(TOKENS)
        elif kind == 1:
            del body[at : at + random_.randint(1, 8)]
        elif kind == 2 and at < len(body):
            body[at] = random_.randrange(256)
        elif kind == 3:
            body[at:at] = body[at : at + random_.randint(1, 80)] * random_.randint(1, 3)
        else:
            body[at : at + 1] = random_.choice(TOKENS)
    return bytes(body[:4000])


def reference(body: bytes) -> list[tuple[str, object]] | None:
    """The members of the object as the standard library has them; None when it is not one in strict UTF-8."""

    def refuse(name: str) -> object:
        raise ValueError(name)

    try:
        if body.decode()[:1] == "\ufeff":
            return None
        pairs = json.loads(
            body.decode(), object_pairs_hook=Pairs, parse_constant=refuse, parse_float=str, parse_int=str
        )
    except (ValueError, RecursionError):
        return None
    return pairs if isinstance(pairs, Pairs) else None


class Pairs(list[tuple[str, object]]):
    """An object; tells it from an array."""


def check_scan(body: bytes) -> None:
    pairs = reference(body)
    names = [name.decode() for name in NAMES]
    known = [name for name, _ in pairs if name in names] if pairs is not None else []
    fault = 0
    try:
        found = scan_object(body, TABLE, max_depth=1000)
    except JsonSyntaxError as error:
        found, fault = None, error.offset
    assert 0 <= fault <= len(body)
    if found is None:
        assert pairs is None or len(known) != len(set(known)), "refused what the standard library accepts"
        return
    assert pairs is not None, "accepted what the standard library refuses"
    assert len(known) == len(set(known)), "accepted a duplicate"
    for index, name in enumerate(names):
        assert bool(found.kind(index)) == (name in known)
        if found.kind(index):
            check_member(body, found, index)


def check_member(body: bytes, found: MemberSpans, index: int) -> None:
    start, end = found.span(index)
    value = json.loads(body[start:end].decode())
    if found.kind(index) == STRING:
        try:
            assert found.text(index) == value
            assert json.loads(quote(value)) == value
        except JsonSyntaxError:
            assert any(0xD800 <= ord(char) <= 0xDFFF for char in value)
    elif found.kind(index) == NUMBER and isinstance(value, int):
        assert found.integer(index) == (value if -(2**63) <= value < 2**63 else None)
    rest = splice(body, [(*found.member_span(index), b"")])
    assert not scan_object(rest, TABLE, max_depth=1000).kind(index)


def tapped(pieces: list[bytes]) -> tuple[object, ...]:
    tap = JsonTap(PATH_TABLE, 100)
    for piece in pieces:
        tap.feed(piece)
    return (*(tap.value(index) for index in range(len(PATHS))), tap.complete, tap.broken, tap.overflowed)


def check_tap(random_: random.Random, body: bytes) -> None:
    whole = tapped([body])
    cut = random_.randint(0, len(body))
    assert tapped([body[:cut], body[cut:]]) == whole
    assert tapped([body[i : i + 1] for i in range(len(body))]) == whole


def check_tail(body: bytes) -> None:
    tail = scan_tail(body, TAIL_TABLE)
    if tail is None or b"\\u" in body:
        return  # a name may be spelt with escapes, which the tail does not look for
    try:
        whole = scan_object(body, TAIL_TABLE, max_depth=1000)
    except JsonSyntaxError:
        return  # what stands before the tail is not looked at
    for index in range(2):
        assert (tail.kind(index), tail.raw(index)) == (whole.kind(index), whole.raw(index))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    random_ = random.Random(arguments.seed)
    end = time.monotonic() + arguments.seconds
    corpus, runs = list(SEEDS), 0
    while time.monotonic() < end:
        body = mutate(random_, random_.choice(corpus))
        try:
            check_scan(body)
            check_tap(random_, body)
            check_tail(body)
        except BaseException:
            sys.stderr.write(f"seed {arguments.seed}, run {runs}: {body!r}\n")
            raise
        if random_.randrange(50) == 0:
            corpus[len(SEEDS) :] = [*corpus[len(SEEDS) :], body][-200:]
        runs += 1
    sys.stdout.write(f"fuzz_json: {runs} bodies, seed {arguments.seed}, no fault\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
