"""Operations on the ledger entry, as the journal and the ledger do them: about 30 filled fields of 38."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from fastgw.domain.entry import LedgerEntry


def sample_entry() -> LedgerEntry:
    """A settled streamed call with usage, price and two metadata tags."""
    return LedgerEntry(
        id=0x1234_5678_9ABC_DEF0,
        request_id="req-0123456789abcdef",
        started_ns=1_785_585_600_000_000_000,
        key="checkout-service",
        user="ada@example.com",
        team="payments",
        alias="gpt-4",
        target="up/gpt-4o-mini",
        provider="up",
        dialect="openai",
        operation="chat",
        streaming=True,
        status=200,
        outcome="settled",
        usage_source="reported",
        attempts=1,
        input_tokens=1_250,
        cached_input_tokens=1_024,
        output_tokens=180,
        reasoning_tokens=64,
        cost_nano_usd=219_300,
        price_version="2026-08-01",
        latency_ns=1_412_000_000,
        first_token_ns=310_000_000,
        overhead_ns=48_000,
        metadata={"application": "checkout", "env": "prod"},
        fingerprint=0x0FED_CBA9_8765_4321,
        worker=0,
    )


def encode() -> Callable[[], object]:
    encoder = msgspec.msgpack.Encoder()
    entry = sample_entry()
    return lambda: encoder.encode(entry)


def decode() -> Callable[[], object]:
    decoder = msgspec.msgpack.Decoder(LedgerEntry)
    data = msgspec.msgpack.encode(sample_entry())
    return lambda: decoder.decode(data)


OPERATIONS = {"entry.encode": encode, "entry.decode": decode}
