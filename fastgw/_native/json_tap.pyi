"""Reads a few members from a JSON answer that passes by in pieces."""

from typing import final

from fastgw._native.json_scan import MemberTable

@final
class JsonTap:
    """Captures the raw values of the table's members while an answer streams through; keeps nothing else of it.

    A name `b"outer.inner"` is the member `inner` of the object that is the top-level member `outer`; deeper paths are a
    ValueError. A literal dot in a name cannot be asked for. Where a member occurs more than once, the last one wins,
    also when it is not to be had (cut off, too large). Memory: at most max_value_bytes a value, and about 1.5 KB.
    """

    def __new__(cls, table: MemberTable, max_value_bytes: int = 16384) -> JsonTap: ...
    def feed(self, data: bytes) -> None:
        """Takes the next piece. Never raises on content; the result does not depend on where the pieces were cut."""

    def value(self, index: int) -> bytes | None:
        """The complete value as it was written, not validated; None when absent, cut off or larger than the bound.

        IndexError for an index that the table does not have.
        """

    @property
    def complete(self) -> bool:
        """The top-level object ended and nothing but white space came behind it."""

    @property
    def broken(self) -> bool:
        """The bytes are not a JSON object (or nested deeper than 512); nothing more is captured."""

    @property
    def overflowed(self) -> bool:
        """A value that was asked for was larger than the bound."""
