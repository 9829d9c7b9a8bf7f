"""Watches an answer pass and knows, at its end or wherever it was cut, what was used.

Invariant: bytes in, the same bytes out, but for the usage that a caller did not ask for. What the provider did not say is estimated
from the bytes and flagged, never taken for nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from fastgw._native.count_scan import CountTable
from fastgw._native.errors import JsonSyntaxError
from fastgw._native.json_scan import OBJECT, MemberTable, scan_object
from fastgw._native.json_tail import scan_tail
from fastgw._native.json_tap import JsonTap
from fastgw._native.ledger_record import LedgerRecord
from fastgw._native.sse_split import SseTap
from fastgw.domain.entry import UsageSource
from fastgw.domain.operation import Operation
from fastgw.domain.usage import Usage
from fastgw.spend.estimate import fill_missing
from fastgw.spend.meter import (
    CHAT_COUNTS,
    RESPONSES_COUNTS,
    AnthropicStreamUsage,
    anthropic_tier,
    read_anthropic,
    read_openai_chat,
    read_openai_responses,
)

_USAGE: Final = MemberTable([b"usage", b"service_tier"])
_RESPONSE_USAGE: Final = MemberTable([b"response.usage", b"response.service_tier"])
_MESSAGE_USAGE: Final = MemberTable([b"usage", b"message.usage"])

_BLOCK: Final = MemberTable([b"index"])
_OPENAI_NEEDLES: Final = (b'"usage"', b'data: {"error"', b'data:{"error"')
_RESPONSES_NEEDLES: Final = (b'"usage"', b"event: error", b"response.failed")
_ANTHROPIC_NEEDLES: Final = (b'"usage"', b"message_stop", b"event: error")

_BLOCK_NEEDLES: Final = (b"content_block_start", b"content_block_stop")

_TEXTS: Final[dict[Operation, tuple[bytes, ...]]] = {
    "chat": (b"content", b"reasoning_content", b"reasoning", b"refusal", b"arguments"),
    "complete": (b"text",),
    "respond": (b"delta",),
    "message": (b"text", b"thinking", b"partial_json"),
    "embed": (),
    "count_tokens": (),
}
"""Members of a stream's events that hold output: what is estimated where a provider never said what was used."""
_RESPONSES_END: Final = frozenset({b"response.completed", b"response.incomplete", b"response.failed"})
NOTHING: Final = Usage()
MAX_TIER_BYTES: Final = 64

Reading = tuple[Usage, UsageSource]


class Meter(Protocol):
    """What settlement asks of a meter. ``text_bytes`` is the size of the prompt's text, for what must be estimated."""

    @property
    def service_tier(self) -> str | None:
        """What the provider says it served the call with; it chooses between prices."""

    def final(self, text_bytes: int) -> Reading:
        """The usage of a whole answer."""

    def cut(self, text_bytes: int) -> Reading:
        """The usage of an answer that ended here."""


_READERS: Final[dict[Operation, Callable[[bytes], Reading]]] = {
    "chat": read_openai_chat,
    "complete": read_openai_chat,
    "embed": read_openai_chat,
    "respond": read_openai_responses,
    "message": read_anthropic,
}
"""How each operation's usage is written; what is not here is not billed."""


_PLAIN: Final[dict[Operation, CountTable]] = {
    "chat": CHAT_COUNTS,
    "complete": CHAT_COUNTS,
    "embed": CHAT_COUNTS,
    "respond": RESPONSES_COUNTS,
}


def fill_row(operation: Operation, body: bytes, row: LedgerRecord) -> tuple[bool, str | None]:
    """Write the usage of a whole answer straight on its row, and tell its service tier, where the usage is as plain as most are.

    False, and nothing written, where :func:`read_whole` must look.
    """
    table = _PLAIN.get(operation)
    if table is None:
        return False, None
    try:
        spans = scan_tail(body, _USAGE)
        if spans is None:
            spans = scan_object(body, _USAGE)
        tier = spans.text(1)
    except JsonSyntaxError:
        return False, None
    if spans.kind(0) != OBJECT:
        return False, None
    start, end = spans.span(0)
    return table.fill_row(body, start, end, row), tier


