"""The TOML of channels: ``[[alert_channels]]``. Which keys belong to which kind is checked in ``config/check_alerts``."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from fastgw.identity.secret import SecretText
from fastgw.providers.config import HeaderName, HeaderValue

ChannelName = Annotated[
    str,
    Meta(
        max_length=64,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z",
        description="up to 64 letters, digits, dots, dashes and underscores, the first a letter or digit",
    ),
]
Host = Annotated[
    str, Meta(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:_-]+\Z", description="a host name or an address")
]
MailAddress = Annotated[
    str,
    Meta(
        max_length=254, pattern=r"^[!-;=?A-~]+@[A-Za-z0-9.\[\]:_-]+\Z", description="an address such as ops@example.com"
    ),
]
MAIL_PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}
LOG: Final = "log"


class AlertChannelRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[alert_channels]]``. ``port`` is that of ``MAIL_PORTS`` unless said."""

    name: ChannelName
    kind: Literal["webhook", "slack", "smtp", "log"]
    url: SecretText | None = None
    headers: Annotated[dict[HeaderName, HeaderValue], Meta(max_length=32)] = {}
    host: Host | None = None
    port: Annotated[int, Meta(ge=1, le=65_535)] | None = None
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[\x21-\x7e]+\Z")] | None = None
    password: SecretText | None = None
    sender: MailAddress | None = None
    to: Annotated[tuple[MailAddress, ...], Meta(max_length=100)] = ()


DEFAULT_CHANNELS: Final = (AlertChannelRow(name=LOG, kind="log"),)
"""Where no channel is configured."""
