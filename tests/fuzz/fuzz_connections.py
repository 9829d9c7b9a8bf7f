"""Fuzzer for the connections: damaged requests and answers, cut and timed at random, against ``connection_play``'s promises.

Run it under the sanitiser build, with libasan preloaded: ``python tests/fuzz/fuzz_connections.py --seconds 60``. Every
round is a function of (seed, round number), both printed when a round fails.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.model.connection_play import alive, play

ROUNDS_BETWEEN_COUNTS = 2000


def run_round(seed: int, number: int) -> Counter[str]:
    rng = random.Random(f"{seed}/{number}")
    return play(rng, rng.choice((0.0, 0.2, 0.7)), rng.choice((50, 400, 1500)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--round", type=int, help="play only this one")
    options = parser.parse_args()
    if options.round is not None:
        sys.stdout.write(f"{dict(run_round(options.seed, options.round))}\n")
        return
    end, number = time.monotonic() + options.seconds, 0
    before = alive()
    requests = 0
    while time.monotonic() < end:
        try:
            requests += run_round(options.seed, number).total()
            if number % ROUNDS_BETWEEN_COUNTS == 0:
                assert alive() == before, "a connection or an exchange is kept alive"
        except BaseException:
            sys.stderr.write(f"failed: --seed {options.seed} --round {number}\n")
            raise
        number += 1
    assert alive() == before, "a connection or an exchange is kept alive"
    sys.stdout.write(f"{number} rounds, {requests} requests, seed {options.seed}: clean\n")


if __name__ == "__main__":
    main()
