"""A gateway in front of a mock provider, as real processes that can be looked at and killed one by one."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from fastgw.app.demo import demo_text
from tests.wire.processes import MockProvider, Process, running_mock_provider

KEY = "sk-fgw-adversity-0123456789abcdef0123456789abcdef"
WORKERS = 2
ADMIN_TOKEN = "adversity-admin-token"
FIRST_PORT = 21_000
"""Below the ephemeral ports: while the gateway is down nobody's outgoing connection may sit on its port."""


def quiet_port() -> int:
    """A port that is free and that the kernel gives to no outgoing connection."""
    while True:
        port = FIRST_PORT + secrets.randbelow(9_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_until(is_so: Callable[[], object], what: str, timeout_s: float = 15.0) -> float:
    """Wait until ``is_so()``; returns the seconds that took. Raises ``AssertionError`` naming ``what`` otherwise."""
    began_s = time.monotonic()
    while not is_so():
        if time.monotonic() - began_s > timeout_s:
            raise AssertionError(f"not within {timeout_s} s: {what}")
        time.sleep(0.005)
    return time.monotonic() - began_s


def has_ended(pid: int) -> bool:
    """Gone, or dead and waiting for somebody to ask for its exit code."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def children_of(pid: int) -> list[int]:
    """The living children of a process of one thread."""
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(child) for child in found if not has_ended(int(child))]


def open_files(pid: int) -> set[str]:
    """What the descriptors of a process lead to."""
    found = set()
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(os.readlink(link))
    return found


class Gateway:
    """One configuration, and the gateway that runs with it, if one does. Its ledger outlives it."""

    def __init__(self, folder: Path, mock: MockProvider, ledger_lines: str = "", db_path: Path | None = None) -> None:
        self.port = self.admin_port = quiet_port()
        while self.admin_port == self.port:
            self.admin_port = quiet_port()
        self.db_path = db_path or folder / "ledger.db"
        self.segments = self.db_path.with_name(self.db_path.name + ".segments")
        self.config = folder / "fastgw.toml"
        text = demo_text(
            mock.port, f"127.0.0.1:{self.port}", f"127.0.0.1:{self.admin_port}", f"sqlite:{self.db_path}", WORKERS
        )
        text = text.replace("[admin]\n", '[admin]\ntoken = "env:FASTGW_ADMIN_TOKEN"\n')
        self.config.write_text(text.replace("[ledger]\n", f"[ledger]\n{ledger_lines}\n"))
        self.process: Process | None = None
        self.env: dict[str, str] = {}
        """What it is started with besides its secrets."""

    @property
    def pid(self) -> int:
        """The supervisor's."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> float:
        """Start it; returns the seconds until it said that it serves."""
        began_s = time.monotonic()
        self.process = Process(
            [sys.executable, "-m", "fastgw", "serve", "--config", str(self.config)],
            {"FASTGW_DEMO_KEY": KEY, "FASTGW_ADMIN_TOKEN": ADMIN_TOKEN, **self.env},
        )
        self.process.wait_for(r"fastgw serves on .*\n")
        return time.monotonic() - began_s

    def stop(self, within_s: float = 40.0) -> int:
        """SIGTERM to the supervisor, as an operator does; returns its exit code."""
        assert self.process is not None
        self.process.signal(signal.SIGTERM)
        code = self.process.wait(within_s)
        self.process.end()
        return code

    def end(self) -> None:
        """Whatever state it is in, end it."""
        if self.process is not None:
            self.process.end()

    def bookkeeper(self) -> int:
        """The process that has the database open; 0 while there is none."""
        return next((pid for pid in children_of(self.pid) if str(self.db_path) in open_files(pid)), 0)

    def workers(self) -> list[int]:
        """The processes that serve."""
        bookkeeper = self.bookkeeper()
        return [pid for pid in children_of(self.pid) if pid != bookkeeper]

    def family(self) -> list[int]:
        """All its processes."""
        return [self.pid, *children_of(self.pid)]

    def kill_everything(self) -> None:
        """``kill -9`` of the whole process group; returns when none of them runs."""
        family = self.family()
        os.killpg(self.pid, signal.SIGKILL)
        wait_until(lambda: all(has_ended(pid) for pid in family), "every process is gone after SIGKILL")
        self.end()

    def readiness(self, *, admin: bool = False) -> dict[str, object]:
        """What ``/readyz`` says on the public or on the operators' port."""
        answer = httpx.get(
            f"http://127.0.0.1:{self.admin_port if admin else self.port}/readyz", trust_env=False, timeout=5
        )
        answer.raise_for_status()
        body: dict[str, object] = answer.json()
        return body

    def command(self, *arguments: str) -> Process:
        """Run ``fastgw ARGUMENTS --config ...`` to its end."""
        process = Process([sys.executable, "-m", "fastgw", *arguments, "--config", str(self.config)])
        process.wait(60)
        process.end()
        return process


@contextlib.contextmanager
def gateway_and_mock(
    folder: Path, ledger_lines: str = "", db_path: Path | None = None
) -> Iterator[tuple[Gateway, MockProvider]]:
    """Both, not started and running respectively; both ended when the block is left."""
    with running_mock_provider("--rows", "2000000") as mock:
        gateway = Gateway(folder, mock, ledger_lines, db_path)
        try:
            yield gateway, mock
        finally:
            gateway.end()
