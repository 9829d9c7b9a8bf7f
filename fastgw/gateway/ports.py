"""What the gateway needs from the floors around it, as protocols. ``app/build.py`` hands in the implementations, which is where
mypy proves that they fit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from fastgw._native.http_head import ResponseHead
from fastgw._native.ledger_record import LedgerRecord
from fastgw.domain.errors import GatewayError
from fastgw.domain.usage import Usage
from fastgw.spend.ceiling import Ceiling

if TYPE_CHECKING:
    from fastgw.gateway.context import Call


class Recorder(Protocol):
    """Takes rows of calls; never raises for want of disk, never blocks."""

    @property
    def durable(self) -> Callable[[], Awaitable[None]] | None:
        """To be awaited before the last byte of an answer, when its record must be on the disk by then (``sync = "always"``)."""

    def opened(self, entry: LedgerRecord) -> None:
        """The row that stands if nothing else comes."""

    def settled(self, entry: LedgerRecord) -> None:
        """The row as it really was. At most once an id."""


class Answer(Protocol):
    """A provider's answer on its way in. Who asked for it owns it: ``release`` gives the connection back or closes it."""

    @property
    def head(self) -> ResponseHead:
        """The head, once `headed` has returned."""

    def headed(self) -> Awaitable[None]:
        """Until the head is here; raises the native floor's ConnectionLost, DeadlineExceeded, HttpSyntaxError."""

    def take_whole(self, limit_bytes: int) -> bytes | None:
        """The whole payload if it has come and is not larger than the limit."""

    def chunk(self) -> Awaitable[bytes | None]:
        """Payload that has come since the last call, None at a clean end."""

    def body(self, limit_bytes: int) -> Awaitable[bytes | None]:
        """The whole payload, or None when it is larger than the limit: then `chunk` goes on."""

    def expect_end(self, within_ns: int) -> None:
        """Nothing more is expected: the total deadline moves to this soon."""

    def release(self) -> None:
        """Done with it, whatever has happened."""


class Account(Protocol):
    """A provider account that can be called."""

    def send_pooled(self, head: bytes, body: bytes | None) -> Answer | None:
        """Write one request on a connection from the pool; None when there is none. Nothing is awaited."""

    async def send_fresh(self, head: bytes, body: bytes | None) -> Answer:
        """Write one request on a new connection. Raises GatewayError when none can be had."""


class TargetPricing(Protocol):
    """The price of one target."""

    def ceiling(self, at_unix_ns: int, service_tier: str | None, *, dearest: bool, media: bool) -> tuple[Ceiling, ...]:
        """The most that a call can cost, by each price that may be applied to it; empty when none holds."""

    def charge(self, row: LedgerRecord, service_tier: str | None, usage: Usage | None = None) -> None:
        """Write on the row what its counts cost, in nano-USD, rounded once, and which price made it; None when none holds.

        ``usage`` is what the counts were taken from: it tells more of them apart.
        """


class Pricing(Protocol):
    """All prices of a snapshot."""

    def for_target(self, provider: str, model: str, region: str) -> TargetPricing | None:
        """The price of a target; None: unpriced."""


class Responder(Protocol):
    """Writes errors: the one place that maps them to the wire, also when the answer has already begun."""

    def refuse(self, call: Call, error: GatewayError) -> None:
        """Answer with an error, or end a begun answer so that it cannot be taken for a whole one."""
