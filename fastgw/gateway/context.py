"""What one call knows about itself on its way through the phases. Mutable, one writer: the pipeline's own coroutine."""

from __future__ import annotations

from fastgw._native.exchange import Exchange
from fastgw._native.ledger_record import LedgerRecord
from fastgw._native.limit_set import Reservation
from fastgw.domain.operation import Dialect, Operation
from fastgw.domain.subject import Subject
from fastgw.gateway.allowance import Allowance
from fastgw.gateway.metering import Meter
from fastgw.gateway.ports import Answer, TargetPricing
from fastgw.gateway.snapshot import Route, Snapshot
from fastgw.limits.table import Governing
from fastgw.spend.learned import Learned


class Call:
    """One call. ``snapshot`` is the configuration it started with and keeps. Times are of the monotonic clock, in ns, 0 = not yet.

    ``request_id`` is the caller's own, or ours once the caller is known. ``upstream_ns`` is the time waited for the provider;
    what is left of the whole is ours. ``governing`` are the limits that it met, ``reservation`` is what they hold for it,
    ``limit_lines`` what the answer says of them. ``allowance``: what a stream may say, where a budget cuts it. ``learned``: what is
    known of its target; ``is_bounded``: the request says how much may be answered. ``route`` is where it goes, known also when
    a limit refuses; ``explains``: the caller asks what was decided; ``explained`` is that as JSON.
    """

    __slots__ = (
        "allowance",
        "answer",
        "dialect",
        "entry",
        "exchange",
        "explained",
        "explains",
        "first_token_at_ns",
        "governing",
        "id",
        "in_events",
        "is_bounded",
        "learned",
        "limit_lines",
        "meter",
        "operation",
        "price",
        "request_id",
        "reservation",
        "route",
        "sent_at_ns",
        "settled",
        "snapshot",
        "subject",
        "text_bytes",
        "upstream_ns",
        "waited_from_ns",
    )

    def __init__(self, exchange: Exchange, snapshot: Snapshot, operation: Operation, dialect: Dialect) -> None:
        self.exchange = exchange
        self.snapshot = snapshot
        self.operation: Operation = operation
        self.dialect: Dialect = dialect
        self.subject: Subject | None = None
        self.answer: Answer | None = None
        self.entry: LedgerRecord | None = None
        self.meter: Meter | None = None
        self.price: TargetPricing | None = None
        self.governing: Governing | None = None
        self.reservation: Reservation | None = None
        self.allowance: Allowance | None = None
        self.learned: Learned | None = None
        self.route: Route | None = None
        self.explained = b""
        self.explains = False
        self.limit_lines = b""
        self.id = 0
        self.request_id = ""
        self.text_bytes = 0
        self.sent_at_ns = 0
        self.first_token_at_ns = 0
        self.upstream_ns = 0
        self.waited_from_ns = 0
        self.in_events = False
        self.is_bounded = False
        self.settled = False

    @property
    def provider(self) -> str:
        """The account that the call was sent to, empty before."""
        return self.entry.provider if self.entry is not None else ""
