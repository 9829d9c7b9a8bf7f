"""Counts of a usage block: what is read, what is left to somebody slower, and that Python's parser agrees with all that is read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fastgw._native.count_scan import CountTable

PATHS = [b"in", b"out", b"details.cached", b"details.audio", b"more.cached"]
TABLE = CountTable(PATHS)
NOTHING = (-1, -1, -1, -1, -1)
MAX_COUNT = 2**31 - 1


@pytest.mark.parametrize(
    ("block", "counts"),
    [
        (b"{}", NOTHING),
        (b" \t\r\n{ } \n", NOTHING),
        (b'{"in":0}', (0, -1, -1, -1, -1)),
        (b'{"in":12,"out":2147483647}', (12, MAX_COUNT, -1, -1, -1)),
        (b'{"out":7,"in":3}', (3, 7, -1, -1, -1)),
        (b'{ "in" : 1 , "details" : { "cached" : 2 , "audio" : 3 } }', (1, -1, 2, 3, -1)),
        (b'{"more":{"cached":9},"details":{"cached":8}}', (-1, -1, 8, -1, 9)),
        (b'{"in":null,"details":null}', NOTHING),
        (b'{"details":{},"more":{"cached":null}}', NOTHING),
        # names that are not asked for at that place, whatever they hold
        (b'{"cached":5,"details":{"in":6,"other":{"cached":7}},"x":[1,{"in":2}]}', NOTHING),
        (b'{"in2":1,"i":2,"In":3,"":4,"in":5}', (5, -1, -1, -1, -1)),
        (b'{"x":-1.5e+9,"y":"a\\"b","z":true,"in":1}', (1, -1, -1, -1, -1)),
    ],
)
def test_plain_blocks_are_read(block: bytes, counts: tuple[int, ...]) -> None:
    assert TABLE.read(block) == counts


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"null",
        b"[]",
        b'"in"',
        b"{",
        b'{"in"',
        b'{"in":',
        b'{"in":1',
        b'{"in":1,',
        b'{"in":1,}',
        b'{"in" 1}',
        b'{"in":1 "out":2}',
        b'{"in":1}}',
        b'{"in":1}x',
        b'{"in":01}',
        b'{"in":-1}',
        b'{"in":+1}',
        b'{"in":1.0}',
        b'{"in":1e3}',
        b'{"in":1E3}',
        b'{"in":2147483648}',
        b'{"in":99999999999999999999}',
        b'{"in":"1"}',
        b'{"in":true}',
        b'{"in":[1]}',
        b'{"in":{}}',
        b'{"in":nul}',
        b'{"in":nullx}',
        b'{"in":1,"in":1}',
        b'{"in":1,"in":null}',
        b'{"details":1}',
        b'{"details":[]}',
        b'{"details":nul}',
        b'{"details":{"cached":1,"cached":1}}',
        b'{"details":{"cached":"1"}}',
        b'{"details":{"cached":1}',
        b'{"i\\u006e":1}',
        b'{"x\\n":1}',
        b'{"x":tru}',
        b'{"x":"\xff"}',
        b'{"\xff":1}',
    ],
)
def test_whatever_is_odd_is_left_to_somebody_slower(block: bytes) -> None:
    assert TABLE.read(block) is None


@pytest.mark.parametrize("again", [b"{}", b"null", b'{"cached":2}', b'{"audio":2}'])
def test_an_outer_member_that_stands_there_twice_is_odd(again: bytes) -> None:
    # A parser that keeps the last one sees other counts.
    assert TABLE.read(b'{"details":{"cached":1},"details":%b}' % again) is None


def test_a_deep_value_is_odd_and_no_danger() -> None:
    assert TABLE.read(b'{"in":1,"x":' + b"[" * 10 + b"]" * 10 + b"}") == (1, -1, -1, -1, -1)
    assert TABLE.read(b'{"in":1,"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}") is None
    assert TABLE.read(b'{"details":' * 100_000) is None


@pytest.mark.parametrize(
    "paths",
    [[b""], [b"a."], [b"a.b.c"], [b"a", b"a"], [b"a%d" % n for n in range(33)], [b"g%d.a" % n for n in range(9)]],
)
def test_a_table_that_cannot_be_is_refused(paths: list[bytes]) -> None:
    with pytest.raises(ValueError, match="path"):
        CountTable(paths)


def test_the_largest_tables() -> None:
    names = [b"a%d" % n for n in range(32)]
    block = json.dumps({name.decode(): n for n, name in enumerate(names)}).encode()
    assert CountTable(names).read(block) == tuple(range(32))
    groups = CountTable([b"g%d.a" % n for n in range(8)])
    assert groups.read(json.dumps({f"g{n}": {"a": n} for n in range(8)}).encode()) == tuple(range(8))
    assert CountTable([]).read(b'{"a":1}') == ()


def test_a_table_keeps_the_names_it_was_made_from() -> None:
    table = CountTable([bytes(bytearray(b"abc%d.def" % n)) for n in range(8)])
    assert table.read(b'{"abc3":{"def":4}}') == (-1, -1, -1, 4, -1, -1, -1, -1)


def by_python(block: bytes) -> tuple[int, ...] | None:
    """What the standard library reads there; None when a value is not a count."""
    document = json.loads(block)
    counts = []
    for path in PATHS:
        value: Any = document
        for part in path.decode().split("."):
            value = value.get(part) if value is not None else None
        if value is not None and (type(value) is not int or not 0 <= value <= MAX_COUNT):
            return None
        counts.append(-1 if value is None else value)
    return tuple(counts)


names = st.sampled_from(["in", "out", "details", "more", "cached", "audio", "x", "In"])
leaves = (
    st.sampled_from([None, True, 0, 1, -1, MAX_COUNT, MAX_COUNT + 1, 1.5, 1e3, "7", 2**70])
    | st.integers(0, 10**10)
    | st.text(max_size=3)
)
places = st.integers(0, 60)


class Repeats(dict[str, Any]):
    """An object in which names may stand more than once when it is written."""

    def __init__(self, members: list[tuple[str, Any]]) -> None:
        super().__init__(members)
        self.members = members

    def items(self) -> Any:
        return self.members


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Repeats]:
    return st.lists(st.tuples(names, inner), max_size=5).map(Repeats)


values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=2) | objects(inner), max_leaves=6)


@settings(max_examples=200, deadline=None)
@given(objects(values), st.booleans(), st.none() | st.tuples(places, st.sampled_from(b'"\\{}[]:,0-.eu\x00\x80 ')))
@example(Repeats([("details", Repeats([("cached", 1)])), ("details", Repeats([]))]), True, None)
def test_whatever_is_read_python_reads_too(document: Repeats, ascii_only: bool, damage: tuple[int, int] | None) -> None:
    block = json.dumps(document, ensure_ascii=ascii_only).encode()
    if damage is not None:
        at, byte = damage
        block = block[:at] + bytes([byte]) + block[at + 1 :]
    counts = TABLE.read(block)
    if counts is not None:
        assert counts == by_python(block)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["in", "out", "x"]), st.none() | st.integers(0, MAX_COUNT)),
    st.none() | st.dictionaries(st.sampled_from(["cached", "audio", "y"]), st.none() | st.integers(0, MAX_COUNT)),
    st.sampled_from([None, 1, "\t"]),
)
def test_every_plain_block_is_read(top: dict[str, Any], details: dict[str, Any] | None, indent: Any) -> None:
    block = json.dumps({"details": details, **top}, indent=indent).encode()
    assert TABLE.read(block) == by_python(block) is not None
