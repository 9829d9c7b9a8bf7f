"""Sums over the rows of a batch, for the metrics. Money is exact; other sums wrap around at 64 bits."""

from typing import Any, final

_Row = tuple[Any, ...]

@final
class CallGroup:
    """Sums over calls. ``tokens``: input, cached input, cache writes of 5 minutes and of 1 hour, output, reasoning."""

    @property
    def calls(self) -> int: ...
    @property
    def unpriced(self) -> int: ...
    @property
    def nano_usd(self) -> int: ...
    @property
    def latency_ns(self) -> int: ...
    @property
    def tokens(self) -> list[int]: ...
    @property
    def buckets(self) -> list[int]:
        """Calls by latency: up to each bound, and beyond the last."""

def group_calls(rows: list[_Row], bounds_ns: tuple[int, ...]) -> dict[tuple[int, int], CallGroup]:
    """The calls of each (dimension, status). ``rows`` are those of :meth:`ledger_rows.RowReader.read`; at most 31 bounds, rising.

    Raises:
        ValueError: too many bounds.
        TypeError, OverflowError: a value is no int64.
    """
