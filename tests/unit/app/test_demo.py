"""The demo's configuration is a good one, at the mock's own prices, and its mock answers."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import urllib.request
from pathlib import Path

import pytest

from fastgw._native.counter_map import CounterMap
from fastgw.app.build import Pricing
from fastgw.app.demo import demo_text, free_port, mock_main
from fastgw.app.launch import Control, Inheritance, Source
from fastgw.config.load import load
from fastgw.domain.usage import Usage
from fastgw.mock_provider.bill import NANO, PRICES, price_usage
from fastgw.mock_provider.usage import Usage as MockUsage
from fastgw.spend.pricer import TargetPrice
from fastgw.telemetry.stats_page import StatsPage

ENV = {"FASTGW_DEMO_KEY": "sk-fgw-" + "d" * 40}


def inherited() -> Inheritance:
    text = demo_text(9000, "127.0.0.1:1", "127.0.0.1:2", "sqlite:x.db", 1)
    source = Source(None, text, ENV, Path())
    return Inheritance(source, source.settings(text), text, [], StatsPage(3), CounterMap(64, 1, 1))


def test_the_text_is_good_and_asks_for_what_it_was_given() -> None:
    settings = load(demo_text(9000, "127.0.0.1:1", "127.0.0.1:2", "sqlite:x.db", 3), ENV, Path())
    assert (settings.server.listen, settings.server.workers) == ("127.0.0.1:1", 3)
    assert str(settings.ledger.database_path) == "x.db"
    assert [config.base_url for config in settings.providers.values()] == [
        "http://127.0.0.1:9000/v1",
        "http://127.0.0.1:9000",
    ]


@pytest.mark.parametrize("provider", ["demo-openai", "demo-anthropic"])
@pytest.mark.parametrize("model", sorted(PRICES))
def test_it_charges_what_the_mock_bills(provider: str, model: str) -> None:
    settings = load(demo_text(9000, "127.0.0.1:1", "127.0.0.1:2", "sqlite:x.db", 1), ENV, Path())
    price = Pricing(settings).for_target(provider, f"{model}+words=3", "")
    assert isinstance(price, TargetPrice)
    found = price.cost(Usage(1_000_003, 77), 0, None)
    assert found is not None
    expected = price_usage(model, MockUsage(input=1_000_003, output=77 if "output" in PRICES[model] else 0))
    assert found[0] == round(expected * NANO)


def test_the_mock_serves_until_it_is_told_to_stop() -> None:
    port = free_port()
    ours, theirs = Control.pair()
    child = threading.Thread(target=lambda: codes.append(mock_main(port)(inherited(), theirs, -1)))
    codes: list[int] = []
    child.start()
    assert ours.receive(20) == [{"ready": True}]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/mock/stats", timeout=5) as answer:
        assert json.load(answer)["served"] == 0
    ours.send(stop=True)
    child.join(20)
    assert codes == [0]
    ours.close()
    theirs.close()


def test_a_mock_that_cannot_listen_says_so() -> None:
    ours, theirs = Control.pair()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert mock_main(taken.getsockname()[1])(inherited(), theirs, -1) == 1
    (message,) = ours.receive(1) or [{}]
    assert "demo: the mock provider cannot listen:" in str(message["failed"])
    assert "address already in use" in str(message["failed"])
    ours.close()
    theirs.close()


def test_a_free_port_is_free() -> None:
    async def main() -> None:
        port = free_port()
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)
        assert server.sockets[0].getsockname() == ("127.0.0.1", port)
        server.close()
        await server.wait_closed()

    asyncio.run(main())
