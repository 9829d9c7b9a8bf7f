"""Secrets: the type that holds one, the one that a caller presents, and the making of new ones.

Invariant: a secret shows itself only through :meth:`SecretText.reveal`; no message made here contains one. Reading
references from the environment or files is not here (``config/load``), nor is randomness.
"""

from __future__ import annotations

import base64
import hmac
from typing import Final, NoReturn, final

from fastgw.domain.errors import GatewayError

MIN_SECRET_CHARS: Final = 16
"""A shorter secret that callers present to us can be guessed; such a configuration is refused."""
MAX_SECRET_BYTES: Final = 4096
"""Longer credentials are unknown without being hashed."""
_MIN_RANDOM_BYTES: Final = 24

CREDENTIAL_HEADERS: Final = (b"authorization", b"x-api-key", b"x-goog-api-key", b"api-key")
Presented = tuple[bytes | None, ...]
"""The values of :data:`CREDENTIAL_HEADERS` in a request, None for those it lacks."""


@final
class SecretText:
    """A secret and the reference that it came from (``env:NAME``, ``file:PATH``).

    ``repr``, ``str`` and formatting show the reference only. JSON encoders do not know the type, and it refuses to be
    pickled.
    """

    __slots__ = ("_value", "reference")

    def __init__(self, value: str, reference: str) -> None:
        self._value = value
        self.reference: Final = reference

    def reveal(self) -> str:
        """The secret itself. Call it where it goes onto the wire or is hashed, nowhere else."""
        return self._value

    def __repr__(self) -> str:  # type: ignore[explicit-override]  # typing.override is 3.12
        return f"SecretText({self.reference})"

    def __eq__(self, other: object) -> bool:  # type: ignore[explicit-override]  # typing.override is 3.12
        if not isinstance(other, SecretText):
            return NotImplemented
        same = hmac.compare_digest(self._value.encode(), other._value.encode())
        return same and self.reference == other.reference

    def __hash__(self) -> int:  # type: ignore[explicit-override]  # typing.override is 3.12
        return hash(self.reference)

    def __reduce__(self) -> NoReturn:  # type: ignore[explicit-override]  # typing.override is 3.12
        raise TypeError("a secret is not serialised")


def presented_secret(presented: Presented) -> bytes | GatewayError:
    """The one credential of a request: ``authorization: Bearer``, ``x-api-key``, ``x-goog-api-key`` or ``api-key``.

    Empty values count as absent. The same secret in two headers is one credential; two different ones are refused,
    because a proxy in front of us could have checked the other one. The error is returned, status 401.
    """
    found: bytes | None = None
    authorization, *plain = presented
    if authorization:
        scheme, _, value = authorization.partition(b" ")
        found = value.strip(b" \t")
        if not found or scheme.lower() != b"bearer":
            return _refuse("invalid_authorization", "the authorization header must be `Bearer <key>`")
    for other in plain:
        if other and other != found:
            if found is not None:
                return _refuse(
                    "ambiguous_credentials", "the request presents two different credentials; send exactly one"
                )
            found = other
    if found is None:
        return _refuse("missing_key", "no key was sent; send `authorization: Bearer <key>` or `x-api-key: <key>`")
    return found


def new_secret(random_bytes: bytes) -> str:
    """A new virtual key, ``fgw-...``, from at least 24 bytes (192 bits) of cryptographic randomness.

    Raises:
        ValueError: fewer bytes.
    """
    if len(random_bytes) < _MIN_RANDOM_BYTES:
        raise ValueError(f"expected at least {_MIN_RANDOM_BYTES} random bytes, got {len(random_bytes)}")
    return "fgw-" + base64.urlsafe_b64encode(random_bytes).rstrip(b"=").decode("ascii")


def _refuse(code: str, message: str) -> GatewayError:
    return GatewayError(code, message, status=401, source="client")
