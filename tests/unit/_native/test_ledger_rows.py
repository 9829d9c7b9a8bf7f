"""Rows read straight from records, against the slow way through msgspec."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw._native.journal import OPENED, SETTLED
from fastgw._native.ledger_rows import RowReader, pair
from fastgw.domain.entry import LedgerEntry
from fastgw.ledger.schema import (
    DIMENSION_COLUMNS,
    call_values,
    decode_any,
    dimension_of,
    full_values,
    json_of,
    own_request_id,
)
from tests.model.calls import call_id, settled

INT64 = st.integers(-(2**63), 2**63 - 1)
COUNT = st.integers(0, 2**31 - 1) | INT64
TEXT = st.text(max_size=40) | st.text("ab", min_size=30, max_size=300)
PLACES = {name: place for place, name in enumerate(LedgerEntry.__struct_fields__)}
AUDIO = ("input_audio_tokens", "output_audio_tokens", "input_image_tokens", "output_image_tokens")
NUMBERS = tuple(
    name
    for name in PLACES
    if (name.endswith(("_tokens", "_ns")) and name not in AUDIO)
    or name in {"status", "attempts", "fingerprint", "worker"}
)
TEXTS = tuple(name for name in DIMENSION_COLUMNS if name not in {"streaming", "usage_source"})


@st.composite
def entries(draw: st.DrawFn) -> LedgerEntry:
    id_ = draw(st.integers(0, 2**63 - 1))
    fields: dict[str, Any] = {name: draw(COUNT) for name in NUMBERS}
    fields |= {name: draw(TEXT) for name in TEXTS}
    return LedgerEntry(
        id=id_,
        request_id=draw(st.just(own_request_id(id_)) | TEXT),
        streaming=draw(st.booleans()),
        outcome="settled",
        usage_source=draw(st.sampled_from(["reported", "clamped", "estimated", "none"])),
        cost_nano_usd=draw(st.none() | COUNT),
        metadata=draw(st.none() | st.dictionaries(TEXT, TEXT, max_size=20)),
        **fields,
    )


def packed(entry: LedgerEntry) -> bytes:
    return msgspec.msgpack.encode(entry)


def reader(*known: LedgerEntry, dimension: int = 7) -> RowReader:
    rows = RowReader(json_of)
    for entry in known:
        shape = rows.shape(packed(entry))
        assert shape is not None
        rows.shapes[shape] = dimension
    return rows


@given(entries())
def test_what_is_read_is_what_the_slow_way_reads(entry: LedgerEntry) -> None:
    payload = packed(entry)
    if not entry.request_id.isascii():
        assert reader(entry).read([(entry.id, payload)], [], []) == [(entry.id, payload)]
        return
    plain: list[Any] = []
    full: list[Any] = []
    assert reader(entry).read([(entry.id, payload)], plain, full) == []
    slow = decode_any(payload)
    if entry.metadata is None and entry.request_id == own_request_id(entry.id):
        assert (plain, full) == ([(*call_values(slow), 7)], [])
    else:
        assert (plain, full) == ([], [full_values(slow, 7)])


@given(entries(), entries())
def test_calls_of_one_shape_have_one_dimension(one: LedgerEntry, other: LedgerEntry) -> None:
    rows = RowReader(json_of)
    same_shape = rows.shape(packed(one)) == rows.shape(packed(other))
    assert same_shape == (dimension_of(decode_any(packed(one))) == dimension_of(decode_any(packed(other))))


@pytest.mark.parametrize(
    "odd",
    [
        {"outcome": "unknown"},
        {"other_usage": {"searches": 1}},
        *({name: 1} for name in AUDIO),
        {"alias": "x" * 5000},
    ],
)
def test_what_is_odd_has_no_shape(odd: dict[str, Any]) -> None:
    payload = packed(settled(1, **odd))
    rows = reader(settled(1))
    assert rows.shape(payload) is None
    assert rows.read([(call_id(1), payload)], [], []) == [(call_id(1), payload)]


def test_who_has_another_id_or_an_unknown_shape_is_handed_back() -> None:
    payload = packed(settled(1))
    assert reader(settled(1)).read([(call_id(2), payload)], [], []) == [(call_id(2), payload)]
    assert RowReader(json_of).read([(call_id(1), payload)], [], []) == [(call_id(1), payload)]


def test_every_cut_and_every_changed_byte_is_harmless() -> None:
    entry = settled(3, metadata={"a": "b"}, cost_nano_usd=2**40)
    payload = packed(entry)
    rows = reader(entry)
    for cut in range(len(payload)):
        assert rows.shape(payload[:cut]) is None
    assert rows.shape(payload + b"\x00") is None
    for place in range(len(payload)):
        for byte in (0, 0x80, 0xC0, 0xC1, 0xCF, 0xD3, 0xDB, 0xDE, 0xFF):
            changed = payload[:place] + bytes([byte]) + payload[place + 1 :]
            full: list[Any] = []
            if not rows.read([(entry.id, changed)], full, full):
                assert len(full[0]) in (16, 20)
                assert full[0][:15] == call_values(decode_any(changed))


def test_texts_of_metadata_are_made_once() -> None:
    made: list[bytes] = []

    def to_json(raw: bytes) -> str:
        made.append(raw)
        return json_of(raw)

    entry = settled(1, metadata={"project": "x"})
    rows = RowReader(to_json)
    shape = rows.shape(packed(entry))
    assert shape is not None
    rows.shapes[shape] = 1
    full: list[Any] = []
    rows.read([(entry.id, packed(entry))] * 3, [], full)
    assert [row[-2] for row in full] == ['{"project":"x"}'] * 3
    assert len(made) == 1


def test_settlements_meet_their_openings() -> None:
    opened: dict[int, bytes] = {9: b"of before"}
    done: list[tuple[int, bytes]] = []
    records = [
        (OPENED, 1, b"a"),
        (OPENED, 2, b"b"),
        (SETTLED, 1, b"c"),
        (SETTLED, 9, b"d"),
        (SETTLED, 5, b"e"),
        (77, 3, b"f"),
    ]
    assert pair(records, opened, done) == ([1, 9], [(77, 3, b"f")])
    assert opened == {2: b"b"}
    assert done == [(1, b"c"), (9, b"d"), (5, b"e")]
