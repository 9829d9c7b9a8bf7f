"""The mock's own bill: every request it served, what it cost, and exact totals.

Prices are plain decimal text and the arithmetic is :class:`decimal.Decimal`, with nothing shared with the gateway's
integers: that makes it the oracle for the ledger. A row's ``cost_usd`` is exact; ``cost_nano_usd`` is that cost rounded
half up once, as a call is settled. Rows are kept in a ring of bounded size, totals are complete. It knows nothing of
HTTP.
"""

from __future__ import annotations

import time
from collections import deque
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final, Literal

import msgspec

from fastgw.mock_provider.usage import NOTHING, Usage

State = Literal["open", "complete", "cut", "refused"]

PRICES: Final[dict[str, dict[str, str]]] = {
    "mock-small": {
        "input": "0.15",
        "cached_input": "0.0375",
        "cache_write_5m": "0.1875",
        "cache_write_1h": "0.3",
        "output": "0.6",
        "input_audio": "10",
        "output_audio": "20",
    },
    "mock-large": {
        "input": "2.5",
        "cached_input": "0.3125",
        "cache_write_5m": "3.125",
        "cache_write_1h": "5",
        "output": "12.5",
        "input_audio": "40",
        "output_audio": "80.0005",
    },
    "mock-embed": {"input": "0.0199"},
}
"""USD a million tokens by unit. Several rates are not whole nano-USD a token, as real ones are not."""

RATES: Final = {
    model: tuple((unit, Decimal(text) / 1_000_000) for unit, text in prices.items()) for model, prices in PRICES.items()
}
NANO: Final = Decimal(1_000_000_000)
UNITS: Final = Usage.__struct_fields__


def demo_prices() -> dict[str, dict[str, str]]:
    """The very same price list in the form of a ``price`` table of ``fastgw.toml``.

    ``<unit>_usd_per_mtok`` to decimal text.
    """
    return {model: {f"{unit}_usd_per_mtok": text for unit, text in prices.items()} for model, prices in PRICES.items()}


def price_usage(model: str, usage: Usage) -> Decimal:
    """The exact cost in USD.

    ``model`` is a key of :data:`PRICES`; ``reasoning`` is part of ``output`` and not added again.
    """
    return sum((rate * getattr(usage, unit) for unit, rate in RATES[model]), Decimal(0))


def format_cost(cost_usd: Decimal) -> str:
    """Exact decimal text without exponent and trailing zeros."""
    return f"{cost_usd.normalize():f}"


class Row(msgspec.Struct, kw_only=True):
    """One request. Opened when its body is read, completed when its answer has been sent or has failed.

    ``request_id`` is the caller's ``x-request-id`` or ``x-client-request-id``; ``words_sent`` counts whole words handed
    to the socket; ``cost_usd`` is decimal text. ``opened_ns`` and ``paced_ns``, by ``perf_counter_ns`` (on Linux the clock that all
    processes of a machine share): when the request had been read, and a moment before which its last word was not sent.
    """

    seq: int
    endpoint: str
    state: State = "open"
    model: str = ""
    priced_model: str = ""
    request_id: str = ""
    status: int = 0
    streamed: bool = False
    directives: str = ""
    usage: Usage = NOTHING
    words_sent: int = 0
    cost_usd: str = "0"
    cost_nano_usd: int = 0
    body_bytes: int = 0
    body_sha256: str = ""
    opened_ns: int = 0
    paced_ns: int = 0


class Totals:
    """Exact sums over every finished row of one state."""

    def __init__(self) -> None:
        self.requests = 0
        self.cost_usd = Decimal(0)
        self.cost_nano_usd = 0
        self._tokens = dict.fromkeys(UNITS, 0)

    def add(self, usage: Usage, cost_usd: Decimal, cost_nano_usd: int) -> None:
        self.requests += 1
        if usage is NOTHING:
            return
        self.cost_usd += cost_usd
        self.cost_nano_usd += cost_nano_usd
        tokens = self._tokens
        for unit in UNITS:
            tokens[unit] += getattr(usage, unit)

    def to_json(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "usage": dict(self._tokens),
            "cost_usd": format_cost(self.cost_usd),
            "cost_nano_usd": self.cost_nano_usd,
        }


class Bill:
    """All rows still in the ring and all totals. ``rows`` bounds the ring; the oldest row leaves first, open or not."""

    def __init__(self, rows: int) -> None:
        self._rows: deque[Row] = deque(maxlen=rows)
        self._last_seq = 0
        self._totals = {"complete": Totals(), "cut": Totals(), "refused": Totals()}

    def open(self, endpoint: str, request_id: str, body_bytes: int, body_sha256: str) -> Row:
        self._last_seq += 1
        row = Row(
            seq=self._last_seq,
            endpoint=endpoint,
            request_id=request_id,
            body_bytes=body_bytes,
            body_sha256=body_sha256,
            opened_ns=time.perf_counter_ns(),
        )
        self._rows.append(row)
        return row

    def finish(self, row: Row, state: Literal["complete", "cut", "refused"], usage: Usage, words_sent: int) -> None:
        """Price ``usage`` and close ``row``. Called exactly once a row."""
        cost_usd, cost_nano_usd = Decimal(0), 0
        if usage is not NOTHING:
            cost_usd = price_usage(row.priced_model, usage)
            cost_nano_usd = int((cost_usd * NANO).to_integral_value(ROUND_HALF_UP))
        row.state = state
        row.usage = usage
        row.words_sent = words_sent
        row.cost_usd = format_cost(cost_usd)
        row.cost_nano_usd = cost_nano_usd
        self._totals[state].add(usage, cost_usd, cost_nano_usd)

    def clear(self) -> None:
        """Forget rows and totals; sequence numbers go on, so that a late row cannot be taken for a new one."""
        self._rows.clear()
        self._totals = {state: Totals() for state in self._totals}

    def rows(self, since: int = 0) -> list[Row]:
        """The rows still kept with a sequence number above ``since``, oldest first."""
        return [row for row in self._rows if row.seq > since]

    def to_json(self, since: int = 0) -> dict[str, Any]:
        """What ``GET /mock/bill`` answers, ready for an encoder that knows structs."""
        totals = {state: total.to_json() for state, total in self._totals.items()}
        cost_usd = sum((total.cost_usd for total in self._totals.values()), Decimal(0))
        totals["all"] = {
            "requests": sum(total.requests for total in self._totals.values()),
            "cost_usd": format_cost(cost_usd),
            "cost_nano_usd": sum(total.cost_nano_usd for total in self._totals.values()),
        }
        return {"last_seq": self._last_seq, "totals": totals, "rows": self.rows(since)}
