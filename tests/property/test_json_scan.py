"""The scanner and the tap agree with the slow model, with the standard library, and with themselves however cut."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fastgw._native import json_scan
from fastgw._native.errors import JsonSyntaxError
from fastgw._native.json_scan import MemberTable, fingerprint64, quote, scan_object, splice
from fastgw._native.json_tap import JsonTap
from tests.model import json_model

NAMES = ["model", "stream", "usage", "n", "é"]
TABLE = MemberTable([name.encode() for name in NAMES])
KINDS = ["absent", "string", "number", "true", "false", "null", "object", "array"]
PATHS = ["id", "usage", "response.usage", "response.n", "response", "é"]
PATH_TABLE = MemberTable([path.encode() for path in PATHS])
DAMAGE = b'"\\{}[]:,0-.eut\x00\x80\xc3\xed\xf0 '
BOUNDED = settings(max_examples=200, deadline=None)

PLACES = st.integers(0, 40)
spaces = st.sampled_from([b"", b"", b"", b" ", b"\n", b"\t \r"])
keys = st.sampled_from([*NAMES, "id", "response", "x", "Model", ""]) | st.text(max_size=4)


@st.composite
def literals(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> bytes:
    """A text as a JSON string, every character in one of its spellings."""
    parts = []
    for char in draw(texts):
        units = char.encode("utf-16-be", "surrogatepass")
        escaped = "".join(f"\\u{units[i] << 8 | units[i + 1]:04x}" for i in range(0, len(units), 2)).encode()
        surrogate = 0xD800 <= ord(char) <= 0xDFFF
        parts.append(escaped if surrogate or draw(st.integers(0, 5)) == 0 else quote(char)[1:-1])
    return b'"' + b"".join(parts) + b'"'


@st.composite
def texts_of_json(draw: st.DrawFn, depth: int = 3) -> bytes:
    """A valid value with white space in odd places."""
    kind = draw(
        st.sampled_from(["word", "number", "string", "object", "array"] if depth else ["word", "number", "string"])
    )
    if kind == "word":
        return draw(st.sampled_from([b"true", b"false", b"null"]))
    if kind == "number":
        return draw(st.from_regex(rb"\A-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?\Z"))
    if kind == "string":
        return draw(literals(st.text(max_size=30) | st.text("é€😀", max_size=90)))
    items = draw(st.lists(texts_of_json(depth=depth - 1), max_size=4))
    pad = draw(spaces)
    if kind == "array":
        return b"[" + pad + (pad + b"," + pad).join(items) + pad + b"]"
    members = [draw(literals(keys)) + pad + b":" + pad + item for item in items]
    return b"{" + pad + (pad + b"," + pad).join(members) + pad + b"}"


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    members = draw(st.lists(st.tuples(literals(keys), texts_of_json()), max_size=6))
    pad = draw(spaces)
    inside = (pad + b"," + pad).join(name + pad + b":" + pad + value for name, value in members)
    return pad + b"{" + pad + inside + pad + b"}" + pad


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A body with a few bytes changed: mostly invalid, sometimes not."""
    body = bytearray(draw(bodies()))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 2))] = draw(
            st.sampled_from(list(b'"\\{}[]:,0-.eut\x00\x80\xc3\xed\xf0 ')).map(lambda b: bytes([b]))
        )
    return bytes(body)


def refused_at(body: bytes, start: int = 0, end: int = -1) -> list[int]:
    """The offset of the fault; nothing when there is none."""
    try:
        scan_object(body, TABLE, start, end)
    except JsonSyntaxError as error:
        return [error.offset]
    return []


def check_against_model(body: bytes, max_depth: int = 128) -> None:
    try:
        expected, top, text_bytes = json_model.scan(body, NAMES, max_depth)
    except json_model.ModelError:
        with pytest.raises(JsonSyntaxError) as caught:
            scan_object(body, TABLE, max_depth=max_depth)
        assert 0 <= caught.value.offset <= len(body)
        return
    found = scan_object(body, TABLE, max_depth=max_depth)
    assert (found.text_bytes, found.is_empty, found.insert_at) == (text_bytes, not top.members, top.start + 1)
    for index, name in enumerate(NAMES):
        if name not in expected:
            assert found.kind(index) == json_scan.ABSENT
            continue
        assert KINDS[found.kind(index)] == expected[name].kind
        assert found.span(index) == expected[name].span
        assert found.member_span(index) == expected[name].member_span
        check_decoding(found, index, body[slice(*found.span(index))])


def check_decoding(found: json_scan.MemberSpans, index: int, raw: bytes) -> None:
    if found.kind(index) == json_scan.STRING:
        text = json_model.decode(raw[1:-1])
        if any(0xD800 <= ord(char) <= 0xDFFF for char in text):
            with pytest.raises(JsonSyntaxError):
                found.text(index)
        else:
            assert found.text(index) == text
    elif found.kind(index) == json_scan.NUMBER:
        exact = json.loads(raw, parse_int=Decimal, parse_float=Decimal)
        whole = exact == exact.to_integral_value() and -(2**63) <= exact < 2**63
        assert found.integer(index) == (int(exact) if whole else None)


@BOUNDED
@given(bodies())
@example(b'{"n":-9223372036854775808}')
def test_valid_bodies_are_read_as_the_model_reads_them(body: bytes) -> None:
    check_against_model(body)
    check_against_model(body, max_depth=3)


