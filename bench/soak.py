"""One million requests through fastgw: does it give back everything it takes?

Starts a mock upstream and a gateway, sends a warm-up, notes memory, descriptors and threads of every process, sends the
rest and notes them again. Of ten requests one streams, one asks for a model never asked for before, one has a new end
user and one new metadata, so that a table that grows with what callers send shows. Connections are reopened every
50,000 requests. Before that, five fresh starts: time to the first answer, and memory of an idle process. Asyncio tasks are
those that the gateway tells of in its metrics.

    python -m bench.soak [--requests 1000000]

Exits with 1 when a line fails, with 2 when something it needs is missing.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import http.client
import os
import re
import sys
import tempfile
import time
import tomllib
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

import uvloop

from bench.contenders import KEY, Contender, Upstream, launch_fastgw, missing_tools, start_upstream
from bench.environment import describe
from bench.load import ClosedLoop
from bench.measure import Footprint, median, tree_footprints
from bench.payloads import CASES, request_body, request_prefix
from bench.proxy import fetch
from bench.report import Verdict, render
from bench.spawn import LOAD_CORE, end_all, end_all_at_exit

GROWTH_LIMIT_RATIO = 0.02
IDLE_RSS_LIMIT_BYTES = 60_000_000
START_LIMIT_S = 1.0
STARTS = 5
BATCH = 50_000
SETTLE_S = 3.0
"""Rest before a footprint is taken: ledger batches are written and closed connections are forgotten."""


def make_request(key: str) -> Callable[[int], bytes]:
    """Gives the function from a request's number to its bytes; numbers stay below 10**9."""
    plain = request_body(1024, streamed=False)
    kinds = {
        "plain": plain,
        "stream": request_body(1024, streamed=True),
        "model": request_body(1024, streamed=False, model="up/model-000000000"),
    }
    heads = {kind: request_prefix("127.0.0.1", key, body) for kind, body in kinds.items()}

    def request(number: int) -> bytes:
        kind = {0: "stream", 1: "model"}.get(number % 10, "plain")
        body = kinds[kind]
        extra = b""
        if kind == "model":
            body = body.replace(b"model-000000000", b"model-%09d" % number, 1)
        elif number % 10 == 2:
            extra = b"\r\nx-fastgw-user: user-%d" % number
        elif number % 10 == 3:
            extra = b'\r\nx-fastgw-metadata: {"run":"%d"}' % number
        return b"%bsoak-%d%b\r\n\r\n%b" % (heads[kind], number, extra, body)

    return request


def growth_verdicts(before: Sequence[Footprint], after: Sequence[Footprint]) -> list[Verdict]:
    """Compares the tree: the same processes, memory within the limit, descriptors and threads back to base."""
    if [each.pid for each in before] != [each.pid for each in after]:
        return [Verdict("the same processes run before and after", False)]
    rss_before = sum(each.rss_bytes for each in before)
    rss_after = sum(each.rss_bytes for each in after)
    growth = (rss_after - rss_before) / rss_before
    found = [
        Verdict(
            f"RSS growth after warm-up <= {GROWTH_LIMIT_RATIO:.0%}: "
            f"{rss_before / 1e6:.1f} MB -> {rss_after / 1e6:.1f} MB, {growth:+.2%}",
            growth <= GROWTH_LIMIT_RATIO,
        )
    ]
    for name in ("descriptors", "threads"):
        old = [int(getattr(each, name)) for each in before]
        new = [int(getattr(each, name)) for each in after]
        text = f"{name} back to base: {sum(old)} -> {sum(new)}"
        found.append(Verdict(text, all(late <= early for early, late in zip(old, new, strict=True))))
    return found


def footprint_table(footprints: Sequence[Footprint]) -> str:
    """One line a process."""
    header = ("process", "RSS MB", "anonymous MB", "fds", "threads")
    rows = [
        (
            f"{each.pid} {each.command[-60:]}",
            f"{each.rss_bytes / 1e6:.1f}",
            f"{each.anonymous_bytes / 1e6:.1f}",
            str(each.descriptors),
            str(each.threads),
        )
        for each in footprints
    ]
    return render(header, rows)


