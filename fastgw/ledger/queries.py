"""The questions the ledger answers, as constant SQL with bound parameters.

Owns the closed list of what rows can be grouped by. The one invariant: no text of a user is ever part of a statement.
Runs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from fastgw.ledger.schema import COLUMNS, first_id
from fastgw.telemetry.clock import ID_SLOT_BITS

_BY: Final = {
    "key": "key",
    "user": "user",
    "team": "team",
    "model": "alias",
    "alias": "alias",
    "target": "target",
    "provider": "provider",
    "region": "region",
    "dialect": "dialect",
    "operation": "operation",
    "streaming": "streaming",
    "status": "status",
    "error_code": "error_code",
    "outcome": "outcome",
    "usage_source": "usage_source",
    "price_version": "price_version",
    "worker": "worker",
    "hour": "strftime('%Y-%m-%dT%H:00Z', started_ns / 1000000000, 'unixepoch')",
    "day": "strftime('%Y-%m-%d', started_ns / 1000000000, 'unixepoch')",
    "month": "strftime('%Y-%m', started_ns / 1000000000, 'unixepoch')",
}
GROUP_FIELDS: Final = tuple(_BY)
"""What ``by`` takes beside ``metadata.<name>``; hours, days and months are in UTC."""

_METADATA: Final = "metadata."
_MAX_GROUPS: Final = 8
_UNITS: Final = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "input_audio_tokens",
    "output_audio_tokens",
    "input_image_tokens",
    "output_image_tokens",
)
_SUMS: Final = ", ".join(
    [
        "count(*)",
        "count(*) FILTER (WHERE status >= 400 OR error_code <> '')",
        *(f"coalesce(sum({unit}), 0)" for unit in _UNITS),
        "coalesce(sum(cost_nano_usd), 0)",
        "count(*) FILTER (WHERE cost_nano_usd IS NULL)",
        "count(*) FILTER (WHERE outcome = 'unknown')",
    ]
)
_COST_PLACE: Final = 2 + len(_UNITS)


class Spend(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of a group of calls.

    ``group`` has one value for each ``by``; ``None`` for calls without that metadata. ``errors`` are calls with an
    error code or a status from 400. ``cost_nano_usd`` leaves the ``unpriced_calls`` out and has the ``unknown_calls``
    at their estimate.
    """

    group: tuple[str | int | None, ...]
    calls: int
    errors: int
    input_tokens: int
    cached_input_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    input_audio_tokens: int
    output_audio_tokens: int
    input_image_tokens: int
    output_image_tokens: int
    cost_nano_usd: int
    unpriced_calls: int
    unknown_calls: int


Query = tuple[str, list[Any]]
"""A statement and its parameters."""


def spend_query(by: Sequence[str], since_ns: int | None = None, until_ns: int | None = None) -> Query:
    """Sums of the calls that started in [``since_ns``, ``until_ns``), a row for each group, dearest first.

    With no ``by`` there is one row. Raises ``ValueError`` for a name that is no field of ``GROUP_FIELDS`` and no
    ``metadata.<name>``, or for more than eight.
    """
    if len(by) > _MAX_GROUPS:
        raise ValueError(f"by: expected at most {_MAX_GROUPS} fields, got {len(by)}")
    parameters: list[Any] = []
    terms = [_term(name, parameters) for name in by]
    where = _where(since_ns, until_ns, parameters)
    groups = ", ".join(str(place + 1) for place in range(len(terms)))
    order = f"GROUP BY {groups} ORDER BY {len(terms) + _COST_PLACE + 1} DESC, {groups}" if terms else ""
    return f"SELECT {', '.join([*terms, _SUMS])} FROM entries {where} {order}", parameters  # noqa: S608 - closed list


_ALL_TIME_US: Final = 1 << 62
_MAX_ID: Final = (1 << 63) - 1
_SPENT_BY: Final = "key, user, team, alias, target, provider, region, dialect, operation, metadata"


def spent_query(since_ns: int, slice_ns: int = 0, before: Mapping[int, int] | None = None) -> Query:
    """What was spent since a moment, a row for each combination of what rules ask about: key, user, team, alias, target, provider,
    region, dialect, operation, metadata (JSON), where the slice of ``slice_ns`` begins in Unix ns (``since_ns``, unless there are
    slices, of whole microseconds), and the sum in nano-USD. ``before``: of the calls of each worker, only those with lower ids."""
    bounds, bound = list((before or {}).items()), ""
    if bounds:
        bound = f"AND id < CASE id & {(1 << ID_SLOT_BITS) - 1} {'WHEN ? THEN ? ' * len(bounds)}ELSE {_MAX_ID} END "
    statement = (
        f"SELECT {_SPENT_BY}, max((id >> {ID_SLOT_BITS}) / ? * ?, ?) AS slice, sum(cost_nano_usd) FROM entries "  # noqa: S608 - constants
        f"WHERE id >= ? AND cost_nano_usd > 0 {bound}GROUP BY {_SPENT_BY}, slice"
    )
    # In one slice that is longer than all time, everything came since the moment that is asked for.
    parameters = [slice_ns // 1000 or _ALL_TIME_US, slice_ns, since_ns, first_id(since_ns)]
    return statement, [*parameters, *(number for pair in bounds for number in pair)]


def callers_query(since_ns: int) -> Query:
    """Who called what since a moment, a row for each combination of what rules ask about, as ``spent_query`` has them."""
    return f"SELECT DISTINCT {_SPENT_BY} FROM entries WHERE id >= ?", [first_id(since_ns)]  # noqa: S608 - constants


def spend_row(row: Sequence[Any], groups: int) -> Spend:
    """A row of ``spend_query`` as a struct; ``groups`` is how many ``by`` there were."""
    sums = dict(zip(Spend.__struct_fields__[1:], row[groups:], strict=True))
    return Spend(group=tuple(row[:groups]), **sums)


def entries_query(limit: int, since_ns: int | None = None, until_ns: int | None = None) -> Query:
    """The latest ``limit`` entries that started in [``since_ns``, ``until_ns``), latest first."""
    parameters: list[Any] = []
    where = _where(since_ns, until_ns, parameters)
    names = ", ".join(COLUMNS)
    return f"SELECT {names} FROM entries {where} ORDER BY id DESC LIMIT ?", [*parameters, limit]  # noqa: S608 - constants


def _term(name: str, parameters: list[Any]) -> str:
    if name.startswith(_METADATA):
        label = name.removeprefix(_METADATA)
        if not label or '"' in label or "\\" in label or not label.isprintable():
            raise ValueError(f"by: {name!r} is no name of a metadata tag")
        parameters.append(f'$."{label}"')
        return "json_extract(metadata, ?)"
    if name not in _BY:
        raise ValueError(f"by: expected metadata.<name> or one of {', '.join(GROUP_FIELDS)}, got {name!r}")
    return _BY[name]


def _where(since_ns: int | None, until_ns: int | None, parameters: list[Any]) -> str:
    terms = []
    if since_ns is not None:
        terms.append("id >= ?")
        parameters.append(first_id(since_ns))
    if until_ns is not None:
        terms.append("id < ?")
        parameters.append(first_id(until_ns))
    return f"WHERE {' AND '.join(terms)}" if terms else ""
