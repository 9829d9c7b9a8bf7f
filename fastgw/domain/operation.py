"""The closed sets of dialects and operations that the gateway speaks.

Invariant: every operation belongs to exactly one dialect. Both are plain strings, so that they compare by identity
first and go into the ledger as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

Dialect = Literal["openai", "anthropic"]
Operation = Literal["chat", "complete", "embed", "respond", "message", "count_tokens"]

DIALECT_OF: Final[Mapping[Operation, Dialect]] = MappingProxyType(
    {
        "chat": "openai",
        "complete": "openai",
        "embed": "openai",
        "respond": "openai",
        "message": "anthropic",
        "count_tokens": "anthropic",
    }
)
"""The one dialect in which each operation's request and answer are written."""

OPERATIONS: Final[tuple[Operation, ...]] = tuple(DIALECT_OF)