def read_whole(operation: Operation, body: bytes, text_bytes: int) -> tuple[Usage, UsageSource, str | None] | None:
    """Usage and service tier of a whole JSON answer; None when the body is not one JSON object."""
    try:
        spans = scan_object(body, _USAGE)
        tier = spans.text(1)
    except JsonSyntaxError:
        # Stricter than an answer needs: who repeats a member, or writes odd text, is still read as far as it goes.
        meter = PlainMeter(operation)
        meter.feed(body)
        return (*meter.final(text_bytes), meter.service_tier) if meter.is_whole else None
    block = spans.raw(0)
    if block is not None and (reader := _READERS.get(operation)) is not None:
        if operation == "message":
            tier = anthropic_tier(block)
        usage, source = reader(block)
        if source == "reported":
            return usage, source, tier
    return *_read_block(operation, block, text_bytes, len(body)), tier


def _read_block(operation: Operation, block: bytes | None, text_bytes: int, body_bytes: int) -> Reading:
    reader = _READERS.get(operation)
    if reader is None:
        return NOTHING, "none"
    answer_bytes = 0 if operation == "embed" else body_bytes
    if block is None:
        return fill_missing(NOTHING, text_bytes, answer_bytes, output_is_final=False), "estimated"
    usage, source = reader(block)
    if source == "reported":
        return usage, source
    filled = fill_missing(usage, text_bytes, answer_bytes, output_is_final=source != "none")
    return filled, source if filled is usage else "estimated"


class PlainMeter:
    """Meters one JSON answer that passes by in pieces."""

    __slots__ = ("_fed_bytes", "_operation", "_tap")

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._tap = JsonTap(_USAGE)
        self._fed_bytes = 0

    def feed(self, data: bytes) -> None:
        """The next piece of the body."""
        self._fed_bytes += len(data)
        self._tap.feed(data)

    @property
    def is_whole(self) -> bool:
        """Whether what came is one complete JSON object."""
        return self._tap.complete and not self._tap.broken

    def final(self, text_bytes: int) -> Reading:
        """The usage of a whole answer."""
        return _read_block(self._operation, self._tap.value(0), text_bytes, self._fed_bytes)

    def cut(self, text_bytes: int) -> Reading:
        """The usage of an answer that ended here."""
        return self.final(text_bytes)

    @property
    def service_tier(self) -> str | None:
        """What the provider says it served the call with."""
        return _tier(self._tap.value(0) if self._operation == "message" else None, self._tap.value(1))


