"""Reload every second under load, good files and bad ones in turn: nothing is dropped, nothing answers 5xx, the books agree.

    python -m tests.adversity.reload_storm [--seconds 60]

Prints the figures; exits with 1 when one is not as it should be.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.wire.gateway import check_books, running_gateway
from tests.wire.processes import running_mock_provider
from tests.wire.test_lifecycle import load, soon, text_for


def storm(seconds: int, folder: Path) -> list[str]:
    """One run; what was wrong with it."""
    with running_mock_provider() as mock, running_gateway(folder, text_for(mock)) as gateway:
        good = gateway.config.read_text()
        variants = [good, good + '\n[[models]]\nname="m"\ntargets=[{target="mock-openai/m"}]\n', "[server\n"]
        with load(gateway) as clients:
            for turn in range(seconds):
                gateway.config.write_text(variants[turn % len(variants)])
                gateway.process.signal(signal.SIGHUP)
                time.sleep(1)
        calls = sum(client.calls for client in clients)
        bad = [one for client in clients for one in client.bad]
        metrics = gateway.metrics()
        soon(lambda: gateway.metrics()["fastgw_in_flight"] == 0)
        ((rows, other),) = gateway.query("SELECT count(*), sum(status <> 200) FROM entries")
        check_books(gateway)
        taken, refused = metrics["fastgw_reloads_total"], metrics["fastgw_reloads_refused_total"]
        sys.stdout.write(
            f"{seconds} s: calls {calls}, dropped or not 200: {len(bad)}, ledger rows {rows}, of them not 200: {other}\n"
            f"reloads taken by workers {taken:.0f}, files refused {refused:.0f}\n"
        )
        wrong = [str(one) for one in bad[:5]]
        if (rows, other) != (calls, 0):
            wrong.append(f"{rows} rows and {other} not 200 for {calls} calls")
        return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description="reload under load")
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fastgw-reload-") as folder:
        wrong = storm(options.seconds, Path(folder))
    sys.stdout.write(("\n".join(wrong) or "ok") + "\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
