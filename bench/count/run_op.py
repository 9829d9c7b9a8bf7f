"""Runs one operation a given number of times. Started by ``python -m bench.count`` under callgrind, no use by itself.

The warm-up is in both counts and so not in their difference: it lets the interpreter specialise its bytecode and fills
caches and free lists. Garbage collection is off, because when it runs depends on what ran before.
"""

from __future__ import annotations

import gc
import importlib
import sys
from itertools import repeat

WARM_UP = 100


def main() -> None:
    module_name, operation, loops = sys.argv[1], sys.argv[2], int(sys.argv[3])
    call = importlib.import_module(module_name).OPERATIONS[operation]()
    gc.collect()
    gc.disable()
    for _ in repeat(None, WARM_UP):
        call()
    for _ in repeat(None, loops):
        call()


if __name__ == "__main__":
    main()
