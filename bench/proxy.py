"""The proxy comparison: nginx, a plain aiohttp proxy and fastgw side by side (``make bench-proxy``).

The contender's process tree has one core; load generator and mock upstream share another. For each case every
contender is started fresh and must first give back exactly the upstream's bytes. Then come closed-loop runs by wrk
(requests and CPU microseconds a request) and open-loop runs at fixed rates (latency added to the direct call), each
interleaved over the contenders (A B C A B C ...), and the median over the rounds is taken. CPU is user and system time
of the whole tree. Streams are paced, so their requests a second say nothing of capacity; ``--pace-ms 0`` asks for that.

    python -m bench.proxy [--only '1k-*'] [--contenders nginx,aiohttp] [--rounds 3] [--seconds 5] [--json FILE]

Exits with 1 when an acceptance line fails and with 2 when something it needs is missing.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import sys
import tempfile
from pathlib import Path

from bench.contenders import COMPARED, KEY, STARTERS, Contender, Upstream, missing_tools, start, start_upstream
from bench.environment import describe
from bench.measure import Neighbours, tree_cpu_ns, tree_footprints
from bench.payloads import PATH, Case, request_body, select_cases
from bench.report import DIRECT, CaseResult, Latency, Row, Throughput, as_json, table, verdicts
from bench.spawn import LOAD_CORE, end_all, end_all_at_exit, run_on_core
from bench.wrk import WrkLoad

CONNECTIONS_PLAIN = 32
CONNECTIONS_STREAMED = 16
"""Paced streams: few enough that the slowest contender (about 50 us an event) keeps up and reads every event apart."""
WARM_UP_SECONDS = 1


def fetch(port: int, case: Case) -> bytes:
    """The body of one answer. Raises ``RuntimeError`` unless it is 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", "x-request-id": "check"}
        connection.request("POST", PATH, request_body(case.request_bytes, streamed=case.streamed), headers)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise RuntimeError(f"status {answer.status}: {body[:500].decode(errors='replace')}")
    return body


def check_same_bytes(case: Case, upstream: Upstream, contender: Contender) -> None:
    """Raises ``RuntimeError`` unless the contender gives the body that the upstream gives, but for comments of a stream."""
    direct, through = fetch(upstream.port, case), fetch(contender.port, case)
    if direct != (re.sub(rb"(?m)^: .*\n\n", b"", through) if case.streamed else through):
        raise RuntimeError(f"{contender.name}, {case.name}: answers {len(through)} bytes that are not the upstream's")


def measure_throughput(load: WrkLoad, case: Case, contender: Contender, seconds: int) -> Throughput:
    """One warm-up and one counted run."""
    connections = CONNECTIONS_STREAMED if case.streamed else CONNECTIONS_PLAIN
    load.run(contender.port, connections=connections, seconds=WARM_UP_SECONDS)
    neighbours = Neighbours()
    before_ns = tree_cpu_ns(contender.child.pid)
    seen = load.run(contender.port, connections=connections, seconds=seconds)
    cpu_us = (tree_cpu_ns(contender.child.pid) - before_ns) / 1000
    if not seen.requests:
        raise RuntimeError(f"{contender.name}, {case.name}: answered nothing\n{contender.child.tail()}")
    return Throughput(
        requests_per_s=seen.requests / seen.duration_us * 1e6,
        cpu_us_per_request=cpu_us / seen.requests,
        busy_ratio=cpu_us / seen.duration_us,
        failed=seen.failed,
        others_cores=round(neighbours.cores(), 3),
    )


def measure_latency(case: Case, port: int, rate_per_s: int, seconds: float) -> Latency:
    """One open-loop run. What was skipped for overload counts as failed."""
    argv = [sys.executable, "-m", "bench.load", "--port", str(port), "--case", case.name, "--key", KEY]
    output = run_on_core([*argv, "--rate", str(rate_per_s), "--seconds", str(seconds)], timeout_s=seconds + 30)
    seen = json.loads(output)
    point = "first_byte" if case.streamed else "total"
    return Latency(
        p50_us=seen.get(f"{point}_p50_us", float("inf")),
        p99_us=seen.get(f"{point}_p99_us", float("inf")),
        failed=int(seen["failed"] + seen["skipped"]),
        reads_per_answer=seen.get("reads_per_answer", 0.0),
    )


