"""Child processes that are ended for certain: each leads a session of its own and is known here until it is gone.

They end when they are told to, at exit, on a signal, and (by the kernel's parent-death signal) when this process is
killed. Only what was started here is ever signalled: a leader is reaped after its group, so its number cannot have
passed to a stranger. The contender has the first core this process may use, load and mock have the last.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType

_CORES = sorted(os.sched_getaffinity(0))
CONTENDER_CORE, LOAD_CORE = _CORES[0], _CORES[-1]
GRACE_S = 5.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Child:
    """One started process, its group, and the file that has its output."""

    def __init__(self, argv: Sequence[str], core: int, log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.log = log
        self._argv = argv
        with log.open("wb") as output:
            self._popen = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if environment is None else {**os.environ, **environment},
                start_new_session=True,
                preexec_fn=_prepare(core),  # noqa: PLW1509 - these programs have one thread
            )
        _running.append(self)

    @property
    def pid(self) -> int:
        """Its process id, which is also its session and process group."""
        return self._popen.pid

    @property
    def exit_status(self) -> int | None:
        """As ``subprocess`` gives it (negative: the signal); ``None`` before :meth:`end`."""
        return self._popen.returncode

    def has_exited(self) -> bool:
        """Whether the leader ended; it stays unreaped until :meth:`end`."""
        if self._popen.returncode is not None:
            return True
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def wait_listening(self, port: int, timeout_s: float = 15.0) -> None:
        """Wait until it accepts on a loopback port. Raises ``RuntimeError`` with the end of its output otherwise."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and not self.has_exited():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            time.sleep(0.005)
        raise RuntimeError(f"{' '.join(self._argv)}: does not listen on {port}\n{self.tail()}")

    def tail(self, lines: int = 15) -> str:
        """The last lines it printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def end(self) -> None:
        """Ask the whole group to stop, and kill what has not after a grace. Idempotent."""
        if self._popen.returncode is not None:
            return
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + GRACE_S
        while time.monotonic() < deadline and not self.has_exited():
            time.sleep(0.01)
        self._signal(signal.SIGKILL)
        self._popen.wait()
        _running.remove(self)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


_running: list[Child] = []


def _prepare(core: int) -> Callable[[], None]:
    parent = os.getpid()

    def in_child() -> None:
        os.sched_setaffinity(0, {core})
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return in_child


def run_on_core(argv: Sequence[str], *, timeout_s: float, core: int = LOAD_CORE) -> str:
    """Run to the end and give what it printed. Raises ``RuntimeError`` when it fails or takes over ``timeout_s``."""
    descriptor, name = tempfile.mkstemp(prefix="fastgw-bench-", suffix=".log")
    os.close(descriptor)
    log = Path(name)
    child = Child(argv, core, log)
    try:
        deadline = time.monotonic() + timeout_s
        while not child.has_exited():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{' '.join(argv)}: not done after {timeout_s:.0f} s\n{child.tail()}")
            time.sleep(0.02)
        output = log.read_text(errors="replace")
    finally:
        child.end()
        log.unlink(missing_ok=True)
    if child.exit_status:
        raise RuntimeError(f"{' '.join(argv)}: ended with {child.exit_status}\n{output}")
    return output


def end_all() -> None:
    """End everything that is still running, newest first."""
    for child in reversed(_running.copy()):
        child.end()


def _on_signal(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def end_all_at_exit() -> None:
    """Call once in a program's main: from here on an exit or a signal ends every child."""
    atexit.register(end_all)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _on_signal)


def free_port() -> int:
    """A TCP port of loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
