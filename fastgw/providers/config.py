"""The TOML of a provider account: ``[providers.NAME]``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fastgw.identity.secret import SecretText
from fastgw.spend.config import ProviderPricing

ProviderName = Annotated[
    str,
    Meta(
        max_length=64,
        pattern=r"^[a-z0-9][a-z0-9._-]*\Z",
        description="up to 64 lower-case letters, digits, dots, dashes and underscores, the first a letter or digit",
    ),
]
"""No slash: it separates the provider from the model in a target's name."""
Kind = Literal["openai", "anthropic"]
Region = Annotated[
    str,
    Meta(
        max_length=64,
        pattern=r"^[A-Za-z0-9._-]*\Z",
        description="up to 64 letters, digits, dots, dashes and underscores",
    ),
]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
HeaderName = Annotated[
    str,
    Meta(
        max_length=128,
        pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z",
        description="up to 128 characters that a header's name may have",
    ),
]
"""RFC 9110 section 5.6.2, ``token``."""
HeaderValue = Annotated[
    str,
    Meta(
        max_length=4096,
        pattern=r"^([\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?)?\Z",
        description="up to 4096 visible ASCII characters, with blanks inside only",
    ),
]
"""Visible ASCII with inner blanks: nothing that could end the line."""


class ProviderConfig(ProviderPricing, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One account with a vendor, or one server of ours that speaks a vendor's dialect.

    Counts of connections are per worker. ``total_timeout_s`` bounds a call from its start to its last byte.
    """

    kind: Kind
    api_key: SecretText | None = None
    base_url: Annotated[str, Meta(max_length=2048)] | None = None
    region: Region = ""
    price_source: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    connect_timeout_s: Seconds = 5
    first_byte_timeout_s: Seconds = 120
    idle_timeout_s: Seconds = 60
    total_timeout_s: Seconds = 600
    max_connections: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    max_idle_connections: Annotated[int, Meta(ge=0, le=100_000)] = 100
    idle_connection_s: Seconds = 60
    ca_file: Path | None = None
    headers: Annotated[dict[HeaderName, HeaderValue], Meta(max_length=32)] = msgspec.field(default_factory=dict)

    @property
    def connect_timeout_ns(self) -> int:
        """Until the connection is open, TLS included."""
        return int(self.connect_timeout_s * 1e9)

    @property
    def first_byte_timeout_ns(self) -> int:
        """From the last byte of the request to the first of the answer."""
        return int(self.first_byte_timeout_s * 1e9)

    @property
    def idle_timeout_ns(self) -> int:
        """Between two pieces of an answer."""
        return int(self.idle_timeout_s * 1e9)

    @property
    def total_timeout_ns(self) -> int:
        """From the start of a call to its last byte."""
        return int(self.total_timeout_s * 1e9)

    @property
    def idle_connection_ns(self) -> int:
        """How long an unused connection is kept."""
        return int(self.idle_connection_s * 1e9)
