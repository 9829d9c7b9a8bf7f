"""Moments as people and programs read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

_NS_PER_S: Final = 1_000_000_000


def rfc3339(unix_ns: int) -> str:
    """A moment in UTC, its whole seconds."""
    return datetime.fromtimestamp(unix_ns // _NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
