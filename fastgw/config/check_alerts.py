"""What the keys of an alert channel must agree on with its kind, and those of an anomaly with each other.

Invariant: a channel that passes can be tried; no message shows an address that is a secret.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import NODEFAULT
from msgspec.structs import fields

from fastgw.alerts.config import AlertChannelRow
from fastgw.domain.address import Address
from fastgw.domain.errors import ConfigError
from fastgw.identity.secret import SecretText
from fastgw.limits.config import AnomalyRow

_KEYS: Final = {
    "webhook": {"url", "headers"},
    "slack": {"url"},
    "smtp": {"host", "port", "tls", "user", "password", "sender", "to"},
    "log": set[str](),
}
_REQUIRED: Final = {"webhook": ("url",), "slack": ("url",), "smtp": ("host", "sender", "to"), "log": ()}
_OURS: Final = {"content-type", "content-length", "transfer-encoding", "connection", "host", "idempotency-key"}
"""Headers that say how this request is made."""


def verify_channel(path: str, row: AlertChannelRow) -> None:
    """Raise ConfigError for a row under ``path`` that lacks something, has something that does not belong to its kind, or would
    send a password in the clear."""
    for field in fields(row):
        is_default = getattr(row, field.name) == _default_of(field)
        if field.name not in {"name", "kind"} | _KEYS[row.kind] and not is_default:
            raise ConfigError(f"{path}.{field.name}", f'expected nothing here with kind = "{row.kind}"')
        if field.name in _REQUIRED[row.kind] and is_default:
            raise ConfigError(
                f"{path}.{field.name}", f'expected this key, which kind = "{row.kind}" requires, got nothing'
            )
    if row.url is not None:
        _check_url(f"{path}.url", row.url)
    for name in row.headers:
        if name.lower() in _OURS:
            raise ConfigError(f"{path}.headers.{name}", "expected another header than one that the request has anyway")
    if (row.user is None) != (row.password is None):
        missing, there = ("user", "password") if row.user is None else ("password", "user")
        raise ConfigError(f"{path}.{missing}", f"expected this key beside `{there}`, got nothing")
    if row.password is not None and row.tls == "none" and not Address(row.host or "", 0).is_loopback:
        raise ConfigError(f"{path}.tls", f'expected "starttls" or "tls" with a password to {row.host}, got "none"')


def verify_anomaly(path: str, row: AnomalyRow) -> None:
    """Raise ConfigError for a row under ``path`` that could never find anything, or everything."""
    if row.max_multiple is None and row.repeats is None:
        raise ConfigError(f"{path}.max_multiple", "expected this key, or `repeats`, or both; got neither")
    if row.recent_s < row.window_s:
        raise ConfigError(f"{path}.recent_s", f"expected at least `window_s` ({row.window_s}), got {row.recent_s}")
    if row.min_nano_usd <= 0:
        problem = f"expected more than 0, or whoever has not spent yet is paused at the first call; got {row.min_usd}"
        raise ConfigError(f"{path}.min_usd", problem)
    if row.mode == "soft":
        raise ConfigError(f"{path}.mode", 'expected "enforce" or "audit", got "soft"')


def _default_of(field: Any) -> object:
    return (
        field.default
        if field.default is not NODEFAULT or field.default_factory is NODEFAULT
        else field.default_factory()
    )


def _check_url(path: str, secret: SecretText) -> None:
    try:
        url = urlsplit(secret.reveal())
        good = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        good = False
    if not good:
        raise ConfigError(path, f"expected an http:// or https:// URL in {secret.reference} (not shown)")
