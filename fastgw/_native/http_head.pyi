"""The strict parser of HTTP/1.1 message heads (RFC 9112, narrowed).

Refused besides what RFC 9112 refuses, because some parser in use reads it differently: Content-Length that is
repeated (even equal), has a leading zero or comes together with Transfer-Encoding; any Transfer-Encoding but one
``chunked`` and any in HTTP/1.0; header names that become
framing names when ``_`` and the like are folded to ``-``; a Host that is missing, repeated, empty or not
``name[:port]``; targets in absolute or authority form; folded lines, bare CR or LF, blanks before a colon, control
bytes in values. One empty line before a request is read over.
"""

from typing import final

from typing_extensions import disjoint_base

@disjoint_base
class MessageHead:
    """A complete head. It keeps the bytes it was parsed from alive and copies only what is asked for."""

    @property
    def size_bytes(self) -> int:
        """From ``start`` to behind the final CR LF CR LF, a skipped empty line included."""

    @property
    def content_length(self) -> int:
        """Bytes, at most 2**63 - 1; -1 when the header is absent."""

    @property
    def chunked(self) -> bool: ...
    @property
    def keep_alive(self) -> bool:
        """What version and Connection say together; ``close`` wins. Of a response also that its body does not run
        until close.
        """

    @property
    def minor_version(self) -> int:
        """0 or 1, of HTTP/1."""

    def header(self, lower_name: bytes) -> bytes | None:
        """Copy of the first value of a name, surrounding blanks removed; O(headers)."""

    def header_items(self) -> list[tuple[bytes, bytes]]:
        """Copies of all headers in their order, names as they were received."""

    def __len__(self) -> int:
        """Number of headers."""

@final
class RequestHead(MessageHead):
    @property
    def method(self) -> bytes:
        """A token, case kept; never CONNECT."""

    @property
    def target(self) -> bytes:
        """Begins with ``/``, or is ``*`` for OPTIONS; visible ASCII without ``#``."""

    @property
    def path(self) -> bytes:
        """The target up to its first ``?``; not percent-decoded."""

    @property
    def expect_continue(self) -> bool:
        """Whether the client waits for ``100 Continue``; never of HTTP/1.0 (RFC 9110 10.1.1)."""

@final
class ResponseHead(MessageHead):
    @property
    def status(self) -> int:
        """100 to 599."""

    @property
    def reason(self) -> bytes:
        """May be empty and may hold HTAB and bytes from 0x80."""

    @property
    def bodiless(self) -> bool:
        """1xx, 204, 304, and every answer to HEAD: no body follows, whatever the framing headers say."""

def parse_request_head(
    data: bytes, start: int = 0, max_head_bytes: int = 65536, max_headers: int = 128
) -> RequestHead | None:
    """Parse the head that begins at ``data[start]``; ``None`` while it is incomplete and still may become right.

    Raises :class:`HttpSyntaxError` with status 400 or 417 (expectation) at the first byte that spoils it (400 also where HTTP
    would let a server say 501 or 505: a 5xx of ours is a failure of ours), and :class:`HttpLimitError` (431) for more than
    ``max_head_bytes`` bytes, ``max_headers`` headers or 32 connection options. O(bytes) a call: nothing is kept between calls.
    """

def parse_response_head(
    data: bytes, start: int = 0, max_head_bytes: int = 65536, max_headers: int = 128, answers_head: bool = False
) -> ResponseHead | None:
    """As :func:`parse_request_head` for a status line. ``answers_head`` says that the request's method was HEAD.

    A 1xx or 204 that announces a body is refused.
    """
