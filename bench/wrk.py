"""Closed-loop load by wrk: as many requests as the contender takes, with a fixed number of connections.

wrk runs on the load's core with ``bench/chat.lua``, which gives each request an id of its own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from bench.payloads import PATH, Case, request_body, request_prefix, request_suffix
from bench.spawn import run_on_core

SCRIPT = Path(__file__).with_name("chat.lua")


class ClosedLoop(NamedTuple):
    """What wrk saw. ``failed`` counts socket errors, timeouts and statuses from 400 up."""

    requests: int
    duration_us: int
    failed: int


def parse_result(output: str) -> ClosedLoop:
    """Find the line that the script writes at the end. Raises ``ValueError`` without one."""
    for line in output.splitlines():
        if line.startswith("RESULT "):
            found = json.loads(line.removeprefix("RESULT "))
            return ClosedLoop(found["requests"], found["duration_us"], found["failed"])
    raise ValueError(f"wrk gave no result:\n{output}")


class WrkLoad:
    """The load of one case; writes its request to ``folder`` once."""

    def __init__(self, folder: Path, case: Case, key: str) -> None:
        body = request_body(case.request_bytes, streamed=case.streamed)
        self._prefix = folder / f"{case.name}.prefix"
        self._suffix = folder / f"{case.name}.suffix"
        self._prefix.write_bytes(request_prefix("127.0.0.1", key, body))
        self._suffix.write_bytes(request_suffix(body))
        self._runs = 0

    def run(self, port: int, *, connections: int, seconds: int) -> ClosedLoop:
        """Send for ``seconds`` (whole ones: wrk knows no others) to a port of this machine."""
        self._runs += 1
        argv = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(SCRIPT)]
        argv += [f"http://127.0.0.1:{port}{PATH}", "--", str(self._prefix), str(self._suffix), f"r{self._runs}"]
        return parse_result(run_on_core(argv, timeout_s=seconds + 30))
