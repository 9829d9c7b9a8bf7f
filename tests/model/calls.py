"""Entries of calls, made up for tests."""

from __future__ import annotations

from typing import Any

from fastgw._native.ledger_record import LedgerRecord
from fastgw.domain.entry import LedgerEntry

START_US = 1_790_000_000_000_000


def call_id(number: int, worker: int = 0) -> int:
    return (START_US + number) << 10 | worker


def entry(number: int, worker: int = 0, **fields: Any) -> LedgerEntry:
    """Call ``number`` of ``worker``, as it is opened unless ``fields`` say otherwise."""
    values: dict[str, Any] = {
        "id": call_id(number, worker),
        "request_id": f"req-{number}",
        "started_ns": (START_US + number) * 1000,
        "key": "checkout",
        "cost_nano_usd": 1000,
        "worker": worker,
    }
    return LedgerEntry(**(values | fields))


def settled(number: int, worker: int = 0, **fields: Any) -> LedgerEntry:
    values: dict[str, Any] = {"outcome": "settled", "status": 200, "usage_source": "reported"}
    return entry(number, worker, **(values | fields))


def record_of(call: LedgerEntry) -> LedgerRecord:
    """The same row on the side that writes."""
    record = LedgerRecord(call.id, call.request_id, call.started_ns, call.key)
    for name in LedgerEntry.__struct_fields__:
        setattr(record, name, getattr(call, name))
    return record
