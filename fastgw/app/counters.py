"""The memory that limits are counted in: beside the ledger's database where rate limits are to outlive a restart.

Invariant: a file belongs to one gateway, until the last of its processes has ended.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import time
from pathlib import Path
from typing import Final

from fastgw._native.counter_map import CounterMap
from fastgw.config.root import Settings

COUNTERS: Final = 1 << 16
HOLDS_PER_WORKER: Final = 1 << 15
FILE_BYTES: Final = (1 << 14) + COUNTERS * 64
"""Of header and counters; holds take 40 bytes each besides."""
TAKE_OVER_S: Final = 1.0
"""How long to wait for the processes of a gateway that was killed: workers may be finishing long streams."""
_HOLD_BYTES: Final = 40
_log = logging.getLogger("fastgw.counters")


def counters_path(settings: Settings) -> Path:
    """Where a gateway with these settings keeps its counters."""
    return settings.ledger.database_path.with_name(settings.ledger.database_path.name + ".counters")


def open_counters(settings: Settings) -> CounterMap:
    """The counters of a gateway that is about to start. What was spent is not in them yet."""
    workers = settings.server.workers
    if not settings.rate_limits and not settings.anomalies:
        return CounterMap(COUNTERS, workers, HOLDS_PER_WORKER)
    path = counters_path(settings)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        _log.warning("%s cannot be kept, rate limits will begin anew after a restart: %s", path, error.strerror)
        return CounterMap(COUNTERS, workers, HOLDS_PER_WORKER)
    try:
        _own(fd)
        # A page that the disk has no room for would kill the process that writes it.
        os.posix_fallocate(fd, 0, FILE_BYTES + workers * HOLDS_PER_WORKER * _HOLD_BYTES)
        return CounterMap(COUNTERS, workers, HOLDS_PER_WORKER, fd)
    except OSError as error:
        _log.warning("%s cannot be kept, rate limits will begin anew after a restart: %s", path, error.strerror)
        return CounterMap(COUNTERS, workers, HOLDS_PER_WORKER)
    finally:
        os.close(fd)  # the map has its own, and with it the lock


def _own(fd: int) -> None:
    ends_s = time.monotonic() + TAKE_OVER_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= ends_s:
                raise OSError(errno.EBUSY, "processes of another gateway still count in it") from None
            time.sleep(0.05)
        else:
            return