class StreamMeter:
    """Meters a stream of server-sent events and hides the usage that was only asked for by us."""

    __slots__ = ("_anthropic", "_operation", "_reading", "_tap", "ended", "error_seen", "open_block", "service_tier")

    def __init__(self, operation: Operation, *, hide_usage: bool, may_be_cut: bool = False) -> None:
        """``may_be_cut``: the block of a message that is open must be known, in ``open_block``; -1 for none."""
        self._operation = operation
        needles: tuple[bytes, ...] = _OPENAI_NEEDLES
        if operation == "message":
            needles = _ANTHROPIC_NEEDLES + _BLOCK_NEEDLES if may_be_cut else _ANTHROPIC_NEEDLES
        elif operation == "respond":
            needles = _RESPONSES_NEEDLES
        self._tap = SseTap(needles, hide_usage, texts=_TEXTS[operation])
        self._anthropic = AnthropicStreamUsage() if operation == "message" else None
        self._reading: Reading = NOTHING, "none"
        self.ended = False
        self.error_seen = False
        self.open_block = -1
        self.service_tier: str | None = None

    @property
    def output_text_bytes(self) -> int:
        """The output so far, as it is written."""
        return self._tap.text_bytes

    def feed(self, chunk: bytes) -> bytes:
        """What to pass on of the next piece."""
        out = self._tap.feed(chunk)
        for name, payload in self._tap.take_captured():
            self._take(name, payload)
        self.ended = self.ended or self._tap.seen_done
        return out

    def rest(self) -> bytes:
        """What was still held back at the end."""
        return self._tap.finish()

    def final(self, text_bytes: int) -> Reading:
        """The usage of a whole stream."""
        usage, source = self._read()
        if source == "reported" and (self._anthropic is None or self._anthropic.is_output_final):
            return usage, source
        filled = fill_missing(usage, text_bytes, self._tap.text_bytes, output_is_final=source != "none" and self.ended)
        return filled, source if filled is usage and source != "none" else "estimated"

    def cut(self, text_bytes: int) -> Reading:
        """The usage of a stream that ended here. Nothing came, nothing is charged but the prompt."""
        usage, source = self._read()
        filled = fill_missing(usage, text_bytes, self._tap.text_bytes, output_is_final=False)
        # Anthropic's first count of the output is provisional: it is no report, also where nothing more has come.
        is_report = source != "none" and (self._anthropic is None or self._anthropic.is_output_final)
        return filled, source if filled is usage and is_report else "estimated"

    def _read(self) -> Reading:
        return self._anthropic.result() if self._anthropic is not None else self._reading

    def _take(self, name: bytes, payload: bytes) -> None:
        if self._anthropic is not None:
            self._take_anthropic(name, payload)
        elif self._operation == "respond":
            self._take_response(name, payload)
        else:
            self._take_chunk(payload)

    def _take_chunk(self, payload: bytes) -> None:
        tap = JsonTap(_USAGE)
        tap.feed(payload)
        block = tap.value(0)
        if block is None:
            self.error_seen = self.error_seen or payload.startswith(b'{"error"')
        elif block != b"null":
            self._reading = _later(self._reading, read_openai_chat(block))
            self.service_tier = _tier(None, tap.value(1)) or self.service_tier

    def _take_response(self, name: bytes, payload: bytes) -> None:
        self.error_seen = self.error_seen or name in (b"error", b"response.failed")
        if name in _RESPONSES_END:
            self.ended = True
        tap = JsonTap(_RESPONSE_USAGE)
        tap.feed(payload)
        block = tap.value(0)
        if block is not None and block != b"null":
            self._reading = _later(self._reading, read_openai_responses(block))
            self.service_tier = _tier(None, tap.value(1)) or self.service_tier

    def _take_anthropic(self, name: bytes, payload: bytes) -> None:
        if name == b"message_stop":
            self.ended = True
        elif name == b"error":
            self.error_seen = True
        elif name == b"content_block_start":
            self.open_block = _index(payload)
        elif name == b"content_block_stop":
            self.open_block = -1
        elif self._anthropic is not None and name in (b"message_start", b"message_delta"):
            tap = JsonTap(_MESSAGE_USAGE)
            tap.feed(payload)
            block = tap.value(1) if name == b"message_start" else tap.value(0)
            if block is not None and block != b"null":
                self._anthropic.add(block)
                self.service_tier = _tier(block, None) or self.service_tier


def _index(payload: bytes) -> int:
    try:
        return scan_object(payload, _BLOCK).integer(0) or 0
    except JsonSyntaxError:
        return 0


def _tier(anthropic_usage: bytes | None, member: bytes | None) -> str | None:
    if anthropic_usage is not None:
        return anthropic_tier(anthropic_usage)
    if member is None or len(member) > MAX_TIER_BYTES or member[:1] != b'"':
        return None
    return member[1:-1].decode("utf-8", "replace")


def _later(known: Reading, new: Reading) -> Reading:
    """The last usable report wins."""
    return known if new[1] == "none" and known[1] != "none" else new
