"""Reading YAML and JSON: what values come out, what is refused, and that no word of a refused text is told."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from fastgw.domain.errors import ConfigError
from fastgw.importers.document import MAX_BYTES, MAX_DEPTH, MAX_NODES, parse_documents


def refusal(text: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_documents(text.encode() if isinstance(text, str) else text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: on", {"a": "on"}),
        ("a: yes", {"a": "yes"}),
        ("a: true", {"a": True}),
        ("a: FALSE", {"a": False}),
        ("a: ~\nb:", {"a": None, "b": None}),
        ("a: 12:30", {"a": "12:30"}),
        ("a: 2026-11-22", {"a": "2026-11-22"}),
        ("a: 0x10\nb: 0o17\nc: -3\nd: 007", {"a": 16, "b": 15, "c": -3, "d": 7}),
        ("a: 0.1\nb: 1e3\nc: .5", {"a": Decimal("0.1"), "b": Decimal(1000), "c": Decimal("0.5")}),
        ("a: .inf\nb: .nan", {"a": ".inf", "b": ".nan"}),
        ("1: a\ntrue: b", {"1": "a", "true": "b"}),
        ("a: !!str 5", {"a": "5"}),
        ("x: &x {a: 1}\ny:\n  <<: *x\n  b: 2", {"x": {"a": 1}, "y": {"a": 1, "b": 2}}),
        ("x: &x {a: 1}\ny: &y {<<: *x, a: 2}\nz: {<<: *y}", {"x": {"a": 1}, "y": {"a": 2}, "z": {"a": 2}}),
        ('{"a": 0.10, "b": [1, null]}', {"a": Decimal("0.10"), "b": [1, None]}),
        ("{a: b}", {"a": "b"}),
        ("\ufeffa: 1", {"a": 1}),
    ],
)
def test_values(text: str, value: object) -> None:
    assert parse_documents(text.encode()) == [value]


def test_documents_that_are_empty_are_left_away() -> None:
    assert parse_documents(b"---\n---\na: 1\n---\n[]\n") == [{"a": 1}, []]
    assert parse_documents(b"") == []
    assert parse_documents(b"# nothing\n") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2", "line 2, column 1: expected each key of a table once"),
        ('{"a": 1, "a": 2}', "expected each key of a JSON object once"),
        ("[a]: 1", "expected a plain key"),
        ("a: &a [*a]", "expected no value inside itself"),
        ("a: !!python/object:os.system x", "expected YAML or JSON"),
        ("a: !!bool 5", "expected numbers of a sensible length, and tags that fit"),
        ("a: " + "9" * 5000, "expected numbers of a sensible length"),
        ("a: [1", "expected YAML or JSON"),
        ("a: b\x01c", "characters that it may not have"),
        ('a: "\\ud800"', "half a surrogate pair"),
        ('["\\ud800"]', "half a surrogate pair"),
        ("[" * (MAX_DEPTH + 9) + "]" * (MAX_DEPTH + 9), f"{MAX_DEPTH} levels"),
        ("- " * (MAX_DEPTH + 9), f"{MAX_DEPTH} levels"),
        ("[" * 100_000, "levels"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    assert said in refusal(text)


def test_other_bytes_and_too_many_of_them_are_refused() -> None:
    assert "expected UTF-8, got other bytes at offset 3" in refusal(b"a: \xff")
    assert f"at most {MAX_BYTES} bytes" in refusal(b"#" * (MAX_BYTES + 1))


@pytest.mark.parametrize("opened", ["a: *hunter2", "a: !hunter2 x", "a: @hunter2 b", "a: {b: 'hunter2", "a: %hunter2"])
def test_no_word_of_a_refused_text_is_told(opened: str) -> None:
    assert "unter2" not in refusal(opened)


@pytest.mark.parametrize(
    "reference", ["[*{0}, *{0}, *{0}, *{0}, *{0}, *{0}, *{0}, *{0}, *{0}, *{0}]", "{{<<: [*{0}, *{0}, *{0}, *{0}]}}"]
)
def test_aliases_that_multiply_are_refused_at_once(reference: str) -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{index}: &a{index} {reference.format(f'a{index - 1}')}" for index in range(1, 30)]
    began = time.monotonic()
    assert f"at most {MAX_NODES} values with aliases expanded" in refusal("\n".join(lines))
    assert time.monotonic() - began < 5


def test_values_are_counted() -> None:
    assert "values" in refusal("[" + ",".join("1" * (MAX_NODES + 1)) + "]")
    assert "values" in refusal("\n".join(f"- {index}" for index in range(MAX_NODES + 1)))
    assert len(parse_documents(b"\n".join(b"- 1" for _ in range(1000)))[0]) == 1000  # type: ignore[arg-type] # a list
