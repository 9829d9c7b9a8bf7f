"""`make run`, as far as it goes without the installation: real requests by the official clients, and the table of spend."""

from __future__ import annotations

import re
import signal
import socket
import sys
from pathlib import Path

from tests.wire.processes import ROOT, running

DEMO = [sys.executable, str(ROOT / "tools" / "run_demo.py")]
CALLS = ["chat.completions", "responses", "embeddings", "messages", "messages.count_tokens"]


def test_it_asks_both_dialects_shows_the_spend_and_ends(tmp_path: Path) -> None:
    with running([*DEMO, "--once", "--port", "0"], {"TMPDIR": str(tmp_path)}) as demo:
        demo.wait_for(r"\ntotal .*\n", 60)
        assert demo.wait(60) == 0

    for call in CALLS:
        assert re.search(rf"^  {re.escape(call)} +\S.* cost: [0-9.]+ USD$", demo.output, re.MULTILINE), demo.output
    assert demo.output.count(", streamed ") == 3
    # Eight calls, none of them an error, and the sum of what the lines above say at least.
    total = re.search(r"^total +8 +0 .* ([0-9.]+)$", demo.output, re.MULTILINE)
    assert total is not None, demo.output
    assert float(total[1]) > sum(float(cost) for cost in re.findall(r"cost: ([0-9.]+) USD", demo.output)) > 0


def test_it_serves_on_until_it_is_interrupted(tmp_path: Path) -> None:
    with running([*DEMO, "--port", "0"], {"TMPDIR": str(tmp_path)}) as demo:
        url = demo.wait_for(r"The gateway serves on http://(\S+); Ctrl-C ends it", 60)[1]
        host, port = url.split(":")
        with socket.create_connection((host, int(port)), timeout=10):
            pass
        demo.signal(signal.SIGINT)
        assert demo.wait(60) == 0

        with socket.socket() as probe:
            assert probe.connect_ex((host, int(port))) != 0


def test_a_port_in_use_is_said_so(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with running([*DEMO, "--once", "--port", str(taken.getsockname()[1])], {"TMPDIR": str(tmp_path)}) as demo:
            assert demo.wait(60) == 1

    assert "Address already in use" in demo.output
    assert "make run PORT=" in demo.output
