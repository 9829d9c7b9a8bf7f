"""Whole numbers by name out of a small JSON object, for the usage block of a provider's answer."""

from collections.abc import Sequence
from typing import final

from fastgw._native.ledger_record import LedgerRecord

@final
class CountTable:
    """The wanted counts, made once. A path is a member (``b"input_tokens"``) or a member of a member (``b"details.cached"``)."""

    def __new__(cls, paths: Sequence[bytes]) -> CountTable:
        """At most 32 different paths in at most 8 outer members, else ``ValueError``."""

    def read(self, block: bytes) -> tuple[int, ...] | None:
        """The counts in the order of the paths, -1 where one is absent or null.

        None when the block is not plain: not one strict JSON object, a count that is not a whole number in ``[0, 2**31)`` or
        stands there twice, an outer member that is no object or stands there twice, an escape in a name. O(size), nothing is built.
        """

    def fill_row(self, body: bytes, start: int, end: int, row: LedgerRecord) -> bool:
        """Write the counts of a usage block, ``body[start:end]``, on a row that has none yet; False, and nothing written, when the
        block is not that plain.

        The table's first five paths mean input, output, total, cached input and reasoning; any other count above zero is not plain,
        nor a part above its whole, nor reasoning that the total says is counted apart from the output.
        """
