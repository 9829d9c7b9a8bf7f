"""Bounded load from many clients at once, each of which knows exactly what it was told.

A call has an id of its own, which the gateway keeps as the ledger's ``request_id`` and passes on to the provider, so that client,
ledger and provider can be compared call by call. What a client calls ``whole`` it has read to the last byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from bench.framing import FramingError, Message, MessageReader

CALL_S = 20.0
"""A call that takes longer hangs: that is a finding, never a result."""
CALLS_A_CONNECTION = 12
NOBODY_THERE_S = 0.1
PAUSE_S = 0.02
"""Between two calls of a client: 32 clients then leave half of a core to the gateway."""

Fate = Literal["whole", "limited", "error", "cut", "unanswered", "refused", "hung"]
"""``limited``: a whole answer that is 429; ``error``: one that is neither this nor 200. ``cut``: the connection ended inside an
answer; ``unanswered``: before it began; ``refused``: there never was one. ``hung``: still nothing after :data:`CALL_S`."""


class Kind(NamedTuple):
    """One kind of call of the mix."""

    path: str
    model: str
    streamed: bool
    last_event: bytes = b""
    more_headers: str = ""


KINDS = (
    Kind("/v1/chat/completions", "demo-openai/mock-large+words=9+cached=3+ttft_ms=5", streamed=False),
    Kind("/v1/chat/completions", "demo-openai/mock-small+words=24+tps=400", streamed=True, last_event=b"data: [DONE]"),
    Kind("/v1/messages", "demo-anthropic/mock-small+words=7+cache_write_5m=5+ttft_ms=30", streamed=False),
    Kind(
        "/v1/messages",
        "demo-anthropic/mock-large+words=13+ttft_ms=10",
        streamed=True,
        last_event=b"event: message_stop",
    ),
)
"""Half of the calls stream; prices are not whole nano-dollars a token; a call takes 5 to 70 ms."""


def request_bytes(kind: Kind, key: str, call_id: str) -> bytes:
    """One request of a kind."""
    body = json.dumps(
        {
            "model": kind.model,
            "max_tokens": 100,
            "stream": kind.streamed,
            "messages": [{"role": "user", "content": f"what became of {call_id}?"}],
        }
    ).encode()
    head = (
        f"POST {kind.path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
        f"anthropic-version: 2023-06-01\r\nx-request-id: {call_id}\r\n{kind.more_headers}content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def fate_of(kind: Kind, answer: Message) -> Fate:
    """What a client makes of an answer that it has read to its end."""
    if not answer.head.startswith(b"HTTP/1.1 200 "):
        return "limited" if answer.head.startswith(b"HTTP/1.1 429 ") else "error"
    return "whole" if kind.last_event in answer.body else "cut"


def fate_of_no_connection(error: OSError) -> Fate:
    """Refused, or reset before it was open: its listening socket was closed in that moment."""
    return "refused" if isinstance(error, ConnectionRefusedError) else "unanswered"


async def converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str, call_id: str, kind: Kind
) -> Fate:
    """One call on an open connection."""
    parser = MessageReader()
    try:
        async with asyncio.timeout(CALL_S):
            writer.write(request_bytes(kind, key, call_id))
            while data := await reader.read(65_536):
                if messages := parser.feed(data):
                    return fate_of(kind, messages[0])
    except TimeoutError:
        return "hung"
    except (OSError, FramingError):
        pass
    return "unanswered" if parser.is_idle else "cut"


async def one_call(port: int, key: str, call_id: str, kind: Kind = KINDS[0]) -> Fate:
    """A call on a connection of its own."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError as error:
        return fate_of_no_connection(error)
    try:
        return await converse(reader, writer, key, call_id, kind)
    finally:
        writer.close()


def make_calls(port: int, key: str, prefix: str, count: int, kind: Kind = KINDS[0]) -> dict[str, Fate]:
    """``count`` calls, 16 at once, each on a connection of its own."""
    fates: dict[str, Fate] = {}
    waiting = [f"{prefix}-{number}" for number in range(count)]

    async def client() -> None:
        while waiting:
            call_id = waiting.pop()
            fates[call_id] = await one_call(port, key, call_id, kind)

    async def run() -> None:
        await asyncio.gather(*(client() for _ in range(16)))

    asyncio.run(run())
    return fates


class Load:
    """``clients`` callers on ``port``, each with one call at a time on a connection that it keeps for a dozen calls. A call's id is
    ``prefix-CLIENT-NUMBER``, and the next call of a client has the next number."""

    def __init__(
        self,
        port: int,
        key: str,
        prefix: str,
        clients: int = 32,
        kinds: Sequence[Kind] = KINDS,
        pause_s: float = PAUSE_S,
    ) -> None:
        self.fates: dict[str, Fate] = {}
        self._port = port
        self._key = key
        self._prefix = prefix
        self._clients = clients
        self._kinds = kinds
        self._pause_s = pause_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load")

    def count(self) -> Counter[Fate]:
        """How many calls ended how so far."""
        return Counter(list(self.fates.values()))

    def ids(self, fate: Fate) -> set[str]:
        """The calls that ended so."""
        return {call_id for call_id, found in self.fates.items() if found == fate}

    def start(self) -> None:
        self._thread.start()

    def wait_calls(self, count: int, timeout_s: float = 30.0) -> None:
        """Wait until ``count`` more calls were answered whole. Raises ``AssertionError`` when they are not."""
        wanted = self.count()["whole"] + count
        ends_s = time.monotonic() + timeout_s
        while self.count()["whole"] < wanted:
            if time.monotonic() > ends_s or not self._thread.is_alive():
                raise AssertionError(f"no {count} calls were answered within {timeout_s} s: {self.count()}")
            time.sleep(0.01)

    def stop(self) -> None:
        """No new calls; waits for those under way. Idempotent."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(CALL_S + 10)
            assert not self._thread.is_alive(), "the load does not end"

    async def _run(self) -> None:
        await asyncio.gather(*(self._client(number) for number in range(self._clients)))

    async def _client(self, number: int) -> None:
        made = 0
        await asyncio.sleep(self._pause_s * number / self._clients)
        while not self._stopping.is_set():
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError as error:
                made += 1
                self.fates[f"{self._prefix}-{number}-{made}"] = fate_of_no_connection(error)
                await asyncio.sleep(NOBODY_THERE_S)
                continue
            try:
                for _ in range(CALLS_A_CONNECTION):
                    if reader.at_eof():  # closed while it was idle: a client that looks first loses nothing
                        break
                    made += 1
                    call_id = f"{self._prefix}-{number}-{made}"
                    kind = self._kinds[(number + made) % len(self._kinds)]
                    self.fates[call_id] = fate = await converse(reader, writer, self._key, call_id, kind)
                    if fate not in ("whole", "limited", "error") or self._stopping.is_set():
                        break
                    await asyncio.sleep(self._pause_s)
            finally:
                writer.close()


@contextlib.contextmanager
def running_load(
    port: int, key: str, prefix: str, clients: int = 32, kinds: Sequence[Kind] = KINDS, pause_s: float = PAUSE_S
) -> Iterator[Load]:
    """Load that is ended, with all its calls, when the block is left."""
    load = Load(port, key, prefix, clients, kinds, pause_s)
    load.start()
    try:
        yield load
    finally:
        load.stop()
