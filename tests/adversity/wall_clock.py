"""A wall clock that a test sets while programs run: a small library, preloaded into them, adds an offset to what they read.

Invariant: the steady clocks, sleeps and file times stay the machine's; all processes that have the library see a jump at once. The
offset is in a file that they map, so a process that is killed leaves nothing behind. libfaketime is not used: 0.9.10, Debian 12's,
makes ``time.sleep`` of Python 3.11 fail when the monotonic clock is left alone (https://github.com/wolfcw/libfaketime/issues/426).
"""

from __future__ import annotations

import mmap
import os
import shlex
import struct
import subprocess
import sysconfig
import time
from datetime import datetime
from pathlib import Path

NS_PER_S = 1_000_000_000
_FILE_NAME = "FASTGW_TEST_WALL_CLOCK"
_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int (*real)(clockid_t, struct timespec *);
static volatile int64_t *offset_ns;

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("FASTGW_TEST_WALL_CLOCK");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    void *at = mmap(0, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    if (at == MAP_FAILED) abort();
    close(file);
    real = dlsym(RTLD_NEXT, "clock_gettime");
    offset_ns = at;
}

int clock_gettime(clockid_t clock, struct timespec *found) {
    if (!offset_ns) begin();
    int problem = real(clock, found);
    if (!problem && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t now_ns = (int64_t)found->tv_sec * 1000000000 + found->tv_nsec + *offset_ns;
        found->tv_sec = now_ns / 1000000000;
        found->tv_nsec = now_ns % 1000000000;
    }
    return problem;
}

int gettimeofday(struct timeval *restrict found, void *restrict zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
    found->tv_sec = now.tv_sec;
    found->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *found) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (found) *found = now.tv_sec;
    return now.tv_sec;
}
"""


class WallClock:
    """The clock of the programs that are started with ``env``. ``folder`` keeps the library and the offset."""

    def __init__(self, folder: Path) -> None:
        library = folder / "wall_clock.so"
        source = library.with_suffix(".c")
        source.write_text(_SOURCE)
        compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")[0]
        built = subprocess.run(
            [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(source), "-ldl"],
            check=False,
            capture_output=True,
            text=True,
        )
        assert built.returncode == 0, built.stderr
        offset = folder / "wall_clock.offset"
        offset.write_bytes(bytes(8))
        with offset.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 8)
        preloaded = [str(library), *os.environ.get("LD_PRELOAD", "").split()]
        self.env = {"LD_PRELOAD": " ".join(preloaded), _FILE_NAME: str(offset)}

    def now_ns(self) -> int:
        """What the programs read."""
        return time.time_ns() + self._offset_ns()

    def set(self, moment: datetime) -> None:
        """Set it to a moment, which has a time zone."""
        self._map[:] = struct.pack("=q", round(moment.timestamp()) * NS_PER_S - time.time_ns())

    def jump(self, by_s: float) -> None:
        """Set it forward, or back."""
        self._map[:] = struct.pack("=q", self._offset_ns() + round(by_s * NS_PER_S))

    def _offset_ns(self) -> int:
        (offset_ns,) = struct.unpack("=q", self._map[:])
        return int(offset_ns)
