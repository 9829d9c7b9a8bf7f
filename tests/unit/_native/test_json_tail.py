"""Members read from the end of a body, against a scan of the whole."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw._native.json_scan import OBJECT, MemberSpans, MemberTable, scan_object
from fastgw._native.json_tail import scan_tail

TAIL = MemberTable([b"usage", b"service_tier"])


def found(spans: MemberSpans) -> list[tuple[int, tuple[int, int], bytes | None]]:
    return [(spans.kind(index), spans.span(index), spans.raw(index)) for index in range(2)]


@given(
    st.dictionaries(
        st.sampled_from(["usage", "service_tier", "a", "x"]) | st.text(max_size=5),
        st.recursive(
            st.none()
            | st.integers()
            | st.text(max_size=8)
            | st.sampled_from(["usage", 'x,"usage', '"usage":{', "service_tier"]),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["usage", "service_tier", "b"]), inner, max_size=3)
            ),
            max_leaves=8,
        ),
        max_size=6,
    ),
    st.sampled_from([None, 1]),
)
def test_the_tail_of_an_object_is_the_object_s(value: dict[str, object], indent: int | None) -> None:
    body = json.dumps(value, ensure_ascii=False, indent=indent).encode()
    tail = scan_tail(body, TAIL)
    if tail is not None:
        assert found(tail) == found(scan_object(body, TAIL))


@pytest.mark.parametrize(
    "body",
    [
        b'{"usage":{"a":1}}',
        b' {"id":"x" , "usage" : {"a":1} , "service_tier":"flex"}\n',
        b'{"choices":[{"message":{"content":"\\"usage\\":1"}}],"usage":{"a":1}}',
        b'{"x":"' + b"y" * 5000 + b'","usage":{"a":[1,2,3]},"z":"' + b"y" * 5000 + b'"}',
    ],
)
def test_a_tail_is_found(body: bytes) -> None:
    tail = scan_tail(body, TAIL)
    assert tail is not None
    assert found(tail) == found(scan_object(body, TAIL))
    assert tail.kind(0) == OBJECT


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  ",
        b'["usage"]',
        b"{}",
        b'{"a":1}',
        b'{"a":{"usage":{}}}',
        b'{"a":[{"usage":{}}]}',
        b'{"service_tier":"flex","usage":{}}',
        b'{"a":{"service_tier":"flex"},"usage":{}}',
        b'{"a":"usage"}',
        b'{"a":["b","usage"]}',
        b'{"usage":{}',
        b'{"usage":{}}}',
        b'{"usage":{}} x',
        b'{"usage":1,"usage":2,"service_tier":"a","service_tier":"b"}',
        b'"usage":{}}',
    ],
)
def test_a_tail_that_is_not_sure_is_none(body: bytes) -> None:
    assert scan_tail(body, TAIL) is None


def test_arguments_are_checked() -> None:
    with pytest.raises(TypeError):
        scan_tail(None, TAIL)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        scan_tail(b"{}", None)  # type: ignore[arg-type]
