"""The answer tap: what it captures, what breaks it, and that cuts do not matter."""

import json

import pytest

from fastgw._native.errors import NativeError
from fastgw._native.json_scan import MemberTable
from fastgw._native.json_tap import JsonTap

NAMES = [b"id", b"usage", b"response.usage", b"response", b"a.b", b"a.c"]
TABLE = MemberTable(NAMES)
CAP_BYTES = 64

Seen = tuple[dict[bytes, bytes], bool, bool, bool]


def fed(pieces: list[bytes]) -> Seen:
    tap = JsonTap(TABLE, CAP_BYTES)
    for piece in pieces:
        tap.feed(piece)
    values = {name: tap.value(index) for index, name in enumerate(NAMES)}
    return {k: v for k, v in values.items() if v is not None}, tap.complete, tap.broken, tap.overflowed


def fed_every_way(data: bytes) -> Seen:
    whole = fed([data])
    assert fed([data[i : i + 1] for i in range(len(data))]) == whole
    for cut in range(len(data) + 1):
        assert fed([data[:cut], b"", data[cut:]]) == whole
    return whole


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (b"{}", {}),
        (b' \n{"id":"x"}\r\n', {b"id": b'"x"'}),
        (b'{"id" : -1.5e+3 , "usage" : {"a":[1,{"b":"}"}]} }', {b"id": b"-1.5e+3", b"usage": b'{"a":[1,{"b":"}"}]}'}),
        (b'{"id":true}', {b"id": b"true"}),
        (b'{"id":[ ]}', {b"id": b"[ ]"}),
        (b'{"id":"a\\"b\\\\","usage":null}', {b"id": b'"a\\"b\\\\"', b"usage": b"null"}),
        (b'{"x":{"id":1},"y":[{"id":2}],"z":"\\"id\\":3"}', {}),
        (b'{"\\u0069d":1,"us\\u0061ge":2}', {b"id": b"1", b"usage": b"2"}),
        (b'{"id":1,"id":2}', {b"id": b"2"}),
        (b'{"ID":1,"i":2,"idd":3,"\\ud800":4,"":5}', {}),
        (
            b'{"response":{"usage":{"n":1},"id":9}}',
            {b"response.usage": b'{"n":1}', b"response": b'{"usage":{"n":1},"id":9}'},
        ),
        (b'{"response":[{"usage":1}]}', {b"response": b'[{"usage":1}]'}),
        (b'{"response":{"x":{"usage":1}}}', {b"response": b'{"x":{"usage":1}}'}),
        (b'{"response.usage":1,"usage":{"usage":2}}', {b"usage": b'{"usage":2}'}),
        (b'{"a":{"b":1,"c":2}}', {b"a.b": b"1", b"a.c": b"2"}),
        (b'{"a":{"b":1},"a":{"c":2},"b":3,"c":4}', {b"a.b": b"1", b"a.c": b"2"}),
        (b'{"a":5,"x":{"b":1}}', {}),
        (b'{"a":[],"x":{"b":1},"id":7}', {b"id": b"7"}),
        ('{"é":"é€😀","id":"é"}'.encode(), {b"id": '"é"'.encode()}),
        (b'{"x":[[[1,2],[3.5e7,"]}"]],{"k":{"l":"{["}}],"id":7}', {b"id": b"7"}),
        (b'{"%s":1,"id":2}' % (b"n" * 2000), {b"id": b"2"}),
        (b'{"%s\\u0064":1,"id":2}' % (b"i" * 768), {b"id": b"2"}),
    ],
)
def test_captures(data: bytes, values: dict[bytes, bytes]) -> None:
    assert fed_every_way(data) == (values, True, False, False)
    json.loads(data)


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (b"[1]", {}), (b'"x"', {}), (b"x", {}), (b"\xef\xbb\xbf{}", {}), (b"<html>", {}), (b'{"id":1}x', {b"id": b"1"}),
        (b'{"id":1}{"id":2}', {b"id": b"1"}), (b'{"id":1]', {b"id": b"1"}), (b'{"id":1,}', {b"id": b"1"}),
        (b'{"id":1,2', {b"id": b"1"}),
        (b'{"usage":[}', {}), (b'{"usage":{"a":1]', {}), (b'{"id":}', {}), (b'{"id",1}', {}), (b"{id:1}", {}),
        (b'{"id":1 2}', {b"id": b"1"}),
        (b'{"a":{"b":1 2}}', {b"a.b": b"1"}), (b'{"a":{"b":1,]', {b"a.b": b"1"}), (b'{"id":\x001}', {}),
        (b'{"id":1}\x00', {b"id": b"1"}),
    ],
)  # fmt: skip
def test_what_is_not_an_object_breaks_it(data: bytes, values: dict[bytes, bytes]) -> None:
    assert fed_every_way(data) == (values, False, True, False)
    assert fed_every_way(data + b'{"id":5,"usage":6}') == (values, False, True, False)


