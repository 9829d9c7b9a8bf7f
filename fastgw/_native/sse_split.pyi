"""Cuts a stream of server-sent events (WHATWG HTML, section 9.2) into events, and filters one for the relay."""

from collections.abc import Sequence
from typing import final

@final
class SseSplitter:
    """Cuts a stream into raw events. LF, CRLF and CR end lines; an event ends with its blank line.

    A blank line that ends in CR is complete when the next byte shows that no LF belongs to it: at the end of such a
    stream the last event is what `take_pending` returns.
    """

    def __new__(cls, max_event_bytes: int = 1 << 20) -> SseSplitter: ...
    def feed(self, data: bytes) -> list[bytes]:
        """The events that this piece completes, byte for byte as received; all of them and the pending bytes are the
        input.

        SseLimitError: an event is larger than the bound. Events that were complete before it in the same piece are
        returned first, and the next call raises, and so do all others.
        """

    @property
    def pending_bytes(self) -> int:
        """Bytes of the begun event."""

    def take_pending(self) -> bytes:
        """The bytes of the begun event, which are forgotten here."""

def event_payload(event: bytes) -> bytes | None:
    """The data lines of one raw event, joined by LF; None when it has none.

    A byte order mark before the event is skipped.
    """

def event_name(event: bytes) -> bytes:
    """The value of the last `event` line of one raw event, b"" when it has none."""

@final
class SseTap:
    """Passes a stream through and keeps the events that contain one of the needles.

    Whole events go through: what is cut after any piece does not end inside an event, and another event can follow. With
    `hide_usage`,

    * the top-level member `usage` of an event's JSON payload is cut out, with its comma (data lines stay, also when
      empty);
    * the event is captured when that member is an object;
    * the event is dropped when `usage` is there and not null, and `choices` is an empty array.

    Events whose payload is not one strict JSON object, that spell the name with escapes or give it twice, and events
    larger than the bound, pass untouched and (the latter) unseen. Memory: twice `max_event_bytes`.
    """

    def __new__(
        cls,
        needles: Sequence[bytes],
        hide_usage: bool = False,
        max_event_bytes: int = 1 << 18,
        texts: Sequence[bytes] = (),
    ) -> SseTap:
        """``texts``: names of JSON members, whose string values are counted in `text_bytes`."""

    def feed(self, data: bytes) -> bytes:
        """What to forward now; `data` itself when nothing is changed or held back."""

    def take_captured(self) -> list[tuple[bytes, bytes]]:
        """(event name, payload) of the captured events since the last call.

        Take them after each piece: when together they pass `max_event_bytes`, the oldest are forgotten.
        """

    def finish(self) -> bytes:
        """What is still held back at the end of the stream.

        An event without its blank line is then taken as a whole one.
        """

    @property
    def seen_done(self) -> bool:
        """An event with the payload `[DONE]` ended."""

    @property
    def events(self) -> int:
        """Events with a data line that ended so far."""

    @property
    def text_bytes(self) -> int:
        """Bytes of the values of `texts` in the events that ended so far, as they are written; each that is not empty counts for at
        least 3, which is a token."""

    @property
    def data_bytes(self) -> int:
        """Bytes of the values of data lines so far, as received, also of events that are dropped or have not ended."""
