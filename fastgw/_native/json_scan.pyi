"""One strict pass over a JSON request body (RFC 8259), and the splicing that follows from it."""

from collections.abc import Sequence
from typing import Final, final

ABSENT: Final[int]
STRING: Final[int]
NUMBER: Final[int]
TRUE: Final[int]
FALSE: Final[int]
NULL: Final[int]
OBJECT: Final[int]
ARRAY: Final[int]
MAX_DEPTH: Final[int]

@final
class MemberTable:
    """The member names that we act on, compiled once; a name's index is its position in `names`.

    At most 64 different names of 1 to 128 bytes, UTF-8, unescaped. ValueError or TypeError otherwise. Immutable.
    """

    def __new__(cls, names: Sequence[bytes]) -> MemberTable: ...

@final
class MemberSpans:
    """Where the members of a table are in one body, to which it holds a reference. Made by `scan_object` only.

    All offsets count bytes from the start of the body (also when a range of it was scanned) and ranges are [start,
    end). IndexError for an index that the table does not have. An absent member has the span (0, 0).
    """

    def kind(self, index: int) -> int:
        """ABSENT (0), STRING, NUMBER, TRUE, FALSE, NULL, OBJECT or ARRAY."""

    def span(self, index: int) -> tuple[int, int]:
        """The range of the value, without white space around it."""

    def member_span(self, index: int) -> tuple[int, int]:
        """The range to delete so that the member goes and the rest is still an object: with one comma, if there is one.

        It is the comma before the member, and for the first member the comma and white space behind it. So the spans
        of two members overlap only if they are the first and the second: to remove both, splice and scan again.
        """

    @property
    def present(self) -> int:
        """A bit for each member that is there: bit N for index N."""

    def raw(self, index: int) -> bytes | None:
        """A copy of the value's bytes, None when the member is absent."""

    def text(self, index: int) -> str | None:
        """The decoded string (copied); None when the value is not a string.

        JsonSyntaxError: half of a surrogate pair in it.
        """

    def integer(self, index: int) -> int | None:
        """The value of a whole number in any spelling (1024, 1e3, 12.0, -0) that fits int64, else None."""

    @property
    def insert_at(self) -> int:
        """The offset right behind the object's opening brace."""

    @property
    def is_empty(self) -> bool:
        """True for an object without members: what is inserted at `insert_at` needs no comma behind it."""

    @property
    def text_bytes(self) -> int:
        """Bytes between the quotes of all string values at any depth, as written.

        A cheap estimate of the prompt's size.
        """

def scan_object(body: bytes, table: MemberTable, start: int = 0, end: int = -1, max_depth: int = 128) -> MemberSpans:
    """Finds the members of the table in body[start:end], which must be one JSON object with white space around it.

    Strict everywhere, also in values nobody asks for: grammar, escapes, UTF-8 (no overlong forms, no encoded
    surrogates), no byte order mark, nothing behind the object. The size of numbers is not judged. `max_depth` (1 to
    1024) counts the object itself. `end=-1` is the end of the body. Linear in the range; no recursion.

    Raises JsonSyntaxError (with the offset in `body`) otherwise, and when a member of the table occurs twice in the
    object itself, however it is spelled: two parsers would take different ones. ValueError: range or max_depth.
    """

def splice(body: bytes, edits: Sequence[tuple[int, int, bytes]]) -> bytes:
    """A copy of the body with each range [start, end) replaced; one allocation.

    ValueError: the edits are not sorted, overlap, or leave the body. Insertions at one place keep their order.
    """

def fingerprint64(data: bytes) -> int:
    """A 63-bit hash, the same in every process and release on little-endian machines; some 10 GB/s.

    Not cryptographic: whoever chooses the data can make two of them collide. Use it as a label, never as a key.
    """

def quote(text: str) -> bytes:
    """The text as a JSON string literal in UTF-8.

    UnicodeEncodeError (a ValueError): it has half of a surrogate pair.
    """
