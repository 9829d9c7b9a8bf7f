"""Which model a name means: the match clauses of the price book, and the globs of the configuration.

Invariant: :meth:`ModelIndex.find` gives the position of the first model whose clause matches, as trying them one by
one would; nine in ten clauses are exact names and cost one hash. Names come in lower case; patterns are ours, never a
caller's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from fnmatch import fnmatchcase
from typing import Final, Literal

import msgspec

MAX_NAME_CHARS: Final = 512
"""Longer model names are nobody's: they are not run through patterns."""


class Clause(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A node of a match tree: ``text`` (lower case but for ``regex``), or the ``parts`` of ``or`` and ``and``."""

    kind: Literal["equals", "prefix", "suffix", "contains", "regex", "or", "and"]
    text: str = ""
    parts: tuple[Clause, ...] = ()

    def is_match(self, name: str) -> bool:
        """Whether a lower-case name matches."""
        match self.kind:
            case "or":
                return any(part.is_match(name) for part in self.parts)
            case "and":
                return all(part.is_match(name) for part in self.parts)
            case "regex":
                return re.search(self.text, name) is not None
            case _:
                return self._is_leaf_match(name)

    def _is_leaf_match(self, name: str) -> bool:
        match self.kind:
            case "equals":
                return name == self.text
            case "prefix":
                return name.startswith(self.text)
            case "suffix":
                return name.endswith(self.text)
            case _:
                return self.text in name


class ModelIndex:
    """The clauses of one provider's models, in order of precedence."""

    __slots__ = ("_exact", "_patterns")

    def __init__(self, clauses: Iterable[Clause]) -> None:
        self._exact: dict[str, int] = {}
        self._patterns: list[tuple[int, Clause]] = []
        for position, clause in enumerate(clauses):
            for part in clause.parts if clause.kind == "or" else (clause,):
                if part.kind == "equals":
                    self._exact.setdefault(part.text, position)
                else:
                    self._patterns.append((position, part))

    def find(self, name: str) -> int | None:
        """Position of the first model that matches a lower-case name."""
        exact = self._exact.get(name)
        for position, clause in self._patterns:
            if exact is not None and position > exact:
                break
            if clause.is_match(name):
                return position
        return exact


_COMPACT_DATE: Final = re.compile(r"-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")


def with_dashed_date(name: str) -> str:
    """``gpt-5.2-20251211`` as ``gpt-5.2-2025-12-11``; a name without a real date in it comes back unchanged."""

    def dashed(found: re.Match[str]) -> str:
        year, month, day = found.groups()
        try:
            date(int(year), int(month), int(day))
        except ValueError:
            return found.group(0)
        return f"-{year}-{month}-{day}"

    return _COMPACT_DATE.sub(dashed, name)


def is_glob_match(globs: Iterable[str], name: str) -> bool:
    """Whether a model name matches one of the globs (``*``, ``?``, ``[]``), letter case aside."""
    lowered = name.lower()
    return any(fnmatchcase(lowered, glob.lower()) for glob in globs)
