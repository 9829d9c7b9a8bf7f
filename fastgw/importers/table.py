"""A table of a source that remembers which of its members were read, so that none is dropped in silence.

Invariant: after :meth:`Table.finish` every member was read, skipped by name, empty, or is among the findings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from fastgw.importers.findings import Findings, Hidden, step

NO_COUNTERPART: Final = "fastgw has nothing that does the same"


class Table:
    """Members of the wrong type are told and read as absent."""

    def __init__(self, members: Mapping[str, object], path: str, findings: Findings) -> None:
        self.members: Final = members
        self.path: Final = path
        self.findings: Final = findings
        self._read: set[str] = set()

    def at(self, name: str) -> str:
        """The path of a member."""
        return step(self.path, name)

    def get(self, name: str) -> object:
        """A member as it is; None when it is absent."""
        self._read.add(name)
        return self.members.get(name)

    def text(self, name: str) -> str | None:
        """A text; empty is absent."""
        value = self.get(name)
        if value is None or isinstance(value, str):
            return value or None
        self._wrong(name, value, "a text")
        return None

    def flag(self, name: str) -> bool:
        """A truth value; absent is false."""
        value = self.get(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        self._wrong(name, value, "true or false")
        return False

    def entries(self, name: str) -> list[object]:
        """What is in a list; absent is empty."""
        value = self.get(name)
        if value is None or isinstance(value, list):
            return value or []
        self._wrong(name, value, "a list")
        return []

    def texts(self, name: str) -> list[str]:
        """The texts of a list; absent is empty."""
        found: list[str] = []
        for index, each in enumerate(self.entries(name)):
            if isinstance(each, str):
                found.append(each)
            else:
                self._wrong(f"{name}[{index}]", each, "a text")
        return found

    def table(self, name: str) -> Table:
        """A table; absent is empty."""
        value = self.get(name)
        if value is None or isinstance(value, dict):
            return Table(value or {}, self.at(name), self.findings)
        self._wrong(name, value, "a table")
        return Table({}, self.at(name), self.findings)

    def tables(self, name: str) -> list[Table]:
        """The tables of a list; absent is empty."""
        found: list[Table] = []
        for index, each in enumerate(self.entries(name)):
            if isinstance(each, dict):
                found.append(Table(each, f"{self.at(name)}[{index}]", self.findings))
            else:
                self._wrong(f"{name}[{index}]", each, "a table")
        return found

    def skip(self, names: Iterable[str]) -> None:
        """Members that say nothing about what is allowed: states, times, names of others."""
        self._read.update(names)

    def finish(self, hints: Mapping[str, str] | None = None) -> None:
        """Tell of each member that nobody read. ``hints``: what to do about some of them."""
        for name, value in self.members.items():
            if name not in self._read and not _is_empty(value):
                do = (hints or {}).get(name, "decide whether you need it")
                self.findings.left_out(self.at(name), Hidden(value), NO_COUNTERPART, do)
                self._read.add(name)

    def _wrong(self, name: str, value: object, expected: str) -> None:
        self.findings.left_out(self.at(name), Hidden(value), f"expected {expected}", "correct it, and import again")


def _is_empty(value: object) -> bool:
    return value is None or value is False or (isinstance(value, (str, list, dict)) and not value)