@pytest.mark.parametrize("data", [b'{"id":1,"usage":{"a":1},"response":{"usage":2}}', b'{"a":{"b":"\\u0041"},"x":[1]}'])
def test_a_cut_answer_is_neither_complete_nor_broken(data: bytes) -> None:
    for length in range(len(data)):
        values, complete, broken, _ = fed_every_way(data[:length])
        assert (complete, broken) == (False, False)
        assert values.items() <= fed([data])[0].items()


def test_the_last_one_wins_also_when_it_is_cut_off() -> None:
    assert fed_every_way(b'{"id":1,"id":2')[0] == {}
    assert fed_every_way(b'{"id":1,"id":"x')[0] == {}
    assert fed_every_way(b'{"id":1,"id":')[0] == {b"id": b"1"}


def test_a_value_over_the_bound_is_not_kept_and_the_others_are() -> None:
    fits, over = b'"%s"' % (b"x" * (CAP_BYTES - 2)), b'"%s"' % (b"x" * (CAP_BYTES - 1))
    assert fed_every_way(b'{"id":%s,"x":%s}' % (fits, over)) == ({b"id": fits}, True, False, False)
    assert fed_every_way(b'{"id":%s,"usage":1}' % over) == ({b"usage": b"1"}, True, False, True)
    assert fed_every_way(b'{"id":1,"id":%s}' % over) == ({}, True, False, True)
    assert fed_every_way(b'{"response":{"x":%s,"usage":1}}' % over) == ({b"response.usage": b"1"}, True, False, True)
    assert fed_every_way(b'{"id":%s' % over) == ({}, False, False, True)
    assert fed_every_way(b'{"usage":{"x":%s]' % over) == ({}, False, True, True)
    assert fed_every_way(b'{"a":{"b":{"x":%s]' % over) == ({}, False, True, True)


def test_depth_is_bounded() -> None:
    def nested(depth: int) -> bytes:
        return b'{"x":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b',"id":1}'

    assert fed([nested(512)]) == ({b"id": b"1"}, True, False, False)
    assert fed([nested(513)]) == ({}, False, True, False)


def test_a_cut_escape_in_a_name_does_not_borrow_from_the_name_before() -> None:
    assert fed_every_way(b'{"aaaaa64":1,"i\\u00":2}') == ({}, True, False, False)
    assert fed_every_way(b'{"aaaaaaaaa64":1,"us\\u0061g\\u":2}') == ({}, True, False, False)


def test_one_table_serves_many_taps() -> None:
    first, second = JsonTap(TABLE), JsonTap(TABLE)
    first.feed(b'{"id":1,')
    second.feed(b'{"id":2}')
    first.feed(b'"usage":3}')
    assert (first.value(0), first.value(1), second.value(0), second.value(1)) == (b"1", b"3", b"2", None)


def test_arguments_are_checked() -> None:
    for name in (b".a", b"a.", b"a.b.c", b"."):
        with pytest.raises(ValueError, match=r"outer\.inner"):
            JsonTap(MemberTable([name]))
    with pytest.raises(ValueError, match="max_value_bytes"):
        JsonTap(TABLE, 0)
    for index in (-1, len(NAMES)):
        with pytest.raises(IndexError):
            JsonTap(TABLE).value(index)
    with pytest.raises(TypeError):
        JsonTap(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        JsonTap(TABLE).feed(None)  # type: ignore[arg-type]


def test_no_bytes_raise() -> None:
    for first in range(256):
        for second in range(256):
            try:
                fed([b'{"id":', bytes([first]), bytes([second]), b'"\\u', bytes([second]), b'":1}'])
            except NativeError as error:  # pragma: no cover - the failure
                raise AssertionError(first, second) from error
