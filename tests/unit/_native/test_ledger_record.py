"""The row on the side that writes: what msgspec would write, field by field, and clear errors for what is no row."""

from __future__ import annotations

import msgspec
import pytest

from fastgw._native.ledger_record import LedgerRecord
from fastgw.domain.entry import LedgerEntry

IDENTITY = (
    7,
    "fgw_7",
    1_790_000_000_000_000_000,
    "checkout",
    "user@example.com",
    "team",
    "gpt-4o-mini",
    "openai/gpt-4o-mini",
    "openai",
    "eu",
    "openai",
    "chat",
    True,
)
FULL = {
    "status": 200,
    "error_code": "client_gone",
    "outcome": "settled",
    "usage_source": "clamped",
    "attempts": 2,
    "input_tokens": 11,
    "cached_input_tokens": 222,
    "cache_write_5m_tokens": 3_333,
    "cache_write_1h_tokens": 44_444,
    "output_tokens": 555_555,
    "reasoning_tokens": 6_666_666,
    "input_audio_tokens": 77_777_777,
    "output_audio_tokens": 888_888_888,
    "input_image_tokens": 9_999_999_999,
    "output_image_tokens": 2**63 - 1,
    "other_usage": {"web_searches": 3, "audio_seconds": 70_000},
    "cost_nano_usd": 12_345,
    "price_version": "2026-11-01:openai/gpt-4o-mini",
    "latency_ns": 1_000_000_000,
    "first_token_ns": 2_000_000,
    "overhead_ns": 300_000,
    "metadata": {"project": "p", "ä": "雪"},
    "fingerprint": -(2**63),
    "worker": 1023,
}


def test_it_has_every_field_of_the_entry_and_packs_it_in_its_place() -> None:
    """Fails when a field is added to one and not to the other: the journal is read by the entry's fields."""
    values = dict(zip(LedgerEntry.__struct_fields__, IDENTITY, strict=False)) | FULL
    assert tuple(values) == LedgerEntry.__struct_fields__
    record = LedgerRecord(*IDENTITY)
    for name, value in FULL.items():
        setattr(record, name, value)

    assert record.encode() == msgspec.msgpack.encode(LedgerEntry(**values))
    assert {name: getattr(record, name) for name in values} == values


def test_a_new_record_is_an_entry_with_its_defaults() -> None:
    assert LedgerRecord(1, "r", 2, "k").encode() == msgspec.msgpack.encode(LedgerEntry(1, "r", 2, "k"))


def test_the_last_of_its_identity_are_metadata_and_fingerprint() -> None:
    found = msgspec.msgpack.decode(LedgerRecord(*IDENTITY, {"a": "b"}, 9).encode(), type=LedgerEntry)

    assert found == LedgerEntry(*IDENTITY, metadata={"a": "b"}, fingerprint=9)


def test_its_steps_set_what_they_say() -> None:
    record = LedgerRecord(*IDENTITY)
    record.estimate(10, 20)
    assert (record.usage_source, record.input_tokens, record.output_tokens) == ("estimated", 10, 20)
    record.charge(5, "book")
    assert (record.cost_nano_usd, record.price_version) == (5, "book")
    record.charge(None, "")
    assert (record.cost_nano_usd, record.price_version, record.outcome) == (None, "", "unknown")
    record.settle(201, "reported", 30, 10, 4)
    assert (record.outcome, record.status, record.usage_source) == ("settled", 201, "reported")
    assert (record.latency_ns, record.first_token_ns, record.overhead_ns) == (30, 10, 4)


@pytest.mark.parametrize("size", [0, 31, 32, 255, 256, 65_535, 65_536, 200_000])
def test_texts_of_every_size_have_their_own_head(size: int) -> None:
    text = "x" * size
    assert LedgerRecord(1, text, 2, "k").encode() == msgspec.msgpack.encode(LedgerEntry(1, text, 2, "k"))


@pytest.mark.parametrize("size", [0, 1, 15, 16, 65_535, 65_536])
def test_maps_of_every_size_have_their_own_head(size: int) -> None:
    metadata = {str(number): "v" for number in range(size)}
    other_usage = {str(number): number - 5 for number in range(size)}
    record = LedgerRecord(1, "r", 2, "k")
    record.metadata, record.other_usage = metadata, other_usage
    entry = LedgerEntry(1, "r", 2, "k", metadata=metadata, other_usage=other_usage)
    assert record.encode() == msgspec.msgpack.encode(entry)


def test_what_is_no_text_cannot_be_packed() -> None:
    record = LedgerRecord(1, "r", 2, "k")
    record.alias = "\ud800"
    with pytest.raises(UnicodeEncodeError):
        record.encode()
    record.alias = None  # type: ignore[assignment]
    with pytest.raises(TypeError):
        record.encode()
    with pytest.raises(TypeError):
        LedgerRecord(1, None, 2, "k")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        record.alias = 5  # type: ignore[assignment]


def test_a_map_of_anything_else_cannot_be_packed() -> None:
    record = LedgerRecord(1, "r", 2, "k")
    record.other_usage = {1: 2}  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        record.encode()
    record.other_usage = {"a": 0.5}  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        record.encode()
    record.other_usage = {"a": 2**63}
    with pytest.raises(OverflowError):
        record.encode()


def test_a_number_beyond_an_int64_is_refused() -> None:
    record = LedgerRecord(1, "r", 2, "k")
    with pytest.raises(OverflowError):
        record.latency_ns = 2**63
    with pytest.raises(OverflowError):
        record.charge(2**63, "")
    assert (record.latency_ns, record.cost_nano_usd, record.price_version) == (0, None, "")


def test_a_row_of_more_than_a_gibibyte_is_refused_before_memory_is_taken() -> None:
    text = "x" * (1 << 20)
    record = LedgerRecord(1, "r", 2, "k")
    record.metadata = {str(number): text for number in range(1024)}
    with pytest.raises(ValueError, match="no ledger record"):
        record.encode()
