"""The framing of one message body: counted, chunked, or running until the connection closes (RFC 9112 6 and 7)."""

from typing import final

from fastgw._native.http_head import MessageHead

@final
class BodyReader:
    """Separates payload from framing, a piece at a time; holds no payload.

    Bounds of a chunked body: 16 hexadecimal digits a size; 1,024 bytes a size line; all size lines and chunk ends
    together 16 KiB plus 8 bytes for each payload byte (a one-byte chunk costs 5); 8 KiB and 64 lines of trailers.
    Blanks around sizes and extensions, and trailers that name framing, routing, credentials or the form of the body,
    are refused.
    """

    @property
    def done(self) -> bool:
        """The body is complete; further bytes belong to the next message. A fresh ``BodyReader()`` has no body."""

    @property
    def until_close(self) -> bool:
        """Only the end of the connection ends this body."""

    @property
    def received_bytes(self) -> int:
        """Payload so far."""

    def feed_bytes(self, data: bytes) -> tuple[bytes, int]:
        """Payload in ``data`` (a copy) and how many bytes were consumed: all, or fewer once the body is done.

        Raises :class:`HttpSyntaxError` (400) or :class:`HttpLimitError` (413 for the body and its framing, 431 for
        trailers) at the byte that decides it; the reader is broken then and refuses whatever follows.
        """

    def finish_at_eof(self) -> bool:
        """Say that the connection was closed: ``True`` when the body is complete, else :class:`HttpSyntaxError`."""

def body_reader(head: MessageHead, no_body: bool = False, max_body_bytes: int = 33_554_432) -> BodyReader:
    """The reader for the body behind ``head``; ``no_body`` overrides the framing headers.

    Raises :class:`HttpLimitError` (413) at once when the announced length is above ``max_body_bytes`` (>= 0).
    """
