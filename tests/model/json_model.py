"""The slow, obvious JSON: a strict recursive parser of bytes, and what the scanner and the tap must find."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_ESCAPE = re.compile(rb'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
_SPACE = b" \t\r\n"
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class ModelError(Exception):
    """The bytes are not what they should be."""


@dataclass
class Member:
    """One member of an object: decoded name, and offsets of its name's quote and of its value."""

    name: str
    name_start: int
    start: int
    end: int
    comma: int | None = None  # the one before it


@dataclass
class Value:
    """A parsed value; `members` only for objects."""

    kind: str
    start: int
    end: int
    members: list[Member] = field(default_factory=list)
    inside: list[Value] = field(default_factory=list)


@dataclass
class Parser:
    """Recursive descent over `data`; `text_bytes` counts what is between the quotes of string values."""

    data: bytes
    max_depth: int
    at: int = 0
    text_bytes: int = 0

    def fail(self, reason: str) -> ModelError:
        return ModelError(f"{reason} at {self.at}")

    def space(self) -> None:
        while self.at < len(self.data) and self.data[self.at] in _SPACE:
            self.at += 1

    def peek(self) -> bytes:
        return self.data[self.at : self.at + 1]

    def expect(self, byte: bytes) -> None:
        if self.peek() != byte:
            raise self.fail(f"expected {byte!r}")
        self.at += 1

    def string(self) -> bytes:
        self.expect(b'"')
        start = self.at
        while self.peek() != b'"':
            if self.peek() == b"\\":
                match = _ESCAPE.match(self.data, self.at)
                if not match:
                    raise self.fail("escape")
                self.at = match.end()
            elif not self.peek() or self.peek() < b" ":
                raise self.fail("string")
            else:
                self.at += 1
        raw = self.data[start : self.at]
        try:
            raw.decode()
        except UnicodeDecodeError:
            raise self.fail("utf-8") from None
        self.at += 1
        return raw

    def value(self, depth: int) -> Value:
        start, first = self.at, self.peek()
        if first == b'"':
            self.text_bytes += len(self.string())
            return Value("string", start, self.at)
        if first in (b"{", b"["):
            if depth > self.max_depth:
                raise self.fail("depth")
            return self.object(depth) if first == b"{" else self.array(depth)
        for word in (b"true", b"false", b"null"):
            if self.data.startswith(word, self.at):
                self.at += len(word)
                return Value(word.decode(), start, self.at)
        match = _NUMBER.match(self.data, self.at)
        if not match:
            raise self.fail("value")
        self.at = match.end()
        return Value("number", start, self.at)

    def array(self, depth: int) -> Value:
        result = Value("array", self.at, 0)
        self.at += 1
        self.space()
        while self.peek() != b"]":
            if result.inside:
                self.expect(b",")
                self.space()
            result.inside.append(self.value(depth + 1))
            self.space()
        self.at += 1
        result.end = self.at
        return result

    def object(self, depth: int) -> Value:
        result = Value("object", self.at, 0)
        self.at += 1
        self.space()
        while self.peek() != b"}":
            comma = None
            if result.members:
                comma = self.at
                self.expect(b",")
                self.space()
            name_start = self.at
            name = decode(self.string())
            self.space()
            self.expect(b":")
            self.space()
            value = self.value(depth + 1)
            result.members.append(Member(name, name_start, value.start, value.end, comma))
            result.inside.append(value)
            self.space()
        self.at += 1
        result.end = self.at
        return result


def decode(raw: bytes) -> str:
    """The text between the quotes; halves of surrogate pairs stay as they are."""

    def unescape(match: re.Match[str]) -> str:
        letter = match[0][1]
        return chr(int(match[0][2:], 16)) if letter == "u" else _SHORT.get(letter, letter)

    halves = re.sub(r"\\(?:u[0-9a-fA-F]{4}|.)", unescape, raw.decode())
    return halves.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def parse_object(data: bytes, max_depth: int = 128) -> tuple[Value, int]:
    """The one object that `data` is, and the bytes of its string values. ModelError otherwise."""
    parser = Parser(data, max_depth)
    parser.space()
    if parser.peek() != b"{":
        raise parser.fail("object")
    result = parser.value(1)
    parser.space()
    if parser.at != len(data):
        raise parser.fail("end")
    return result, parser.text_bytes


@dataclass
class Found:
    """What the scanner tells of one member."""

    kind: str
    span: tuple[int, int]
    member_span: tuple[int, int]


def scan(data: bytes, names: list[str], max_depth: int = 128) -> tuple[dict[str, Found], Value, int]:
    """The members with these names. ModelError also for a name that is there twice."""
    top, text_bytes = parse_object(data, max_depth)
    found: dict[str, Found] = {}
    for position, (member, value) in enumerate(zip(top.members, top.inside, strict=True)):
        if member.name not in names:
            continue
        if member.name in found:
            raise ModelError(f"{member.name} twice")
        if member.comma is not None:
            drop = (member.comma, member.end)
        elif len(top.members) > 1:
            drop = (member.name_start, top.members[position + 1].name_start)
        else:
            drop = (member.name_start, member.end)
        found[member.name] = Found(value.kind, (member.start, member.end), drop)
    return found, top, text_bytes


def skim(data: bytes, paths: list[str], max_value_bytes: int) -> dict[str, bytes]:
    """What the tap must have of a whole, valid answer: the last value of each path, if it is small enough."""
    top, _ = parse_object(data, max_depth=512)
    last: dict[str, bytes] = {}
    for member, value in zip(top.members, top.inside, strict=True):
        last[member.name] = data[member.start : member.end]
        for inner in value.members:
            last[f"{member.name}.{inner.name}"] = data[inner.start : inner.end]
    return {path: last[path] for path in paths if path in last and len(last[path]) <= max_value_bytes}
