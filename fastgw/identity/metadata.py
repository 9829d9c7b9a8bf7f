"""What a caller says about a request: metadata tags and the end user, from headers.

Invariant: whatever is accepted is bounded in count and length and is valid text. The operator's own metadata wins
over the caller's, so that a caller cannot tag itself out of a rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from fastgw.domain.errors import GatewayError

MAX_VALUE_CHARS: Final = 128
"""Length of a metadata name, a metadata value and an end user. For values it is also the reference product's bound."""
MAX_ENTRIES: Final = 32

USER_HEADER: Final = b"x-fastgw-user"
METADATA_HEADERS: Final = (b"x-fastgw-metadata", b"x-tfy-metadata")
"""The second is an alias; it is read only when the first is absent."""

_DECODE: Final = msgspec.json.Decoder(dict[str, str]).decode


def request_metadata(
    raw: bytes | None, alias: bytes | None, max_entries: int = MAX_ENTRIES
) -> dict[str, str] | GatewayError | None:
    """The tags of a request by the values of :data:`METADATA_HEADERS`, ``None`` when it sends none.

    The error is returned: status 400, naming the header.
    """
    for name, value in zip(METADATA_HEADERS, (raw, alias), strict=True):
        if value is not None:
            return _parse(value, name.decode(), max_entries)
    return None


def request_user(raw: bytes | None) -> str | GatewayError:
    """The end user inside a key's traffic by the value of :data:`USER_HEADER`, empty when the request names none.

    The error is returned: status 400.
    """
    if raw is None:
        return ""
    try:
        user = raw.decode("utf-8")
    except UnicodeDecodeError:
        return _refuse("invalid_user", USER_HEADER.decode(), "is not UTF-8")
    if len(user) > MAX_VALUE_CHARS or not user.isprintable():
        return _refuse("invalid_user", USER_HEADER.decode(), f"must be at most {MAX_VALUE_CHARS} printable characters")
    return user


def merge_metadata(operator: dict[str, str], caller: Mapping[str, str] | None) -> dict[str, str]:
    """The caller's tags under the operator's. The result may be ``operator`` itself: do not change it."""
    return {**caller, **operator} if caller else operator


def _parse(raw: bytes, name: str, max_entries: int) -> dict[str, str] | GatewayError:
    try:
        tags = _DECODE(raw)
    except ValueError:  # msgspec.DecodeError and UnicodeDecodeError
        return _refuse("invalid_metadata", name, "must be a JSON object of string to string")
    if len(tags) > max_entries:
        return _refuse("invalid_metadata", name, f"must hold at most {max_entries} entries, got {len(tags)}")
    for key, value in tags.items():
        if not key or len(key) > MAX_VALUE_CHARS or len(value) > MAX_VALUE_CHARS:
            return _refuse(
                "invalid_metadata",
                name,
                f"must hold names of 1 to {MAX_VALUE_CHARS} characters and values of up to as many",
            )
    return tags


def _refuse(code: str, name: str, problem: str) -> GatewayError:
    return GatewayError(code, f"the header {name} {problem}", status=400, source="client", param=name)
