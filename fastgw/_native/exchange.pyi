"""One request of the fast lane and its answer, and the settings of the port it came through."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, final

from typing_extensions import disjoint_base

from fastgw._native.http_head import RequestHead
from fastgw._native.timers import Timer, TimerWheel

@final
class ClientPort:
    """What all connections accepted under one configuration share. Times in ns, sizes in bytes.

    ``routes`` maps the paths of the fast lane to endpoints; ``handle(exchange)`` makes the coroutine that serves a request;
    ``refuse(status, message, received)`` makes a whole answer to bytes that did not become one; ``hand_over(transport, received)``
    takes any other connection, with what was read of it; ``on_crash`` is told what escapes a coroutine.
    """

    def __new__(
        cls,
        *,
        routes: Mapping[bytes, Any],
        handle: Callable[[Exchange], Coroutine[Any, Any, None]],
        refuse: Callable[[int, str, bytes], bytes],
        hand_over: Callable[[Any, bytes], object],
        on_crash: Callable[[BaseException], object],
        wheel: TimerWheel,
        max_head_bytes: int,
        max_headers: int,
        max_body_bytes: int,
        max_connections: int,
        head_timeout_ns: int,
        body_timeout_ns: int,
        keep_alive_ns: int,
        write_timeout_ns: int,
    ) -> ClientPort: ...
    @property
    def connections(self) -> int:
        """Open connections that were not handed over."""

    @property
    def in_flight(self) -> int:
        """Those with a request being served. O(connections)."""

    @property
    def closing(self) -> bool:
        """Whether `drain` was called."""

    @property
    def refused(self) -> int:
        """Connections refused before a request was understood."""

    def drain(self) -> None:
        """Close idle connections, and each other one after its answer."""

    def abort(self) -> None:
        """Close all connections at once."""

@disjoint_base
class ClientSide(Timer):
    """The side of a client connection that its exchange uses."""

@final
class Exchange:
    """Made by a client connection only. Writing after the client has gone, or after the end, does nothing.

    An answer that begins twice, or goes on or ends before it began, is a ``RuntimeError``. A handler that returns without an end
    leaves its client waiting.
    """

    def __new__(cls, conn: ClientSide, head: RequestHead, endpoint: Any) -> Exchange: ...
    @property
    def head(self) -> RequestHead:
        """The request's head."""

    @property
    def endpoint(self) -> Any:
        """What the port's routes have for its path."""

    @property
    def received_ns(self) -> int:
        """When the head was complete, on the monotonic clock."""

    @property
    def started(self) -> bool:
        """Whether a byte of the answer was written."""

    @property
    def finished(self) -> bool:
        """Whether the answer has ended, cleanly or not."""

    @property
    def gone(self) -> bool:
        """Whether the client's connection is lost."""

    @property
    def sent_bytes(self) -> int:
        """Payload written, without framing."""

    @property
    def keep_alive(self) -> bool:
        """Whether the connection stays open after this answer, as of now."""

    @property
    def slow(self) -> bool:
        """Whether the client takes less than it is sent: await `room` before sending more."""

    def take_whole(self) -> bytes | None:
        """The request's whole body if it is here already."""

    def body(self) -> Awaitable[bytes]:
        """The request's whole body. Raises HttpSyntaxError, HttpLimitError, DeadlineExceeded ("body"), ClientGone."""

    def room(self) -> Awaitable[None]:
        """Until the client has taken what was written."""

    def reply(self, data: bytes) -> None:
        """Write a whole answer, head included; the exchange is finished."""

    def start(self, head: bytes, chunked: bool, ends_by_close: bool = False) -> None:
        """Begin an answer in pieces. With neither flag its length is in the head."""

    def send(self, data: bytes) -> None:
        """The next piece of the payload; framed here when the answer is chunked."""

    def finish(self) -> None:
        """The clean end."""

    def abort(self) -> None:
        """Close without a clean end, so that what was sent cannot be taken for a whole answer."""
