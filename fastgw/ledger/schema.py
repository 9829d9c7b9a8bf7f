"""The table ``entries`` as code: its columns are the fields of ``LedgerEntry``, in the same order.

Owns the statements that write a row and the way from a journal payload to one. The one invariant: a settled row is
never replaced, an unknown one only by its settlement. Executes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from fastgw.domain.entry import LedgerEntry

COLUMNS: tuple[str, ...] = LedgerEntry.__struct_fields__
Row = tuple[Any, ...]
"""Values in the order of ``COLUMNS``, as SQLite takes them."""

_NAMES = ", ".join(COLUMNS)
_PLACES = ", ".join("?" * len(COLUMNS))
_UPDATES = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name != "id")

_INSERT = f"INSERT INTO entries ({_NAMES}) VALUES ({_PLACES})"  # noqa: S608 - the names are our struct's
PUT_SETTLED = f"{_INSERT} ON CONFLICT (id) DO UPDATE SET {_UPDATES} WHERE entries.outcome = 'unknown'"
PUT_UNKNOWN = f"{_INSERT} ON CONFLICT (id) DO NOTHING"

ID_SHIFT = 10
"""A request id is Unix microseconds shifted left by this, or'ed with the worker's number."""
_WORKER_MASK = (1 << ID_SHIFT) - 1

_decode = msgspec.msgpack.Decoder(LedgerEntry).decode
_json = msgspec.json.Encoder().encode
_values = msgspec.structs.astuple


def first_id(unix_ns: int) -> int:
    """The smallest id of a call that started at ``unix_ns`` or later."""
    return -(-unix_ns // 1000) << ID_SHIFT


def settled_row(payload: bytes) -> Row:
    """The row of a settled call. Raises ``msgspec.MsgspecError`` if the payload is no entry."""
    entry = _decode(payload)
    entry.worker = entry.id & _WORKER_MASK  # here and not for every call as it is served: the id says it already
    if entry.metadata is not None:
        entry.metadata = _json(entry.metadata).decode()  # type: ignore[assignment]  # a row from here on
    if entry.other_usage is not None:
        entry.other_usage = _json(entry.other_usage).decode()  # type: ignore[assignment]  # as above
    return _values(entry)


def unknown_row(payload: bytes) -> Row:
    """The row of a call of which nothing was heard after its admission: what was recorded then, as unknown."""
    row = settled_row(payload)
    place = COLUMNS.index("outcome")
    return (*row[:place], "unknown", *row[place + 1 :])


def entry_of(row: Sequence[Any]) -> LedgerEntry:
    """The entry of a row of ``entries``, in the order of ``COLUMNS``."""
    values = dict(zip(COLUMNS, row, strict=True))
    for name in ("metadata", "other_usage"):
        if values[name] is not None:
            values[name] = msgspec.json.decode(values[name])
    values["streaming"] = bool(values["streaming"])
    return LedgerEntry(**values)