@BOUNDED
@given(damaged())
def test_damaged_bodies_are_refused_exactly_when_the_model_refuses_them(body: bytes) -> None:
    check_against_model(body)


@BOUNDED
@given(bodies() | damaged())
def test_other_strict_parsers_accept_what_the_scanner_accepts(body: bytes) -> None:
    try:
        scan_object(body, MemberTable([]))
    except JsonSyntaxError:
        return
    shown = json.dumps(json.loads(body.decode(), object_pairs_hook=list), ensure_ascii=False)
    if not any(0xD800 <= ord(char) <= 0xDFFF for char in shown):  # it refuses half a surrogate pair
        assert msgspec.json.decode(body, type=msgspec.Raw)


@BOUNDED
@given(st.binary(max_size=70), st.integers(0, 80), st.sampled_from(["a", "é", "€", "😀"]))
def test_utf8_is_judged_as_the_codec_judges_it(data: bytes, before: int, filler: str) -> None:
    inside = (
        (filler * before).encode() + bytes(byte for byte in data if byte >= 0x20 and byte not in b'"\\') + b"." * 20
    )
    body = b'{"n":"' + inside + b'"}'
    faults: list[int] = []
    try:
        inside.decode()
    except UnicodeDecodeError as error:
        faults.append(6 + error.start)
    assert refused_at(body) == faults
    if not faults:
        assert scan_object(body, TABLE).text(3) == inside.decode()


@BOUNDED
@given(bodies() | damaged(), st.binary(max_size=5), st.binary(max_size=5))
def test_a_range_of_a_body_is_read_like_a_body(body: bytes, before: bytes, after: bytes) -> None:
    whole = before + body + after
    faults = refused_at(body)
    assert refused_at(whole, len(before), len(before) + len(body)) == [len(before) + at for at in faults]
    if faults:
        return
    alone = scan_object(body, TABLE)
    inside = scan_object(whole, TABLE, len(before), len(before) + len(body))
    assert inside.insert_at == alone.insert_at + len(before)
    for index in range(len(NAMES)):
        assert whole[slice(*inside.span(index))] == body[slice(*alone.span(index))]
        assert inside.kind(index) == alone.kind(index)


@BOUNDED
@given(bodies(), st.sampled_from(range(len(NAMES))))
def test_removing_a_member_removes_only_it(body: bytes, index: int) -> None:
    try:
        found = scan_object(body, TABLE)
    except JsonSyntaxError:
        return
    rest, _ = json_model.parse_object(splice(body, [(*found.member_span(index), b"")]))
    names = [member.name for member in json_model.parse_object(body)[0].members]
    assert [member.name for member in rest.members] == [name for name in names if name != NAMES[index]]


@BOUNDED
@given(
    st.binary(max_size=40),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.binary(max_size=9)), max_size=5),
)
def test_splice_replaces_sorted_ranges(body: bytes, edits: list[tuple[int, int, bytes]]) -> None:
    places = sorted(min(place, len(body)) for edit in edits for place in edit[:2])
    ordered = [(places[2 * i], places[2 * i + 1], edit[2]) for i, edit in enumerate(edits)]
    expected = body
    for start, end, replacement in reversed(ordered):
        expected = expected[:start] + replacement + expected[end:]
    assert splice(body, ordered) == expected


@BOUNDED
@given(st.text())
def test_quote_is_read_back_as_it_was(text: str) -> None:
    assert json.loads(quote(text)) == text
    assert quote(text) == msgspec.json.encode(text).replace(b"\\u007f", b"\x7f")


@BOUNDED
@given(st.binary(max_size=200), st.integers(0, 200), st.integers(1, 255))
def test_the_fingerprint_sees_every_byte_and_the_length(data: bytes, at: int, flip: int) -> None:
    assert fingerprint64(data) != fingerprint64(data + b"\0")
    if at < len(data):
        assert fingerprint64(data) != fingerprint64(data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :])


def tapped(pieces: list[bytes], cap_bytes: int) -> tuple[dict[str, bytes], bool, bool, bool]:
    tap = JsonTap(PATH_TABLE, cap_bytes)
    for piece in pieces:
        tap.feed(piece)
    values = {path: tap.value(index) for index, path in enumerate(PATHS)}
    return {k: v for k, v in values.items() if v is not None}, tap.complete, tap.broken, tap.overflowed


@BOUNDED
@given(bodies(), st.sampled_from([5, 20, 10_000]))
def test_the_tap_captures_what_the_model_finds(body: bytes, cap_bytes: int) -> None:
    values, complete, broken, _ = tapped([body], cap_bytes)
    assert values == json_model.skim(body, PATHS, cap_bytes)
    assert (complete, broken) == (True, False)


@BOUNDED
@given(bodies() | damaged() | st.binary(), st.lists(st.integers(0, 300), max_size=6), st.sampled_from([5, 10_000]))
def test_the_tap_does_not_see_where_pieces_were_cut(body: bytes, cuts: list[int], cap_bytes: int) -> None:
    whole = tapped([body], cap_bytes)
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    assert tapped([body[a:b] for a, b in pairwise(places)], cap_bytes) == whole
    assert tapped([body[i : i + 1] for i in range(len(body))], cap_bytes) == whole
