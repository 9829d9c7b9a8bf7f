"""The whole path of a call without a network: client bytes in, provider bytes in, expected bytes out, rows recorded.

The pipeline, the connections, the snapshot and the prices are the real ones; the transports, the recorder and what would open
connections are not. Everything happens inside the calls that deliver bytes, so a play has no waiting in it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from time import monotonic_ns
from typing import Any

import h11
import msgspec
import orjson

from fastgw._native.counter_map import CounterMap
from fastgw._native.exchange import Exchange
from fastgw._native.lane import Wait
from fastgw._native.ledger_record import LedgerRecord
from fastgw._native.limit_set import WorkerCounters
from fastgw._native.provider_conn import ProviderConn, ProviderPool
from fastgw.app.build import Pricing, limiter_of
from fastgw.config.load import load
from fastgw.domain.entry import LedgerEntry
from fastgw.domain.errors import GatewayError
from fastgw.front.endpoints import ENDPOINTS
from fastgw.front.respond import WireResponder
from fastgw.gateway.pipeline import Pipeline
from fastgw.gateway.relay import WHOLE_BODY_BYTES
from fastgw.gateway.snapshot import AccountRoute, Snapshot
from fastgw.identity.table import KeyTable
from fastgw.providers.registry import account_of, build_endpoint
from fastgw.routing.table import AliasTable
from fastgw.spend.learned import LearnedTable
from fastgw.telemetry.clock import RequestIds
from tests.model.transport import SECOND, Door, FakeTransport

APP_KEY = "app-secret-0123456789abcdef"
NARROW_KEY = "narrow-secret-0123456789abcdef"
ALIASED_KEY = "aliased-secret-0123456789abcdef"
UPSTREAM_KEY = "upstream-secret-0123456789abcdef"
CONFIG = """
[providers.up]
kind = "openai"
base_url = "http://up.test/v1"
api_key = "env:UP"
price = { input_usd_per_mtok = 1, output_usd_per_mtok = 2, cached_input_usd_per_mtok = 0.5 }
[providers.claude]
kind = "anthropic"
base_url = "http://claude.test"
api_key = "env:UP"
price = { input_usd_per_mtok = 3, output_usd_per_mtok = 15 }
[providers.public]
kind = "openai"
base_url = "http://public.test/v1"
api_key = "env:UP"
price_source = "openai"
[providers.nobody-knows]
kind = "openai"
base_url = "http://unpriced.test/v1"
[[models]]
name = "gpt"
targets = [{ target = "up/gpt-real" }]
[[teams]]
name = "web"
metadata = { team_tag = "t" }
[[users]]
name = "ada"
team = "web"
[[keys]]
name = "app"
secret = "env:APP"
user = "ada"
metadata = { application = "shop" }
[[keys]]
name = "narrow"
secret = "env:NARROW"
models = ["up/*"]
[[keys]]
name = "aliased"
secret = "env:ALIASED"
models = ["gpt"]
"""
SECRETS = {"UP": UPSTREAM_KEY, "APP": APP_KEY, "NARROW": NARROW_KEY, "ALIASED": ALIASED_KEY}
CHAT = {"model": "gpt", "messages": [{"role": "user", "content": "hello"}]}
STREAM = {**CHAT, "stream": True}
USAGE = b'{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}'
COST_NANO_USD = 20_000
COST = "0.00002"
ANSWER = b'{"id":"c1","choices":[{"message":{"content":"hi"}}],"usage":%b}' % USAGE
EVENT = b'data: {"choices":[{"delta":{"content":"hi"}}],"usage":null}\n\n'
HIDDEN_EVENT = EVENT.replace(b',"usage":null', b"")
USAGE_EVENT = b'data: {"choices":[],"usage":%b}\n\n' % USAGE
DONE = b"data: [DONE]\n\n"
COST_COMMENT = b": x-fastgw-cost-usd: 0.00002\n\n"
LARGE = b'{"text":"' + b"x" * (WHOLE_BODY_BYTES + 200_000) + b'","usage":%b}' % USAGE
EVENT_STREAM = b"content-type: text/event-stream\r\n"


class Reply(msgspec.Struct):
    """An answer as a client reads it. ``whole``: it ended where its framing says."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool

    @property
    def error(self) -> dict[str, Any]:
        """The error of an OpenAI-shaped refusal."""
        found: dict[str, Any] = orjson.loads(self.body)["error"]
        return found


class Books:
    """Keeps a copy of each row as it was recorded, and what the client had by then."""

    def __init__(self) -> None:
        self.opened_rows: list[LedgerEntry] = []
        self.rows: list[LedgerEntry] = []
        self.sent_bytes: list[int] = []
        self.durable: Callable[[], Awaitable[None]] | None = None
        self.client: FakeTransport | None = None

    def opened(self, entry: LedgerRecord) -> None:
        self.opened_rows.append(_copied(entry))

    def settled(self, entry: LedgerRecord) -> None:
        self.rows.append(_copied(entry))
        self.sent_bytes.append(len(self.client.sent) if self.client is not None else 0)


def _copied(entry: LedgerRecord) -> LedgerEntry:
    return msgspec.msgpack.decode(entry.encode(), type=LedgerEntry)


