"""Real processes for wire tests: started in a group of their own, waited for, and ended for certain.

Only what was started here is ever signalled. Output is kept, so that a failure can show it.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START_S = 20.0
END_S = 10.0


def free_port() -> int:
    """A loopback port that was free a moment ago. Prefer port 0 where the program can print the port it got."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Process:
    """A program that was started, with its output (stdout and stderr as one) read in the background."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self._popen = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
            start_new_session=True,
        )
        self._ended: int | None = None
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; ``None`` while it runs."""
        if self._ended is not None:
            return self._ended
        # WNOWAIT: the dead program keeps its id, so that no signal sent here can reach a stranger that was given it.
        found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is None:
            return None
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

    @property
    def output(self) -> str:
        with self._changed:
            return "".join(self._lines)

    def wait_for(self, pattern: str, timeout_s: float = START_S) -> re.Match[str]:
        """The first match of ``pattern`` in the output.

        Raises :class:`AssertionError` with the output when none comes.
        """
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            while True:
                found = re.search(pattern, "".join(self._lines))
                if found is not None:
                    return found
                left_s = deadline_s - time.monotonic()
                if left_s <= 0 or not self._reader.is_alive():
                    break
                self._changed.wait(min(left_s, 0.5))
        raise AssertionError(f"no {pattern!r} from pid {self.pid} (exit {self.returncode}); output:\n{self.output}")

    def signal(self, number: signal.Signals) -> None:
        """Send ``number`` to the program itself, not to its children."""
        os.kill(self.pid, number)

    def wait(self, timeout_s: float = END_S) -> int:
        """The exit code, once there is one. Raises :class:`TimeoutError` when there is none in time."""
        deadline_s = time.monotonic() + timeout_s
        while (code := self.returncode) is None:
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"pid {self.pid} still runs after {timeout_s} s; output:\n{self.output}")
            time.sleep(0.01)
        return code

    def end(self) -> int:
        """SIGTERM to the whole group, SIGKILL to what is left of it; returns the program's exit code."""
        if self._ended is None:
            os.killpg(self.pid, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                self.wait()
            os.killpg(self.pid, signal.SIGKILL)
            self._ended = self._popen.wait(END_S)
            self._reader.join(END_S)
            assert self._popen.stdout is not None
            self._popen.stdout.close()
        return self._ended


@contextlib.contextmanager
def running(argv: Sequence[str], env: Mapping[str, str] | None = None) -> Iterator[Process]:
    """A process that is ended when the block is left, however it is left."""
    process = Process(argv, env)
    try:
        yield process
    finally:
        process.end()


class MockProvider:
    """A mock provider that runs as a process of its own, and its bill as seen over HTTP."""

    def __init__(self, process: Process, url: str) -> None:
        self.process = process
        self.url = url
        self.host, self.port = url.split("//")[1].rsplit(":", 1)[0], int(url.rsplit(":", 1)[1])

    def bill(self, since: int = 0) -> dict[str, Any]:
        return self._get(f"/mock/bill?since={since}")

    def requests(self, since: int = 0) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._get(f"/mock/requests?since={since}")["requests"]
        return found

    def stats(self) -> dict[str, Any]:
        return self._get("/mock/stats")

    def last_seq(self) -> int:
        """Rows above this number are those of the calls that follow."""
        seq: int = self._get("/mock/bill?since=1000000000")["last_seq"]
        return seq

    def reset(self) -> None:
        self._ask("POST", "/mock/reset")

    def _get(self, path: str) -> dict[str, Any]:
        return self._ask("GET", path)

    def _ask(self, method: str, path: str) -> dict[str, Any]:
        context = None
        if self.url.startswith("https"):
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        status, body = ask(self.host, self.port, method, path, tls=context)
        assert status == 200, body
        answer: dict[str, Any] = json.loads(body)
        return answer


def ask(
    host: str,
    port: int,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> tuple[int, bytes]:
    """One plain call and its status and body. An HTTP client that is made for each call would cost 0.1 s of CPU a time."""
    kind = http.client.HTTPConnection(host, port, timeout=10)
    if tls is not None:
        kind = http.client.HTTPSConnection(host, port, timeout=10, context=tls)
    with contextlib.closing(kind) as connection:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()


@contextlib.contextmanager
def running_mock_provider(*options: str) -> Iterator[MockProvider]:
    """A mock provider on a port of its own choice, started with the command line ``options``."""
    argv = [sys.executable, "-m", "fastgw.mock_provider.server", "--listen", "127.0.0.1:0", *options]
    with running(argv) as process:
        url = process.wait_for(r"mock provider listening on (http\S+)\n").group(1)
        yield MockProvider(process, url)
