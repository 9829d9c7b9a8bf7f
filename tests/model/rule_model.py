"""Whether a rule matches a call, read off the rule word by word: no rows, no memory, no compiled patterns."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from fastgw.domain.rule import WEEKDAYS, When
from fastgw.rules.table import Fixed


def matches(when: When, fixed: Fixed, metadata: dict[str, str], minute_of_week: int) -> bool:
    """``minute_of_week`` counts from Monday 00:00."""
    subjects = [f"{kind}:{name}" for kind in ("key", "user", "team") if (name := getattr(fixed, kind))]
    subjects += [f"virtualaccount:{fixed.key}"]
    models = [fixed.alias, fixed.target]
    return all(
        (
            _agrees(when.subjects, when.not_subjects, subjects),
            _agrees(when.models, when.not_models, models),
            _agrees(when.providers, when.not_providers, [fixed.provider]),
            _agrees(when.regions, when.not_regions, [fixed.region]),
            _agrees(when.dialects, when.not_dialects, [fixed.dialect]),
            _agrees(when.operations, when.not_operations, [fixed.operation]),
            all(_tag(metadata.get(name), patterns) for name, patterns in when.metadata.items()),
            not any(_tag(metadata.get(name), patterns) for name, patterns in when.not_metadata.items()),
            _agrees(when.weekdays, when.not_weekdays, [WEEKDAYS[minute_of_week // 1440]]),
            when.hours is None or _within(when.hours, minute_of_week % 1440),
            when.not_hours is None or not _within(when.not_hours, minute_of_week % 1440),
        )
    )


def _agrees(wanted: Sequence[str] | None, unwanted: Sequence[str] | None, names: Sequence[str]) -> bool:
    return (wanted is None or _any(wanted, names)) and (unwanted is None or not _any(unwanted, names))


def _any(patterns: Sequence[str], names: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)


def _tag(value: str | None, patterns: str | Sequence[str]) -> bool:
    return value is not None and _any([patterns] if isinstance(patterns, str) else patterns, [value])


def _within(spans: Sequence[str], minute: int) -> bool:
    for span in spans:
        start, end = ((int(text[:2]) * 60 + int(text[3:])) for text in span.split("-"))
        if start <= minute < end or (end <= start and not end <= minute < start):
            return True
    return False
