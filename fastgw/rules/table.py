"""The rules of a snapshot, ready to be matched: what is fixed about a caller and a route at once, the rest for each call.

Invariant: the answer depends on the rules and the call alone. Rows of bits are explained in docs/adr/0014.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import translate
from typing import Final

import msgspec

from fastgw._native.rule_program import RuleProgram
from fastgw.domain.rule import WEEKDAYS, RuleRow, When

MINUTES_PER_DAY: Final = 24 * 60

_METADATA: Final = "metadata."
Test = Callable[[str], bool]


class Fixed(msgspec.Struct, frozen=True):
    """What is the same for all calls of one caller over one route."""

    key: str
    user: str
    team: str
    alias: str
    target: str
    provider: str
    region: str
    dialect: str
    operation: str


class RuleTable:
    """Matches calls with rules, which keep the order of the file."""

    def __init__(self, rows: Sequence[RuleRow]) -> None:
        self.rows: Final = tuple(rows)
        self.names: Final = tuple(
            sorted({name for row in rows for name in (*row.when.metadata, *row.when.not_metadata)})
        )
        self._minutes = [_minutes(row.when) for row in rows]
        self._tags = [[_tag_test(row.when, name) for row in rows] for name in self.names]
        timed = any(minutes is not None for minutes in self._minutes)
        self.program: Final = RuleProgram(len(rows), self.names, self._learn, timed=timed)
        self._fixed = [_fixed_test(row.when) for row in rows]

    def base(self, fixed: Fixed) -> bytes:
        """The row of the rules that do not object to what is fixed. All are asked: who calls this often remembers the answer."""
        return self.program.row(_bits(test(fixed) for test in self._fixed))

    def _learn(self, slot: int, value: object) -> int:
        if slot < len(self.names):
            return _bits(test(value if isinstance(value, str) else None) for test in self._tags[slot])
        return _bits(minutes is None or value in minutes for minutes in self._minutes)


def value_of(name: str, fixed: Fixed, metadata: dict[str, str] | None) -> str:
    """What a call has for a name that ``per`` may have; empty for a tag that it has not."""
    if name.startswith(_METADATA):
        return (metadata or {}).get(name.removeprefix(_METADATA), "")
    value: str = getattr(fixed, {"model": "target", "virtualaccount": "key"}.get(name, name))
    return value


def governing(rows: Sequence[RuleRow], matched: Iterable[int]) -> tuple[tuple[int, bool], ...]:
    """The rules that match, in the order of the file, and whether each governs: the first of its group does. A name of a group
    stands for another one in each section of the file."""
    seen: set[tuple[type, str]] = set()
    found: list[tuple[int, bool]] = []
    for index in matched:
        row = rows[index]
        found.append((index, row.group is None or (type(row), row.group) not in seen))
        if row.group is not None:
            seen.add((type(row), row.group))
    return tuple(found)


def _bits(answers: Iterable[bool]) -> int:
    bits = 0
    for index, answer in enumerate(answers):
        if answer:
            bits |= 1 << index
    return bits


def _any(patterns: Iterable[str]) -> Test:
    return re.compile("|".join(translate(pattern) for pattern in patterns)).match  # type: ignore[return-value] # as a condition


def _fixed_test(when: When) -> Callable[[Fixed], bool]:
    tests: list[Callable[[Fixed], bool]] = []

    def both(
        wanted: Sequence[str] | None, unwanted: Sequence[str] | None, matches: Callable[[Test, Fixed], bool]
    ) -> None:
        if wanted is not None:
            yes = _any(wanted)
            tests.append(lambda fixed: matches(yes, fixed))
        if unwanted is not None:
            no = _any(unwanted)
            tests.append(lambda fixed: not matches(no, fixed))

    both(_subjects(when.subjects), _subjects(when.not_subjects), _is_subject)
    both(when.models, when.not_models, lambda test, fixed: bool(test(fixed.alias) or test(fixed.target)))
    both(when.providers, when.not_providers, lambda test, fixed: bool(test(fixed.provider)))
    both(when.regions, when.not_regions, lambda test, fixed: bool(test(fixed.region)))
    both(when.dialects, when.not_dialects, lambda test, fixed: bool(test(fixed.dialect)))
    both(when.operations, when.not_operations, lambda test, fixed: bool(test(fixed.operation)))
    return lambda fixed: all(test(fixed) for test in tests)


def _subjects(patterns: Sequence[str] | None) -> list[str] | None:
    if patterns is None:
        return None
    return [
        f"key:{each.removeprefix('virtualaccount:')}" if each.startswith("virtualaccount:") else each
        for each in patterns
    ]


def _is_subject(test: Test, fixed: Fixed) -> bool:
    named = (("key:", fixed.key), ("user:", fixed.user), ("team:", fixed.team))
    return any(name and test(kind + name) for kind, name in named)


def _tag_test(when: When, name: str) -> Callable[[str | None], bool]:
    wanted, unwanted = when.metadata.get(name), when.not_metadata.get(name)
    yes = None if wanted is None else _any((wanted,) if isinstance(wanted, str) else wanted)
    no = None if unwanted is None else _any((unwanted,) if isinstance(unwanted, str) else unwanted)
    return lambda value: (
        (yes is None or (value is not None and bool(yes(value)))) and (no is None or value is None or not no(value))
    )


def _minutes(when: When) -> frozenset[int] | None:
    """The minutes of the week, from Monday 00:00, at which a rule holds; None: at all of them."""
    if when.hours is None and when.not_hours is None and when.weekdays is None and when.not_weekdays is None:
        return None
    days = {index for index, name in enumerate(WEEKDAYS) if when.weekdays is None or name in when.weekdays}
    days -= {index for index, name in enumerate(WEEKDAYS) if name in (when.not_weekdays or ())}
    of_day = set(range(MINUTES_PER_DAY)) if when.hours is None else _span_minutes(when.hours)
    of_day -= _span_minutes(when.not_hours or ())
    return frozenset(day * MINUTES_PER_DAY + minute for day in days for minute in of_day)


def _span_minutes(spans: Iterable[str]) -> set[int]:
    found: set[int] = set()
    for span in spans:
        start, end = (60 * int(text[:2]) + int(text[3:]) for text in span.split("-"))
        if start < end:
            found.update(range(start, end))
        else:
            found.update(range(start, MINUTES_PER_DAY), range(end))
    return found
