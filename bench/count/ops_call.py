"""One whole governed call without the kernel: from the client's bytes to the answer's, everything on."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

from bench.contenders import KEY, UPSTREAM_KEY
from bench.limits import LIMITS
from bench.payloads import plain_answer, request_body, request_prefix, request_suffix
from fastgw._native.counter_map import CounterMap
from fastgw._native.limit_set import WorkerCounters
from fastgw._native.timers import TimerWheel
from fastgw.app.build import Builder
from fastgw.config.load import load
from fastgw.front.listener import FrontDoor
from fastgw.front.respond import WireResponder
from fastgw.gateway.pipeline import Pipeline
from fastgw.ledger.recorder import open_recorder
from fastgw.telemetry.clock import RequestIds, id_base_ns

CONFIG = """
[ledger]
url = "sqlite:{folder}/ledger.db"
[providers.up]
kind = "openai"
base_url = "http://127.0.0.1:1/v1"
api_key = "env:UP_KEY"
[[keys]]
name = "bench"
secret = "env:BENCH_KEY"
"""


class Transport:
    """As much of one as a call uses."""

    written = 0

    def write(self, data: bytes) -> None:
        self.written += len(data)

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        pass


"""Three of each kind, all of which govern every call."""


def call(size_bytes: int, limits: str = "") -> Callable[[], object]:
    folder = tempfile.mkdtemp(prefix="fastgw-count-call-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings = load(CONFIG.format(folder=folder) + limits, {"UP_KEY": UPSTREAM_KEY, "BENCH_KEY": KEY})
    wheel = TimerWheel()
    builder = Builder(wheel)
    pipeline = Pipeline(
        builder.snapshot(settings),
        open_recorder(settings.ledger, 0, 1),
        WireResponder(),
        RequestIds(0, id_base_ns()),
        lambda code: print("refused:", code),
        WorkerCounters(CounterMap(1 << 12, 1, 1 << 10), 0, 1),
    )
    door = FrontDoor(pipeline.handle, lambda *_: None, wheel)
    door.configure(settings.server)
    provider: Any = builder._accounts["up"]._pool.connection()  # noqa: SLF001 - a connection that was made without a network
    provider.connection_made(Transport())
    provider.give_back()
    client: Any = door._accept()  # noqa: SLF001 - likewise
    client.connection_made(Transport())
    body = request_body(size_bytes, streamed=False)
    asked = request_prefix("127.0.0.1", KEY, body) + b"r1-123" + request_suffix(body)
    answer = plain_answer(size_bytes)
    buffer = provider.get_buffer(-1)
    buffer[: len(answer)] = answer

    def one() -> None:
        client.data_received(asked)
        provider.buffer_updated(len(answer))

    return one


def plain_1k() -> Callable[[], object]:
    return call(1024)


def plain_20k() -> Callable[[], object]:
    return call(20_480)


def limited_1k() -> Callable[[], object]:
    return call(1024, LIMITS)


OPERATIONS = {"call.plain_1k": plain_1k, "call.plain_20k": plain_20k, "call.limited_1k": limited_1k}
