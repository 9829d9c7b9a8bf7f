"""Clocks that jump and windows that end: short forms of what ``python -m tests.adversity.clock_storm`` runs at length."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.adversity.clock_storm import STORMS, line, run_storm
from tests.adversity.wall_clock import WallClock

LOOK = """
import sqlite3, time
from fastgw._native.clock import monotonic_ns, wall_ns
began_ns, began_native_ns = time.monotonic_ns(), monotonic_ns()
for _ in range(2):
    in_sqlite = sqlite3.connect(":memory:").execute("SELECT strftime('%s', 'now')").fetchone()[0]
    print(time.time_ns() // 10**9, wall_ns() // 10**9, int(in_sqlite), flush=True)
    time.sleep(0.01)
    input()
print(time.monotonic_ns() - began_ns < 20 * 10**9, monotonic_ns() - began_native_ns < 20 * 10**9)
"""


@pytest.mark.parametrize("name", STORMS)
def test_no_window_is_reset_twice_and_nothing_spent_is_forgotten(name: str) -> None:
    storm = run_storm(name, 1.5)
    assert storm.findings == [], line(storm)
    assert storm.books is not None
    assert storm.books.settled > 100
    assert storm.limited > 0


def test_only_the_wall_clock_is_set(tmp_path: Path) -> None:
    """Of Python, of native code and of SQLite, at once; sleeps and steady clocks are left alone."""
    clock = WallClock(tmp_path)
    began = datetime(2031, 1, 31, tzinfo=UTC)
    clock.set(began)
    env = {**os.environ, **clock.env}
    with subprocess.Popen([sys.executable, "-c", LOOK], stdin=-1, stdout=-1, text=True, env=env) as looking:
        assert looking.stdin is not None
        assert looking.stdout is not None
        for expected_s in (began.timestamp(), began.timestamp() - 3600):
            seen = [int(word) for word in looking.stdout.readline().split()]
            assert len(seen) == 3
            assert all(expected_s <= found_s < expected_s + 20 for found_s in seen)
            clock.jump(-3600)
            looking.stdin.write("\n")
            looking.stdin.flush()
        assert looking.stdout.readline() == "True True\n"
