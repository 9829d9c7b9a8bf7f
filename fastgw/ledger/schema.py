"""The tables of the ledger as code, and the way from a journal payload to a row of each.

Owns the statements that write a call and the layout they share with ``LedgerEntry``. The one invariant: a settled row
is never replaced, an unknown one only by its settlement. Executes nothing.

A call is split in two: what it has in common with many (its *dimension*: who asked what of whom) and what varies. The
view ``entries`` joins them; its columns are the fields of ``LedgerEntry`` in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final

import msgspec

from fastgw.domain.entry import LedgerEntry
from fastgw.telemetry.clock import ID_SLOT_BITS

COLUMNS: tuple[str, ...] = LedgerEntry.__struct_fields__
"""Those of the view ``entries``."""
Row = tuple[Any, ...]

DIMENSION_COLUMNS: Final = (
    "key",
    "user",
    "team",
    "alias",
    "target",
    "provider",
    "region",
    "dialect",
    "operation",
    "streaming",
    "error_code",
    "usage_source",
    "price_version",
)
_CALL_COLUMNS: Final = (
    "id",
    "started_ns",
    "status",
    "attempts",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_nano_usd",
    "latency_ns",
    "first_token_ns",
    "overhead_ns",
    "fingerprint",
)
_RARE_COUNTS: Final = ("input_audio_tokens", "output_audio_tokens", "input_image_tokens", "output_image_tokens")


def _pick(*names: str) -> itemgetter[Any]:
    return itemgetter(*(COLUMNS.index(name) for name in names))


# Places in a decoded entry.
REQUEST_ID: Final = COLUMNS.index("request_id")
OUTCOME: Final = COLUMNS.index("outcome")
METADATA: Final = COLUMNS.index("metadata")
OTHER_USAGE: Final = COLUMNS.index("other_usage")

dimension_of: Final = _pick(*DIMENSION_COLUMNS)
"""What a decoded entry has in common with others, in the order of ``DIMENSION_COLUMNS``."""
_NO_COUNTS: Final = (0, 0, 0, 0)
call_values: Final = _pick(*_CALL_COLUMNS)
"""What varies, as the statements take it; the dimension follows."""
_rare_counts: Final = _pick(*_RARE_COUNTS)


def _insert(columns: Sequence[str], values: str, rows: int = 1) -> str:
    return f"INSERT INTO calls ({', '.join(columns)}) VALUES {', '.join([f'({values})'] * rows)}"  # noqa: S608 - the names are ours


_PLAIN_COLUMNS = (*_CALL_COLUMNS, "dimension", "outcome")
_ALL_COLUMNS = (*_PLAIN_COLUMNS, "request_id", "metadata", "extra")
_ON_CONFLICT = (
    f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _ALL_COLUMNS[1:])} "
    "WHERE calls.outcome = 0"
)
# What a call has not is left out or bound as 0, because sqlite3 takes 0.3 us to bind a None; no text equals 0.
_INSERT_ALL = _insert(_ALL_COLUMNS, "?, " * len(_PLAIN_COLUMNS) + "nullif(?, 0), nullif(?, 0), nullif(?, 0)")
_PLAIN_VALUES = "?, " * (len(_PLAIN_COLUMNS) - 1) + "1"
PLAIN_ROWS: Final = 50
"""Of one statement: SQLite begins, ends and finds its place once for all of them, which takes a third off the cost of a row."""
PUT_PLAIN = f"{_insert(_PLAIN_COLUMNS, _PLAIN_VALUES)} {_ON_CONFLICT}"
PUT_PLAIN_ROWS = f"{_insert(_PLAIN_COLUMNS, _PLAIN_VALUES, PLAIN_ROWS)} {_ON_CONFLICT}"
PUT_SETTLED = f"{_INSERT_ALL} {_ON_CONFLICT}"
PUT_UNKNOWN = f"{_INSERT_ALL} ON CONFLICT (id) DO NOTHING"

_decode_entry = msgspec.msgpack.Decoder(LedgerEntry).decode
_decode_texts = msgspec.msgpack.Decoder(dict[str, str]).decode
_json = msgspec.json.Encoder().encode
_MAX_ID: Final = (1 << 63) - 1


def json_of(packed: bytes) -> str:
    """The JSON text of a packed map of texts, as the column ``metadata`` has it. Raises ``msgspec.MsgspecError``."""
    return _json(_decode_texts(packed)).decode()


def first_id(unix_ns: int) -> int:
    """The smallest id of a call that started at ``unix_ns`` or later; for a time that no id can tell, the nearest that one can."""
    return min(max(-(-unix_ns // 1000) << ID_SLOT_BITS, 0), _MAX_ID)


def decode_any(payload: bytes) -> Row:
    """The values of an entry of any build: fields that it lacks have their defaults, those we do not know are left out.

    Raises ``msgspec.MsgspecError`` if the payload is no entry.
    """
    return msgspec.structs.astuple(_decode_entry(payload))


def own_request_id(id_: int) -> str:
    """The request id of a call whose client sent none."""
    return f"fgw_{id_:016x}"


def full_values(row: Row, dimension: int) -> Row:
    """What ``PUT_SETTLED`` and ``PUT_UNKNOWN`` take."""
    request_id, metadata = row[REQUEST_ID], row[METADATA]
    return (
        *call_values(row),
        dimension,
        int(row[OUTCOME] == "settled"),
        0 if request_id == own_request_id(row[0]) else request_id,
        0 if metadata is None else _json(metadata).decode(),
        0 if row[OTHER_USAGE] is None and _rare_counts(row) == _NO_COUNTS else _extra(row),
    )


def as_unknown(row: Row) -> Row:
    """The row of a call of which nothing was heard after its admission: what was recorded then, as unknown."""
    return (*row[:OUTCOME], "unknown", *row[OUTCOME + 1 :])


def entry_of(row: Sequence[Any]) -> LedgerEntry:
    """The entry of a row of ``entries``, in the order of ``COLUMNS``."""
    values = dict(zip(COLUMNS, row, strict=True))
    for name in ("metadata", "other_usage"):
        if values[name] is not None:
            values[name] = msgspec.json.decode(values[name])
    values["streaming"] = bool(values["streaming"])
    return LedgerEntry(**values)


def _extra(row: Row) -> str:
    extra: dict[str, Any] = {name: count for name, count in zip(_RARE_COUNTS, _rare_counts(row), strict=True) if count}
    if row[OTHER_USAGE] is not None:
        extra["other_usage"] = row[OTHER_USAGE]
    return _json(extra).decode()
