"""Exceptions that the native floor raises. Floors above translate them once, at a seam."""


class NativeError(Exception):
    """Base of everything the native floor raises on purpose."""


class HttpSyntaxError(NativeError):
    """Bytes that two HTTP parsers could read differently, or that are not HTTP.

    ``status`` is the answer a server gives for it: 400, 501 (a transfer coding we do not speak) or 505 (version).
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class HttpLimitError(NativeError):
    """A well-formed message that is larger than the configured bound. ``status`` is 413 (body) or 431 (head)."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class JsonSyntaxError(NativeError):
    """Bytes that are not one strict JSON text, or that name a member we act on twice. ``offset`` is in bytes."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


class SseLimitError(NativeError):
    """An event of a stream that is larger than the configured bound."""


class JournalError(NativeError):
    """A segment file that is not one, or that cannot be made (``__cause__`` has the system's reason)."""


class ConnectionLost(NativeError):  # noqa: N818 - it names what happened, as ConnectionError's family does
    """The provider's connection ended before its answer did.

    ``stale`` is true when a pooled connection died before a single byte of the answer: safe to repeat once on a fresh one.
    """

    def __init__(self, message: str, *, stale: bool = False) -> None:
        super().__init__(message)
        self.stale = stale


class DeadlineExceeded(NativeError):  # noqa: N818
    """A deadline passed. ``which`` is ``body``, ``first_byte``, ``idle`` or ``total``."""

    def __init__(self, which: str) -> None:
        super().__init__(f"{which} deadline passed")
        self.which = which


class ClientGone(BaseException):
    """Thrown into a request whose client went away. A ``BaseException``, so that no ``except Exception`` swallows it."""
