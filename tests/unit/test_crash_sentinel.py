from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.crash_sentinel import begin_run, end_run, sentinel_folder


def dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_run_that_ended_is_not_reported(tmp_path: Path) -> None:
    gone = dead_pid()
    begin_run(tmp_path, gone)
    end_run(tmp_path, gone)
    assert begin_run(tmp_path, os.getpid()) == []


def test_run_whose_process_is_gone_is_reported_once(tmp_path: Path) -> None:
    gone = dead_pid()
    begin_run(tmp_path, gone)
    assert begin_run(tmp_path, os.getpid()) == [gone]
    end_run(tmp_path, os.getpid())
    assert begin_run(tmp_path, os.getpid()) == []


def test_run_that_goes_on_beside_this_one_is_left_alone(tmp_path: Path) -> None:
    begin_run(tmp_path, os.getppid())
    assert begin_run(tmp_path, os.getpid()) == []
    assert {path.name for path in tmp_path.iterdir()} == {f"{os.getppid()}.running", f"{os.getpid()}.running"}


def test_each_tree_has_its_own_folder(tmp_path: Path) -> None:
    assert sentinel_folder(tmp_path) != sentinel_folder(tmp_path / "other")
    assert sentinel_folder(tmp_path) == sentinel_folder(tmp_path / "x" / "..")
