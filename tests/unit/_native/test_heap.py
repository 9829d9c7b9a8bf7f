from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from fastgw._native.heap import keep_freed_bytes

PROBE = """
import ctypes, resource
from fastgw._native.heap import keep_freed_bytes
assert keep_freed_bytes({kept}, 1 << 20)
c = ctypes.CDLL(None)
c.malloc.restype, c.malloc.argtypes, c.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
for round_ in range(60):
    if round_ == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bodies = [c.malloc(200_000) for _ in range(20)]
    for body in bodies:
        ctypes.memset(body, 1, 200_000)
    for body in bodies:
        c.free(body)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(kept_bytes: int) -> int:
    code = PROBE.format(kept=kept_bytes)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_freed_memory_is_not_faulted_in_again() -> None:
    assert faults(16 << 20) * 10 < faults(128 << 10)


def test_a_negative_number_is_refused() -> None:
    for numbers in ((-1, 0), (0, -1)):
        with pytest.raises(ValueError, match="negative"):
            keep_freed_bytes(*numbers)
