"""Writes a configuration as TOML 1.0 (https://toml.io/en/v1.0.0).

Invariant: ``tomllib`` reads back what was given, and comments stay comments.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from fastgw.domain.text import show

Value = str | bool | int | float | Sequence["Value"] | Mapping[str, "Value"]
Row = Mapping[str, Value]
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_ESCAPED: Final = re.compile(r'[\x00-\x1f"\\\x7f]')
_COMMENT_CHARS: Final = 2000


def document(comments: Iterable[str], sections: Mapping[str, Row | Sequence[Row]]) -> str:
    """``comments`` go to the top. A section is a table, whose tables are sections of their own, or a list of tables; empty ones
    are left away."""
    lines = [f"# {show(each, _COMMENT_CHARS)}".rstrip() for each in comments]
    for name, section in sections.items():
        if not isinstance(section, Mapping):
            for row in section:
                lines += ["", f"[[{_key(name)}]]", *_members(row)]
            continue
        plain = {member: value for member, value in section.items() if not isinstance(value, Mapping)}
        if plain:
            lines += ["", f"[{_key(name)}]", *_members(plain)]
        for inner, value in section.items():
            if isinstance(value, Mapping):
                lines += ["", f"[{_key(name)}.{_key(inner)}]", *_members(value)]
    return "\n".join(lines) + "\n"


def inline(value: Value) -> str:
    """A value on one line."""
    if isinstance(value, str):
        return f'"{_ESCAPED.sub(_escape, value)}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, Mapping):
        members = ", ".join(f"{_key(name)} = {inline(each)}" for name, each in value.items())
        return f"{{ {members} }}" if members else "{}"
    return f"[{', '.join(inline(each) for each in value)}]"


def _members(row: Row) -> list[str]:
    return [f"{_key(name)} = {inline(value)}" for name, value in row.items()]


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else inline(name)


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    return f"\\{char}" if char in '"\\' else f"\\u{ord(char):04x}"
