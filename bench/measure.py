"""CPU, memory, descriptors and threads of a process tree, read from the kernel; percentiles of what was measured.

A tree is everything that descends from one process or shares the session it leads, so a worker whose parent died
still counts. CPU time is the kernel's own nanosecond account of each process, not clock ticks (10 ms are 400 requests
of 25 us). This module only reads; it starts and ends nothing.
"""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Stat(NamedTuple):
    """What we use of ``/proc/PID/stat``; ``reaped_ticks`` is the CPU of children that ended and were waited for."""

    pid: int
    parent: int
    session: int
    reaped_ticks: int
    threads: int


class Footprint(NamedTuple):
    """One process at one moment. ``anonymous_bytes`` leaves out mapped files, which ``rss_bytes`` includes."""

    pid: int
    command: str
    rss_bytes: int
    anonymous_bytes: int
    descriptors: int
    threads: int


def parse_stat(text: str) -> Stat:
    """Read one line of ``/proc/PID/stat``. The command is in parentheses and may itself hold spaces and parentheses."""
    pid, _, rest = text.partition(" ")
    fields = rest[rest.rindex(")") + 2 :].split()
    return Stat(int(pid), int(fields[1]), int(fields[3]), int(fields[13]) + int(fields[14]), int(fields[17]))


def members(stats: Iterable[Stat], root: int) -> list[Stat]:
    """The tree of ``root`` among ``stats``: its session and all its descendants, ``root`` included, by process id."""
    by_pid = {stat.pid: stat for stat in stats}
    found = {pid for pid, stat in by_pid.items() if pid == root or stat.session == root}
    while True:
        more = {pid for pid, stat in by_pid.items() if stat.parent in found} - found
        if not more:
            return [by_pid[pid] for pid in sorted(found)]
        found |= more


def tree(root: int) -> list[Stat]:
    """The running processes of the tree of ``root``; empty when it is gone."""
    stats = []
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                stats.append(parse_stat((entry / "stat").read_text(errors="replace")))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return members(stats, root)


def process_cpu_ns(pid: int) -> int:
    """User and system time of all threads of a process, ended ones included. Raises ``OSError`` when it is gone.

    The clock's number is what ``clock_getcpuclockid(3)`` computes: the inverted process id over the bits that say
    "whole process, scheduler clock".
    """
    return time.clock_gettime_ns((~pid << 3) | 2)


def tree_cpu_ns(root: int) -> int:
    """User and system time of the tree, with the children that ended and were waited for (those at tick resolution)."""
    total_ns = 0
    for stat in tree(root):
        try:
            total_ns += process_cpu_ns(stat.pid) + stat.reaped_ticks * TICK_NS
        except OSError:
            continue
    return total_ns


def parse_machine_ns(text: str) -> int:
    """What all cores together were busy, from the text of ``/proc/stat``: everything but idle and waiting for disks.

    Guest time is left out because it is in user time already. Resolution: a tick a core.
    """
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(field) for field in text.split(maxsplit=9)[1:9])
    return (user + nice + system + irq + softirq + steal) * TICK_NS


class Neighbours:
    """How much of the machine others use while we measure: what the cores did, less what our own tree did."""

    def __init__(self) -> None:
        self._began_ns = time.monotonic_ns()
        self._others_ns = self._read_ns()

    @staticmethod
    def _read_ns() -> int:
        return parse_machine_ns((PROC / "stat").read_text()) - tree_cpu_ns(os.getpid())

    def cores(self) -> float:
        """The cores that others kept busy since this was made, on average; 0 on a quiet machine."""
        spent_ns = self._read_ns() - self._others_ns
        return max(spent_ns, 0) / (time.monotonic_ns() - self._began_ns)


def footprint(pid: int) -> Footprint:
    """Memory, open descriptors and threads of one process. Raises ``OSError`` when it is gone."""
    folder = PROC / str(pid)
    pages = (folder / "statm").read_text().split()
    command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    stat = parse_stat((folder / "stat").read_text(errors="replace"))
    return Footprint(
        pid=pid,
        command=command,
        rss_bytes=int(pages[1]) * PAGE_BYTES,
        anonymous_bytes=(int(pages[1]) - int(pages[2])) * PAGE_BYTES,
        descriptors=len(os.listdir(folder / "fd")),
        threads=stat.threads,
    )


def tree_footprints(root: int) -> list[Footprint]:
    """The footprints of the tree, by process id; processes that end meanwhile are left out."""
    found = []
    for stat in tree(root):
        try:
            found.append(footprint(stat.pid))
        except OSError:
            continue
    return found


def percentile(ordered: Sequence[float], fraction: float) -> float:
    """The nearest-rank percentile of ascending values: one that occurred, no interpolation. ``fraction`` in (0, 1]."""
    if not ordered:
        raise ValueError("no values")
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction: expected 0 < fraction <= 1, got {fraction}")
    return ordered[math.ceil(fraction * len(ordered)) - 1]


def median(values: Iterable[float]) -> float:
    """The middle value; of an even count the mean of the two in the middle. Raises ``ValueError`` on none."""
    found = list(values)
    if not found:
        raise ValueError("no values")
    return float(statistics.median(found))
