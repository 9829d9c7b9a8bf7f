"""The few headers that the gateway itself reads, in one pass over a head."""

from collections.abc import Sequence
from typing import final

from fastgw._native.http_head import MessageHead

@final
class HeaderPick:
    """Names of headers in lower case, made once; at most 16, else ``ValueError``."""

    def __new__(cls, names: Sequence[bytes]) -> HeaderPick: ...
    def pick(self, head: MessageHead) -> tuple[bytes | None, ...]:
        """Copies of the values in the order of the names, None for absent ones; the first where a header is repeated."""

def visible_text(value: bytes | None, max_bytes: int) -> str:
    """A header's value as text when it is not longer and all of it is visible ASCII; empty otherwise, and for no value."""
