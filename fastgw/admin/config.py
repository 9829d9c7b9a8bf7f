"""The TOML of the operators' door: ``[admin]``.

Invariant: without a token it is reachable from this machine only (``config/check`` refuses anything else).
"""

from __future__ import annotations

from typing import Final

import msgspec

from fastgw.domain.address import Address, parse_address
from fastgw.identity.secret import SecretText

DEFAULT_LISTEN: Final = "127.0.0.1:8788"


class AdminConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[admin]``."""

    listen: str = DEFAULT_LISTEN
    token: SecretText | None = None

    @property
    def address(self) -> Address:
        """Where the private listener binds; ``ValueError`` when it cannot be parsed (``config/check`` refuses it before)."""
        return parse_address(self.listen)
