"""One price, ready to charge rows of the ledger with."""

from collections.abc import Iterable, Sequence
from typing import final

from fastgw._native.ledger_record import LedgerRecord

@final
class PriceSum:
    """Weights of counts, in order of the tiers, the highest first, as ``fastgw.spend.price.ActivePrice`` compiles them."""

    def __new__(
        cls,
        tiers: Iterable[tuple[int, Sequence[int]]],
        ratio: int,
        divisor: int,
        *,
        version: str,
        from_ns: int,
        until_ns: int,
    ) -> PriceSum:
        """A tier holds above so many input tokens, the last one always; it has a weight for each of ``COMMON_UNITS`` and one for
        the call.

        The cost in nano-USD is the weighted sum times ``ratio`` by ``divisor``, rounded half up when the divisor is even.
        ``from_ns`` (inclusive) and ``until_ns`` (exclusive) are Unix ns. ValueError or OverflowError: more than 4 tiers, or
        numbers so large that some row could take more than 128 bits on the way, or 64 at the end.
        """

    def charge(self, row: LedgerRecord) -> bool:
        """Write on the row what its counts cost, and the price's version. False, and nothing is written, when this cannot know.

        That is: a row of another time, with rare units, with counts outside of ``[0, 2**31)``, or with 5 minute cache writes where
        the price tells these from writes of no stated life.
        """
