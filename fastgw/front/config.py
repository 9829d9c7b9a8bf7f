"""The TOML of the front door: ``[server]``.

Every number has a hard range, so that a limit cannot be switched off by a large value.
"""

from __future__ import annotations

from datetime import UTC, tzinfo
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from fastgw.domain.address import Address, parse_address

MAX_WORKERS: Final = 256
Seconds = Annotated[float, Meta(gt=0, le=86_400)]


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[server]``. Limits count per request unless they say otherwise."""

    listen: str = "127.0.0.1:8787"
    workers: Annotated[int, Meta(ge=1, le=MAX_WORKERS)] = 1
    timezone: Annotated[str, Meta(min_length=1, max_length=64)] = "UTC"
    max_connections: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    max_head_kib: Annotated[int, Meta(ge=1, le=1024)] = 64
    max_headers: Annotated[int, Meta(ge=8, le=4096)] = 128
    max_body_mib: Annotated[int, Meta(ge=1, le=1024)] = 32
    head_timeout_s: Seconds = 10
    body_timeout_s: Seconds = 60
    keep_alive_s: Seconds = 75
    write_timeout_s: Seconds = 60
    drain_s: Annotated[float, Meta(ge=0, le=86_400)] = 30
    on_disconnect: Literal["estimate", "drain"] = "estimate"
    disconnect_drain_s: Seconds = 30
    disconnect_drain_kib: Annotated[int, Meta(ge=1, le=1_048_576)] = 1024

    @property
    def address(self) -> Address:
        """``listen``, parsed; ``ValueError`` when it cannot be (``config/check`` refuses it before)."""
        return parse_address(self.listen)

    @property
    def zone(self) -> tzinfo:
        """``timezone``, looked up; ``ZoneInfoNotFoundError`` or ``ValueError`` when there is none of that name (``config/check``
        refuses it before). UTC needs no database of time zones."""
        return UTC if self.timezone == "UTC" else ZoneInfo(self.timezone)

    @property
    def max_head_bytes(self) -> int:
        return self.max_head_kib * 1024

    @property
    def max_body_bytes(self) -> int:
        return self.max_body_mib * 1024 * 1024

    @property
    def head_timeout_ns(self) -> int:
        return int(self.head_timeout_s * 1e9)

    @property
    def body_timeout_ns(self) -> int:
        return int(self.body_timeout_s * 1e9)

    @property
    def keep_alive_ns(self) -> int:
        return int(self.keep_alive_s * 1e9)

    @property
    def write_timeout_ns(self) -> int:
        return int(self.write_timeout_s * 1e9)

    @property
    def disconnect_drain_ns(self) -> int:
        """How long an answer is read on that nobody waits for; 0: not at all."""
        return int(self.disconnect_drain_s * 1e9) if self.on_disconnect == "drain" else 0

    @property
    def drain_ns(self) -> int:
        return int(self.drain_s * 1e9)
