"""The ledger row: safe defaults at admission, and a wire form that old records survive."""

from __future__ import annotations

import msgspec

from fastgw.domain.entry import LedgerEntry

ENTRY = LedgerEntry(id=1, request_id="r", started_ns=2, key="k")


def test_an_opened_entry_is_unknown_and_unpriced() -> None:
    assert ENTRY.outcome == "unknown"
    assert ENTRY.usage_source == "none"
    assert ENTRY.cost_nano_usd is None


def test_the_wire_form_is_an_array_and_comes_back_equal() -> None:
    entry = LedgerEntry(id=1, request_id="r", started_ns=2, key="k", metadata={"a": "b"}, cost_nano_usd=0)
    wire = msgspec.msgpack.encode(entry)

    assert isinstance(msgspec.msgpack.decode(wire), list)
    assert msgspec.msgpack.decode(wire, type=LedgerEntry) == entry


def test_a_record_from_before_later_fields_is_still_read() -> None:
    """Fields are only appended: their order is part of the journal's format."""
    old = msgspec.msgpack.encode([7, "req", 9, "key", "user", "team"])

    entry = msgspec.msgpack.decode(old, type=LedgerEntry)

    assert (entry.id, entry.request_id, entry.started_ns, entry.key, entry.user, entry.team) == (
        7,
        "req",
        9,
        "key",
        "user",
        "team",
    )
    assert entry.worker == 0
