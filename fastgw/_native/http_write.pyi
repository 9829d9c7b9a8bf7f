"""The writer of HTTP/1.1 messages. Everything returned is complete bytes, ready for the wire, built in one
allocation.
"""

from collections.abc import Iterable
from typing import Final, final

from fastgw._native.http_head import MessageHead

INLINE_BODY_BYTES: Final[int]
"""Longest request body that ``write_request`` puts behind the head; a longer one the caller writes apart."""

LAST_CHUNK: Final[bytes]
"""Ends a chunked body, without trailers."""

@final
class HeaderFilter:
    """A compiled set of header names and name prefixes that are not forwarded; immutable."""

    def __new__(cls, names: Iterable[bytes], prefixes: Iterable[bytes]) -> HeaderFilter:
        """All in lower case. Raises ``ValueError`` for what is not a lower-case token."""

    def __contains__(self, key: bytes, /) -> bool:
        """Whether a header of this name, in any case, is dropped; O(1) in names, O(n) in prefixes."""

def header_line(name: bytes, value: bytes) -> bytes:
    """``name: value`` with its CR LF. Raises ``ValueError`` when ``name`` is no token or ``value`` has a control
    byte.
    """

def write_request(
    method: bytes,
    target: bytes,
    fixed_lines: bytes,
    forwarded: MessageHead | None,
    drop: HeaderFilter | None,
    body: bytes,
) -> bytes:
    """Request line, ``fixed_lines`` (from ``header_line``), what may be forwarded, content-length, empty line, body.

    Never forwarded: Host, Expect, Content-Length, hop-by-hop headers, those that ``forwarded`` names in its
    Connection field, and what ``drop`` holds. The content-length is ``len(body)``; the body itself follows only up
    to ``INLINE_BODY_BYTES``, otherwise the caller writes it. Without a body the length is written for POST, PUT and
    PATCH only (RFC 9110 8.6). Raises ``ValueError`` when ``method`` is no token or ``target`` has other than visible
    ASCII.
    """

def write_response(
    status: int,
    forwarded: MessageHead | None,
    drop: HeaderFilter | None,
    extra_lines: bytes,
    content_length: int,
    chunked: bool,
    keep_alive: bool,
    body: bytes,
) -> bytes:
    """Status line, what may be forwarded (as in ``write_request``), ``extra_lines``, framing, empty line, ``body``
    as it is.

    ``content_length`` -1 and not ``chunked`` writes no framing header: for 1xx, 204 and answers to HEAD, or with
    ``keep_alive`` false for a body that runs until close. The reason is the forwarded one when its status is
    ``status``, else from RFC 9110. Raises ``ValueError`` for a status outside 100 to 599, contradictory framing,
    framing of a 1xx or 204, or more ``body`` than announced.
    """

def write_chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; empty for no data, as an empty chunk would end the body."""
