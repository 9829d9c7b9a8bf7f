"""Children end with everything they started, and say why they failed."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from bench.measure import tree
from bench.spawn import LOAD_CORE, Child, free_port, run_on_core

STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    time.sleep(60)
print(sorted(os.sched_getaffinity(0)), flush=True)
sys.exit(0)
"""


def test_end_reaches_an_orphan_that_ignores_sigterm(tmp_path: Path) -> None:
    child = Child([sys.executable, "-c", STUBBORN], LOAD_CORE, tmp_path / "log")
    deadline = time.monotonic() + 20
    while not child.has_exited() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert child.tail() == f"[{LOAD_CORE}]"
    assert len(tree(child.pid)) == 2  # the leader, ended but not reaped, and the orphan
    child.end()
    deadline = time.monotonic() + 20
    while tree(child.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert tree(child.pid) == []
    assert child.exit_status == 0
    child.end()


def test_run_on_core_gives_the_output_and_the_failure() -> None:
    assert run_on_core([sys.executable, "-c", "print(7)"], timeout_s=20) == "7\n"
    with pytest.raises(RuntimeError, match=r"(?s)ended with 3.*why"):
        run_on_core([sys.executable, "-c", "print('why'); raise SystemExit(3)"], timeout_s=20)
    with pytest.raises(RuntimeError, match="not done"):
        run_on_core([sys.executable, "-c", "import time; time.sleep(60)"], timeout_s=0.2)


def test_wait_listening_reports_one_that_ended(tmp_path: Path) -> None:
    child = Child([sys.executable, "-c", "print('no port')"], LOAD_CORE, tmp_path / "log", {"X": "1"})
    with pytest.raises(RuntimeError, match="no port"):
        child.wait_listening(free_port())
    child.end()


def test_environment_is_added_to_ours(tmp_path: Path) -> None:
    script = "import os; print(os.environ['BENCH_X'], bool(os.environ['PATH']))"
    child = Child([sys.executable, "-c", script], LOAD_CORE, tmp_path / "log", {"BENCH_X": "seen"})
    deadline = time.monotonic() + 20
    while not child.has_exited() and time.monotonic() < deadline:
        time.sleep(0.01)
    child.end()
    assert child.tail() == "seen True"
    assert os.environ.get("BENCH_X") is None