def wait_first_answer(contender: Contender, timeout_s: float = 20.0) -> None:
    """Ask until it answers. Raises ``RuntimeError`` with its output when it ends or takes too long."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and not contender.child.has_exited():
        with contextlib.suppress(OSError, http.client.HTTPException):
            fetch(contender.port, CASES[0])
            return
        time.sleep(0.002)
    raise RuntimeError(f"fastgw gives no answer\n{contender.child.tail()}")


def measure_starts(folder: Path, upstream: Upstream) -> list[Verdict]:
    """Fresh starts, each with a ledger of its own."""
    seconds, idle_bytes = [], []
    for number in range(STARTS):
        own = folder / f"start-{number}"
        own.mkdir()
        began = time.monotonic()
        contender = launch_fastgw(own, upstream, tls=False)
        wait_first_answer(contender)
        seconds.append(time.monotonic() - began)
        time.sleep(1)
        idle_bytes.append(max(each.rss_bytes for each in tree_footprints(contender.child.pid)))
        contender.child.end()
    start_s, idle = median(seconds), median(idle_bytes)
    return [
        Verdict(f"start to first answer <= {START_LIMIT_S:.0f} s: {start_s:.2f} s", start_s <= START_LIMIT_S),
        Verdict(f"idle RSS of the largest process <= 60 MB: {idle / 1e6:.1f} MB", idle <= IDLE_RSS_LIMIT_BYTES),
    ]


def send(contender: Contender, first: int, count: int, connections: int) -> tuple[int, int]:
    """Send requests ``first`` to ``first + count - 1``. Gives how many were answered and how many failed."""
    request = make_request(KEY)
    load = ClosedLoop(contender.port, lambda number: request(first - 1 + number), count=count, connections=connections)
    uvloop.run(load.run())
    return load.answered, count - load.answered


def settle(contender: Contender, base: Sequence[Footprint] = ()) -> list[Footprint]:
    """Footprints after a rest; waits up to 30 s more until there are no more descriptors than in ``base``."""
    time.sleep(SETTLE_S)
    deadline = time.monotonic() + 30
    found = tree_footprints(contender.child.pid)
    limit = sum(each.descriptors for each in base)
    while base and sum(each.descriptors for each in found) > limit and time.monotonic() < deadline:
        time.sleep(1)
        found = tree_footprints(contender.child.pid)
    return found


def count_tasks(folder: Path) -> int:
    """Asyncio tasks of all processes, after a rest."""
    admin = tomllib.loads((folder / "fastgw.toml").read_text())["admin"]["listen"]
    with urllib.request.urlopen(f"http://{admin}/metrics", timeout=10) as answer:
        return int(float(re.findall(rb"^fastgw_tasks (\S+)$", answer.read(), re.MULTILINE)[0]))


def soak(folder: Path, upstream: Upstream, options: argparse.Namespace) -> list[Verdict]:
    """Warm-up, base, the rest, and the comparison."""
    contender = launch_fastgw(folder, upstream, tls=False)
    wait_first_answer(contender)
    sent, failed = 0, 0
    base: list[Footprint] = []
    base_tasks = 0
    began = time.monotonic()
    while sent < options.requests:
        count = min(BATCH, options.warm_up - sent if sent < options.warm_up else options.requests - sent)
        failed += send(contender, sent + 1, count, options.connections)[1]
        sent += count
        rss = sum(each.rss_bytes for each in tree_footprints(contender.child.pid))
        print(f"{sent:>9,} sent, {failed} failed, RSS {rss / 1e6:.1f} MB, {time.monotonic() - began:.0f} s", flush=True)
        if sent == options.warm_up:
            base = settle(contender)
            base_tasks = count_tasks(folder)
    after = settle(contender, base)
    tasks = count_tasks(folder)
    contender.child.end()
    print(f"\nafter warm-up\n{footprint_table(base)}\n\nat the end\n{footprint_table(after)}\n")
    tasks_line = Verdict(f"asyncio tasks back to base: {base_tasks} -> {tasks}", tasks <= base_tasks)
    return [*growth_verdicts(base, after), tasks_line, Verdict(f"failed requests: {failed} of {sent:,}", failed == 0)]


def main() -> int:
    parser = argparse.ArgumentParser(description="does fastgw give back what it takes?")
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--warm-up", type=int, default=50_000, help="requests before the base is taken")
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    if not 0 < options.warm_up < options.requests:
        parser.error("--warm-up: expected more than 0 and less than --requests")
    if missing := missing_tools(["fastgw"]):
        print("bench.soak needs:", *missing, sep="\n  ", file=sys.stderr)
        return 2
    end_all_at_exit()
    os.sched_setaffinity(0, {LOAD_CORE})
    gc.freeze()
    print("\n".join(f"{name}: {value}" for name, value in describe().items()), flush=True)
    with tempfile.TemporaryDirectory(prefix="fastgw-soak-") as name:
        folder = Path(name)
        upstream = start_upstream(folder, pace_ms=0)
        try:
            lines = [*measure_starts(folder, upstream), *soak(folder, upstream, options)]
        finally:
            end_all()
    print("\n".join(str(line) for line in lines))
    return int(any(line.is_met is False for line in lines))


if __name__ == "__main__":
    sys.exit(main())
