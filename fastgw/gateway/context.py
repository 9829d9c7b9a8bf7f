"""What one call knows about itself on its way through the phases. Mutable, one writer: the pipeline's own coroutine."""

from __future__ import annotations

from fastgw._native.exchange import Exchange
from fastgw.domain.entry import LedgerEntry
from fastgw.domain.operation import Dialect, Operation
from fastgw.gateway.metering import Meter
from fastgw.gateway.snapshot import Route, Snapshot


class Call:
    """One call. ``snapshot`` is the configuration it started with and keeps. Times are of the monotonic clock, in ns, 0 = not yet.

    ``upstream_ns`` is the time spent waiting for the provider; what is left of the whole is ours.
    """

    __slots__ = (
        "body",
        "client_id",
        "dialect",
        "entry",
        "exchange",
        "first_token_at_ns",
        "hide_usage",
        "in_events",
        "meter",
        "operation",
        "route",
        "sent_at_ns",
        "service_tier",
        "settled",
        "snapshot",
        "streaming",
        "text_bytes",
        "upstream_ns",
    )

    def __init__(self, exchange: Exchange, snapshot: Snapshot, operation: Operation, dialect: Dialect) -> None:
        self.exchange = exchange
        self.snapshot = snapshot
        self.operation: Operation = operation
        self.dialect: Dialect = dialect
        self.entry: LedgerEntry | None = None
        self.route: Route | None = None
        self.client_id = ""
        self.body = b""
        self.streaming = False
        self.hide_usage = False
        self.service_tier: str | None = None
        self.settled = False
        self.sent_at_ns = 0
        self.first_token_at_ns = 0
        self.upstream_ns = 0
        self.text_bytes = 0
        self.meter: Meter | None = None
        self.in_events = False
