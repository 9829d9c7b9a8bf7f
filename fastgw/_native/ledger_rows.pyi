"""From journal records to rows of the ledger's tables, for the shape that nearly every call has.

What is read here is what the slow way (msgspec, then ``ledger.schema``) reads from the same bytes; all that is not exactly of
the known shape is handed back for that way.
"""

from collections.abc import Callable
from typing import Any, final

_Record = tuple[int, bytes]
_Row = tuple[Any, ...]

@final
class RowReader:
    """Reads settled entries whose *shape* is known: what they share with others, as the bytes that their record has for it.

    ``to_json`` makes the JSON text of a packed map of texts; a record for which it raises is handed
    back. At most 4,096 texts are remembered.
    """

    def __new__(cls, to_json: Callable[[bytes], str]) -> RowReader: ...
    @property
    def shapes(self) -> dict[bytes, int]:
        """The dimension of each known shape: the caller's to fill and to clear."""

    def shape(self, payload: bytes) -> bytes | None:
        """The shape of an entry; None when it is none that this class reads."""

    def read(self, records: list[_Record], plain: list[_Row], full: list[_Row]) -> list[_Record]:
        """Take ids with the msgpack of their entries, and append the values of what can be read: to ``plain`` as
        ``schema.PUT_PLAIN`` takes them (our own request id, no metadata), or to ``full`` as ``PUT_SETTLED`` does.

        Returns the records that cannot be read here.
        """

def pair(
    records: list[tuple[int, int, bytes]], opened: dict[int, bytes], settled: list[_Record]
) -> tuple[list[int], list[tuple[int, int, bytes]]]:
    """Take (kind, id, payload) in their order: an opening goes into ``opened``, a settlement to ``settled`` and closes its opening.

    Returns the ids of the openings that were closed, and the records of other kinds.
    """
