from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from tests.wire.processes import Process, free_port, running

STUBBORN_PARENT = """
import os, signal, sys, time
child = os.fork()
signal.signal(signal.SIGTERM, signal.SIG_IGN if child == 0 else signal.SIG_DFL)
if child:
    print("child", child)
time.sleep(60)
"""


def has_ended(pid: int) -> bool:
    """Whether ``pid`` is gone, or dead and only waiting for someone to ask for its exit code."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def ends_soon(pid: int) -> bool:
    """The kernel takes a moment to end what was sent SIGKILL."""
    for _ in range(500):
        if has_ended(pid):
            return True
        time.sleep(0.02)
    return False


def test_children_that_ignore_sigterm_are_ended_too() -> None:
    with running([sys.executable, "-c", STUBBORN_PARENT]) as process:
        child = int(process.wait_for(r"child (\d+)\n").group(1))
        assert not has_ended(child)
    assert process.returncode == -signal.SIGTERM
    assert ends_soon(child)


def test_program_that_fails_to_start_shows_its_output() -> None:
    code = "print('the reason'); raise SystemExit(3)"
    with running([sys.executable, "-c", code]) as process, pytest.raises(AssertionError, match="the reason"):
        process.wait_for("never said", timeout_s=20)
    assert process.returncode == 3


def test_process_is_ended_when_the_test_fails() -> None:
    def fail_while_it_runs() -> None:
        with running([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
            started.append(process)
            raise ZeroDivisionError

    started: list[Process] = []
    with pytest.raises(ZeroDivisionError):
        fail_while_it_runs()
    assert started[0].returncode == -signal.SIGTERM


def test_environment_is_ours_and_what_was_added() -> None:
    code = "import os; print(os.environ['MARK'], 'PATH' in os.environ)"
    with running([sys.executable, "-c", code], {"MARK": "here"}) as process:
        process.wait_for("here True")
    assert "MARK" not in os.environ


def test_free_port_can_be_listened_on() -> None:
    with socket.socket() as listener:
        port = free_port()
        listener.bind(("127.0.0.1", port))
        assert listener.getsockname() == ("127.0.0.1", port)
