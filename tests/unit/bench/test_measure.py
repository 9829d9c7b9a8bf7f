"""Process trees from /proc, CPU of a process, percentiles."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from bench.measure import (
    TICK_NS,
    Neighbours,
    Stat,
    footprint,
    median,
    members,
    parse_machine_ns,
    parse_stat,
    percentile,
    process_cpu_ns,
    tree,
    tree_cpu_ns,
    tree_footprints,
)


def make_stat_line(command: str) -> str:
    # Fields 3 to 20 of proc(5): state ppid pgrp session tty tpgid flags, 4 of faults, 4 of time, priority nice threads
    return f"42 ({command}) S 7 41 40 0 -1 4194560 1 2 3 4 150 60 11 22 20 0 5 0 12345"


@pytest.mark.parametrize("command", ["python", "nginx: worker", "a) b (c", ")"])
def test_parse_stat_with_any_command(command: str) -> None:
    assert parse_stat(make_stat_line(command)) == Stat(pid=42, parent=7, session=40, reaped_ticks=33, threads=5)


def test_members_are_descendants_and_session() -> None:
    stats = [
        Stat(1, 0, 1, 0, 1),
        Stat(12, 11, 99, 0, 1),  # grandchild that left the session
        Stat(11, 10, 10, 0, 1),
        Stat(10, 1, 10, 0, 1),
        Stat(13, 1, 10, 0, 1),  # its parent died, its session tells
        Stat(14, 1, 14, 0, 1),
    ]
    assert [stat.pid for stat in members(stats, 10)] == [10, 11, 12, 13]
    assert members(stats, 77) == []


def test_cpu_of_this_process_is_what_it_used() -> None:
    earlier_ns = time.process_time_ns()
    seen_ns = process_cpu_ns(os.getpid())
    later_ns = time.process_time_ns()
    assert earlier_ns <= seen_ns <= later_ns


def test_tree_covers_a_child_and_forgets_it() -> None:
    script = "import sys; sum(range(3_000_000)); print('x', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        child.stdout.readline()
        assert [stat.pid for stat in tree(child.pid)] == [child.pid]
        assert child.pid in [stat.pid for stat in tree(os.getpid())]
        assert tree_cpu_ns(child.pid) >= 10_000_000
        (seen,) = tree_footprints(child.pid)
        assert "sum(range" in seen.command
        child.stdin.close()
        child.wait()
        assert tree(child.pid) == []
        assert tree_cpu_ns(child.pid) == 0
        with pytest.raises(OSError, match=r"\[Errno"):
            process_cpu_ns(child.pid)


def test_parse_machine_ns() -> None:
    line = "cpu  1 2 3 1000 2000 4 5 6 50 60\ncpu0 7 7 7 7 7 7 7 7 7 7\n"
    assert parse_machine_ns(line) == 21 * TICK_NS


@pytest.mark.parametrize(("later_ns", "is_busy"), [(1_000, False), (0, False), (10**15, True)])
def test_neighbours_are_what_is_not_ours(later_ns: int, is_busy: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([1_000, later_ns])
    monkeypatch.setattr(Neighbours, "_read_ns", lambda _: next(readings))
    assert (Neighbours().cores() > 0) is is_busy


def test_footprint_sees_descriptors_and_memory() -> None:
    before = footprint(os.getpid())
    opened = [open(os.devnull) for _ in range(10)]  # noqa: SIM115 - the descriptors are what is counted
    after = footprint(os.getpid())
    for file in opened:
        file.close()
    assert after.descriptors == before.descriptors + 10
    assert 1_000_000 < before.anonymous_bytes < before.rss_bytes
    assert before.threads >= 1


def test_percentile_is_nearest_rank() -> None:
    values = [float(number) for number in range(1, 101)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile(values, 1) == 100
    assert percentile(values, 0.001) == 1
    assert percentile([3.0], 0.99) == 3
    assert percentile([1.0, 2.0, 3.0], 0.5) == 2


@pytest.mark.parametrize(("values", "fraction"), [([], 0.5), ([1.0], 0), ([1.0], 1.01)])
def test_percentile_refuses(values: list[float], fraction: float) -> None:
    with pytest.raises(ValueError, match=r"no values|fraction"):
        percentile(values, fraction)


def test_median() -> None:
    assert median([5, 1, 3]) == 3
    assert median(iter([1, 2, 4, 100])) == 3
    with pytest.raises(ValueError, match="no values"):
        median([])