class FakeAccount:
    """A provider account whose new connections are fake transports; ``refuses`` is raised in place of one."""

    def __init__(self, pool: ProviderPool) -> None:
        self.pool = pool
        self.transports: list[FakeTransport] = []
        self.refuses: Exception | None = None
        self.opening: Wait | None = None

    def send_pooled(self, head: bytes, body: bytes | None) -> ProviderConn | None:
        connection = self.pool.take_idle()
        return None if connection is None else self._send(connection, head, body)

    async def send_fresh(self, head: bytes, body: bytes | None) -> ProviderConn:
        if self.opening is not None:
            await self.opening
        if self.refuses is not None:
            raise self.refuses
        return self._send(self.connect(), head, body)

    def connect(self) -> ProviderConn:
        connection = self.pool.connection()
        self.transports.append(FakeTransport(connection))
        return connection

    def _send(self, connection: ProviderConn, head: bytes, body: bytes | None) -> ProviderConn:
        connection.send(head, body, 10 * SECOND, 5 * SECOND, monotonic_ns() + 100 * SECOND)
        return connection

    @property
    def requests(self) -> list[bytes]:
        """What each connection was sent."""
        return [transport.sent for transport in self.transports]


class Play:
    """One gateway. ``up`` is the account that the model ``gpt`` leads to; ``client`` the connection in use. ``limits`` is TOML."""

    def __init__(self, limits: str = "") -> None:
        settings = load(CONFIG + limits, SECRETS)
        self.counter_map = CounterMap(1024, 1, 100)
        self.books = Books()
        self.counts: list[str] = []
        self.door = Door(self._handle, routes=dict(ENDPOINTS), max_body_bytes=1 << 22)
        self.accounts = {name: FakeAccount(ProviderPool(self.door.wheel)) for name in settings.providers}
        self.snapshot = Snapshot(
            version=1,
            keys=KeyTable(settings.keys, settings.users, settings.teams),
            aliases=AliasTable(settings.models, [account_of(name, row) for name, row in settings.providers.items()]),
            accounts={
                name: AccountRoute(self.accounts[name], build_endpoint(name, row))
                for name, row in settings.providers.items()
            },
            pricing=Pricing(settings),
            learned=LearnedTable(),
            limiter=limiter_of(settings),
            drain_ns=settings.server.disconnect_drain_ns,
            drain_bytes=settings.server.disconnect_drain_kib * 1024,
        )
        counters = WorkerCounters(self.counter_map, 0, 1)
        self.pipeline = Pipeline(
            self.snapshot, self.books, WireResponder(), RequestIds(0, 0), self.counts.append, counters
        )
        self.up = self.accounts["up"]
        self.client = self.connect()

    def _handle(self, exchange: Exchange) -> Coroutine[Any, Any, None]:
        return self.pipeline.handle(exchange)

    def connect(self) -> FakeTransport:
        """Another client's connection, which is the one in use from now on."""
        self.client = self.books.client = self.door.connect()
        return self.client

    def ask(self, body: Any = None, **options: Any) -> None:
        """A request of the client in use. It is served as far as it goes without the provider."""
        self.client.receive(request(CHAT if body is None else body, **options))

    def answer(self, *pieces: bytes, account: str = "up") -> None:
        """Bytes of the provider on the connection that was opened last."""
        self.accounts[account].transports[-1].receive(*pieces)

    def reply(self) -> Reply:
        """The first answer that the client in use has got."""
        return read_reply(self.client.sent, ended=self.client.closing or self.client.eof_written)

    @property
    def row(self) -> LedgerEntry:
        """The row of the only call, which was settled exactly once."""
        assert len(self.books.rows) == 1
        return self.books.rows[0]

    def comes_to_rest(self) -> bool:
        """One turn of the loop for the client's connection; then, whether no call is under way."""
        self.client.settle()
        return self.door.port.in_flight == 0 and not self.door.crashes


def request(
    body: Any,
    *,
    path: str = "/v1/chat/completions",
    key: str = APP_KEY,
    headers: dict[str, str] | None = None,
    version: str = "1.1",
) -> bytes:
    """A request. ``body`` is JSON unless it is bytes already."""
    payload = body if isinstance(body, bytes) else orjson.dumps(body)
    lines = {"host": "gw", "content-length": str(len(payload)), **(headers or {})}
    if key:
        lines["authorization"] = f"Bearer {key}"
    head = f"POST {path} HTTP/{version}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return head.encode("utf-8") + b"\r\n" + payload


def plain(body: bytes = ANSWER, status: int = 200, lines: bytes = b"") -> bytes:
    """A provider's whole answer with its length."""
    head = b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n"
    return head % (status, lines, len(body)) + body


def stream_head(lines: bytes = b"") -> bytes:
    """The head of a provider's stream of events."""
    return b"HTTP/1.1 200 OK\r\n" + EVENT_STREAM + lines + b"transfer-encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"


def read_reply(received: bytes, *, ended: bool) -> Reply:
    """The answer in the bytes that a client received, as h11 reads them."""
    reader = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    reader.send(h11.Request(method="POST", target="/", headers=[("host", "gw"), ("content-length", "0")]))
    reader.send(h11.EndOfMessage())
    reader.receive_data(received)
    if ended:
        reader.receive_data(b"")
    reply = Reply(0, {}, b"", False)
    while True:
        try:
            event = reader.next_event()
        except h11.RemoteProtocolError:
            return reply
        if isinstance(event, h11.Response):
            reply.status = event.status_code
            reply.headers = {name.decode(): value.decode() for name, value in event.headers}
        elif isinstance(event, h11.Data):
            reply.body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            reply.whole = True
            return reply
        elif not isinstance(event, h11.InformationalResponse):
            return reply


def busy() -> GatewayError:
    """What an account without a free connection raises."""
    return GatewayError("provider_busy", "all in use", status=503, source="upstream", retry="other_target")
