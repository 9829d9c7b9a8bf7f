"""A call's row on its way: packed by the worker, priced, and read by the bookkeeper."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from bench.count.ops_entry import sample_entry
from fastgw._native.call_groups import group_calls
from fastgw._native.ledger_record import LedgerRecord
from fastgw._native.ledger_rows import RowReader, pair
from fastgw._native.price_sum import PriceSum
from fastgw.ledger.schema import json_of

ROWS = 100
BOUNDS_NS = tuple(10_000_000 << doubling for doubling in range(14))


def sample_record() -> LedgerRecord:
    entry = sample_entry()
    record = LedgerRecord(entry.id, entry.request_id, entry.started_ns, entry.key)
    for name in entry.__struct_fields__:
        setattr(record, name, getattr(entry, name))
    return record


def pack() -> Callable[[], object]:
    return sample_record().encode


def charge() -> Callable[[], object]:
    record = sample_record()
    weights = (150, 600, -75, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    price = PriceSum([(-1, weights)], 1, 1000, version="p", from_ns=0, until_ns=2**62)
    return lambda: price.charge(record)


def _records() -> tuple[RowReader, list[tuple[int, bytes]]]:
    entry = sample_entry()
    payload = msgspec.msgpack.encode(entry)
    reader = RowReader(json_of)
    shape = reader.shape(payload)
    if shape is None:
        raise RuntimeError("the sample is no plain entry")
    reader.shapes[shape] = 7
    return reader, [(entry.id, payload)] * ROWS


def read_100_rows() -> Callable[[], object]:
    reader, records = _records()
    return lambda: reader.read(records, [], [])


def group_100_rows() -> Callable[[], object]:
    reader, records = _records()
    rows: list[tuple[object, ...]] = []
    reader.read(records, rows, rows)
    return lambda: group_calls(rows, BOUNDS_NS)


def pair_100_calls() -> Callable[[], object]:
    records = [(kind, number, b"x" * 200) for number in range(ROWS) for kind in (1, 2)]
    return lambda: pair(records, {}, [])


OPERATIONS = {
    "ledger.pack": pack,
    "ledger.charge": charge,
    "ledger.read_100_rows": read_100_rows,
    "ledger.group_100_rows": group_100_rows,
    "ledger.pair_100_calls": pair_100_calls,
}
