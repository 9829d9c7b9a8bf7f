"""Disks that are full: a small file system of its own where mounting is allowed, and everywhere a limit on how far files may grow.

Both are set from outside on running processes: the kernel refuses ``fallocate`` and ``write`` with ENOSPC or EFBIG.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol


class Disk(Protocol):
    """Something that can be full."""

    def fill(self) -> None:
        """From now on nothing grows."""

    def free(self) -> None:
        """There is room again."""


class SmallDisk:
    """The small file system at ``folder``, filled with a file."""

    def __init__(self, folder: Path) -> None:
        self._filler = folder / "filler"

    def fill(self) -> None:
        with self._filler.open("wb", buffering=0) as file:
            for size_bytes in (1 << 20, 1 << 12):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size_bytes))

    def free(self) -> None:
        self._filler.unlink()


class LimitedProcesses:
    """Processes whose files may not grow any more. Needs no privilege: a soft limit may be raised again."""

    def __init__(self, pids: Callable[[], Sequence[int]]) -> None:
        self._pids = pids

    def fill(self) -> None:
        self._limit(0)

    def free(self) -> None:
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size_bytes: int) -> None:
        for pid in self._pids():
            hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size_bytes, hard))


@contextlib.contextmanager
def mounted(folder: Path, mib: int) -> Iterator[SmallDisk]:
    """A small file system at ``folder``, which is made; unmounted when the block is left, whoever still uses it."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=700", "fastgw-test", str(folder)], check=True)
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def can_mount() -> bool:
    """Whether this process may mount: root, outside a container that forbids it."""
    if os.geteuid():
        return False
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/tmp"]
    return subprocess.run(probe, check=False, capture_output=True).returncode == 0
