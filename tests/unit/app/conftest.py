"""A configuration with a real mock provider behind it, and what a supervisor would hand down."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fastgw._native.counter_map import CounterMap
from fastgw.app.demo import demo_text, free_port
from fastgw.app.launch import WORKER_ROWS, Inheritance, Source, listen
from fastgw.mock_provider.server import start
from fastgw.mock_provider.service import Options
from fastgw.telemetry.clock import id_base_ns
from fastgw.telemetry.stats_page import StatsPage

KEY = "sk-fgw-" + "u" * 40
TOKEN = "an-operators-token"
Inherit = Callable[[], Inheritance]


@pytest.fixture(scope="session")
def mock_port() -> Iterator[int]:
    """A mock provider in a thread of this process."""
    ports: list[int] = []
    ready, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        mock = await start("127.0.0.1", 0, Options())
        ports.append(mock.port)
        ready.set()
        while not stop.is_set():
            await asyncio.sleep(0.02)
        await mock.stop()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="mock provider", daemon=True)
    thread.start()
    assert ready.wait(20)
    yield ports[0]
    stop.set()
    thread.join(5)


@pytest.fixture
def demo_config(tmp_path: Path, mock_port: int) -> Path:
    """The demo's configuration in a file, with a ledger in the test's folder."""
    path = tmp_path / "fastgw.toml"
    text = demo_text(mock_port, "127.0.0.1:0", f"127.0.0.1:{free_port()}", f"sqlite:{tmp_path}/ledger.db", 1)
    path.write_text(text)
    return path


@pytest.fixture
def inherit(demo_config: Path) -> Iterator[Inherit]:
    """Makes what one worker and a bookkeeper are given."""
    made: list[Inheritance] = []

    def make() -> Inheritance:
        text = demo_config.read_text()
        source = Source(demo_config, text, {"FASTGW_DEMO_KEY": KEY}, demo_config.parent)
        settings = source.settings(text)
        stats = StatsPage(WORKER_ROWS + 1)
        made.append(
            Inheritance(source, settings, text, listen(settings, 1), stats, CounterMap(64, 1, 1), id_base_ns(), TOKEN)
        )
        return made[-1]

    yield make
    for inheritance in made:
        for sock in inheritance.listening:
            sock.close()