def run_case(case: Case, names: list[str], folder: Path, upstream: Upstream, options: argparse.Namespace) -> CaseResult:
    """All samples of one case. Ends the contenders it started."""
    contenders = [start(name, folder, upstream, case) for name in names]
    result = CaseResult(case, {name: Row(name) for name in (DIRECT, *names)})
    load = WrkLoad(folder, case, KEY)
    for contender in contenders:
        check_same_bytes(case, upstream, contender)
    for _ in range(options.rounds):
        for contender in contenders:
            sample = measure_throughput(load, case, contender, options.seconds)
            result.rows[contender.name].throughput.append(sample)
    for rate in options.rates:
        for _ in range(options.rounds):
            for name, port in [(DIRECT, upstream.port), *((each.name, each.port) for each in contenders)]:
                sampled = measure_latency(case, port, rate, options.latency_seconds)
                result.rows[name].latency.setdefault(rate, []).append(sampled)
    for contender in contenders:
        footprints = tree_footprints(contender.child.pid)
        result.rows[contender.name].rss_bytes = sum(each.rss_bytes for each in footprints)
        contender.child.end()
    return result


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="nginx, aiohttp and fastgw as proxies, one core each")
    parser.add_argument("--only", default="*", help="case names or globs, comma separated (1k-plain-http)")
    parser.add_argument("--contenders", default=",".join(COMPARED), help=f"comma separated, of {', '.join(STARTERS)}")
    parser.add_argument("--rounds", type=int, default=3, help="repetitions, of which the median counts")
    parser.add_argument("--seconds", type=int, default=5, help="of each closed-loop run")
    parser.add_argument("--latency-seconds", type=float, default=3.0, help="of each open-loop run")
    parser.add_argument("--rates", default="100,350,1000", help="of the open loop, a second; empty for none")
    parser.add_argument("--pace-ms", type=int, default=1, help="between the events of a stream; 0 for none")
    parser.add_argument("--json", type=Path, help="write every sample to this file")
    options = parser.parse_args()
    options.rates = [int(rate) for rate in options.rates.split(",") if rate]
    options.contenders = options.contenders.split(",")
    if unknown := set(options.contenders) - set(STARTERS):
        parser.error(f"--contenders: there are {', '.join(STARTERS)}, not {', '.join(sorted(unknown))}")
    if options.rounds < 1 or options.seconds < 1:
        parser.error("--rounds and --seconds: expected 1 or more")
    try:
        options.only = select_cases(options.only)
    except ValueError as error:
        parser.error(f"--only: {error}")
    return options


def main() -> int:
    options = parse_options()
    if missing := missing_tools(options.contenders):
        print("bench.proxy needs:", *missing, sep="\n  ", file=sys.stderr)
        return 2
    end_all_at_exit()
    os.sched_setaffinity(0, {LOAD_CORE})
    environment = describe()
    print("\n".join(f"{name}: {value}" for name, value in environment.items()), flush=True)
    results = []
    with tempfile.TemporaryDirectory(prefix="fastgw-bench-") as name:
        folder = Path(name)
        upstream = start_upstream(folder, options.pace_ms)
        try:
            for case in options.only:
                results.append(run_case(case, options.contenders, folder, upstream, options))
                print(f"\n{table(results[-1])}", flush=True)
        finally:
            end_all()
    lines = verdicts(results)
    print("\nacceptance\n" + "\n".join(str(line) for line in lines))
    if options.json:
        options.json.write_text(json.dumps(as_json(environment, results), indent=1) + "\n")
    return int(any(line.is_met is False for line in lines))


if __name__ == "__main__":
    sys.exit(main())
