"""A ``host:port`` to listen on.

Invariant: the port is 0 to 65535 (0: the system chooses) and the host is a name or an address, an IPv6 one without
its brackets.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple

_ADDRESS: Final = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>[0-9]{1,5})", re.ASCII)


class Address(NamedTuple):
    """Where a listener binds."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it. A name other than ``localhost`` counts as reachable from outside."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:  # type: ignore[explicit-override]  # typing.override is 3.12
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read ``127.0.0.1:8787``, ``localhost:8787`` or ``[::1]:8787``.

    Raises:
        ValueError: the text is something else; the message says what was expected.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        raise ValueError('expected "host:port" with a port of 0 to 65535')
    if found["v6"] is not None:
        try:
            ipaddress.IPv6Address(found["v6"])
        except ValueError:
            raise ValueError("expected an IPv6 address inside the brackets") from None
    return Address(found["v6"] or found["host"], int(found["port"]))
