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
    """``[admin]``. ``listen`` and ``share`` exclude each other."""

    listen: str | None = None
    token: SecretText | None = None
    share: bool = False

    @property
    def address(self) -> Address | None:
        """Where the private listener binds; ``None`` when the routes are shared with ``[server].listen``.

        ``ValueError`` when ``listen`` cannot be parsed (``config/check`` refuses it before).
        """
        return None if self.share else parse_address(self.listen or DEFAULT_LISTEN)
