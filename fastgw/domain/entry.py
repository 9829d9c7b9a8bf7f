"""The ledger entry: the one row that is written for a call.

The same struct travels through the journal (as an array, so fields are only ever appended, each with a default) and into the
database. At admission it is journalled with ``outcome="unknown"`` and the estimate as its cost: what the row will be if the
process dies. At settlement it is journalled again with what really happened. Times are Unix ns, durations ns.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Outcome = Literal["settled", "unknown"]
UsageSource = Literal["reported", "clamped", "estimated", "none"]


class LedgerEntry(msgspec.Struct, array_like=True, gc=False):
    """One call. Mutable on purpose: opened at admission, completed at settlement.

    ``cost_nano_usd`` is ``None`` when no price is known (``unpriced``), never zero in its place. ``usage_source`` says whether
    the tokens are the provider's own word, that word clamped to something possible, our estimate, or none were used.
    ``input_tokens`` includes cached and cache-written ones; ``output_tokens`` includes reasoning.
    """

    id: int
    request_id: str
    started_ns: int
    key: str
    user: str = ""
    team: str = ""
    alias: str = ""
    target: str = ""
    provider: str = ""
    region: str = ""
    dialect: str = ""
    operation: str = ""
    streaming: bool = False
    status: int = 0
    error_code: str = ""
    outcome: Outcome = "unknown"
    usage_source: UsageSource = "none"
    attempts: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    input_image_tokens: int = 0
    output_image_tokens: int = 0
    other_usage: dict[str, int] | None = None
    cost_nano_usd: int | None = None
    price_version: str = ""
    latency_ns: int = 0
    first_token_ns: int = 0
    overhead_ns: int = 0
    metadata: dict[str, str] | None = None
    fingerprint: int = 0
    worker: int = 0
