"""HTTP/1.1 messages out of a byte stream, for the mock upstream and the load generator.

Fed any split of the bytes it gives the same messages. It trusts its peer (both ends are ours and on loopback): it reads
Content-Length and chunked bodies, and raises on anything else instead of guessing. It is no parser for strangers.
"""

from __future__ import annotations

from typing import NamedTuple

HEAD_LIMIT_BYTES = 65_536
_CHUNKED = -1


class FramingError(Exception):
    """Bytes that are not a message of the kind we send ourselves."""


class Message(NamedTuple):
    """One message. ``head`` ends with its empty line; ``body`` is without transfer coding."""

    head: bytes
    body: bytes


def body_length(head: bytes) -> int:
    """The Content-Length in ``head``, 0 without one, -1 for a chunked body."""
    lower = head.lower()
    start = lower.find(b"\r\ncontent-length:")
    if start >= 0:
        start += 17
        return int(lower[start : lower.index(b"\r", start)])
    start = lower.find(b"\r\ntransfer-encoding:")
    if start < 0:
        return 0
    if lower[start + 20 : lower.index(b"\r", start + 20)].strip() != b"chunked":
        raise FramingError("transfer coding: expected chunked")
    return _CHUNKED


class MessageReader:
    """Collects messages from one direction of one connection. Bytes beyond a message wait for the next."""

    __slots__ = ("_buffer", "_head", "_length", "_parts")

    def __init__(self) -> None:
        self._buffer = b""
        self._head = b""
        self._length = 0
        self._parts: list[bytes] = []

    @property
    def is_idle(self) -> bool:
        """Whether no message has been begun."""
        return not self._head and not self._buffer

    def feed(self, data: bytes) -> list[Message]:
        """Take bytes as they came; give the messages that they complete. Raises :class:`FramingError`."""
        self._buffer = self._buffer + data if self._buffer else data
        messages = []
        while (message := self._next()) is not None:
            messages.append(message)
        return messages

    def _next(self) -> Message | None:
        if not self._head and not self._read_head():
            return None
        if self._length == _CHUNKED:
            if not self._read_chunks():
                return None
            body = b"".join(self._parts)
            self._parts = []
        else:
            if len(self._buffer) < self._length:
                return None
            body = self._buffer[: self._length]
            self._buffer = self._buffer[self._length :]
        message = Message(self._head, body)
        self._head = b""
        return message

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > HEAD_LIMIT_BYTES:
                raise FramingError("head: too large")
            return False
        self._head = self._buffer[: end + 4]
        self._buffer = self._buffer[end + 4 :]
        try:
            self._length = body_length(self._head)
        except ValueError as error:
            raise FramingError("content-length: expected an integer") from error
        return True

    def _read_chunks(self) -> bool:
        """Take whole chunks off the buffer; true when the last one and the trailers were there."""
        position = 0
        buffer = self._buffer
        finished = False
        while (line_end := buffer.find(b"\r\n", position)) >= 0:
            try:
                size = int(buffer[position:line_end].partition(b";")[0], 16)
            except ValueError as error:
                raise FramingError("chunk size: expected hexadecimal digits") from error
            if size == 0:
                trailers_end = buffer.find(b"\r\n\r\n", line_end)
                if trailers_end >= 0:
                    position = trailers_end + 4
                    finished = True
                break
            end = line_end + 2 + size
            if len(buffer) < end + 2:
                break
            if buffer[end : end + 2] != b"\r\n":
                raise FramingError("chunk: not followed by an empty line")
            self._parts.append(buffer[line_end + 2 : end])
            position = end + 2
        self._buffer = buffer[position:]
        return finished
