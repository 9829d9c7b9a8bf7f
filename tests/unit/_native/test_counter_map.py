"""The shared map: what is remembered and forgotten, and that a process that is killed anywhere leaves a whole change or none."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from fastgw._native.counter_map import CounterMap
from fastgw._native.limit_set import (
    CONCURRENT,
    ENFORCES,
    MONEY,
    REQUESTS,
    LimitSet,
    Refusal,
    Reservation,
    WorkerCounters,
    levels,
)

FOREVER_NS = 2**62


def key(number: int) -> bytes:
    return number.to_bytes(8, "little") + (number + 1).to_bytes(8, "little")


def test_what_was_put_is_found() -> None:
    counters = CounterMap(64, 1, 1)
    assert counters.get(key(1)) is None
    assert counters.put(key(1), 5, FOREVER_NS, 0)
    assert counters.put(key(1), 7, FOREVER_NS, 0)
    assert counters.get(key(1)) == (7, 0)
    assert counters.get(key(2)) is None


def test_a_full_map_says_so_and_forgets_only_what_it_may() -> None:
    counters = CounterMap(64, 1, 1)
    for number in range(64):
        assert counters.put(key(number), number, 1000 if number % 2 else FOREVER_NS, 0)
    assert not counters.put(key(64), 1, FOREVER_NS, 999)
    assert counters.put(key(64), 64, FOREVER_NS, 1000)
    assert counters.get(key(64)) == (64, 0)
    assert [counters.get(key(number)) for number in range(0, 64, 2)] == [(number, 0) for number in range(0, 64, 2)]
    assert sum(counters.get(key(number)) is None for number in range(1, 64, 2)) == 1


def test_what_is_held_is_not_forgotten() -> None:
    counters = CounterMap(64, 1, 1)
    worker = WorkerCounters(counters, 0, 1)
    taken = worker.reserve(LimitSet([(key(0), MONEY, ENFORCES, 0, 10, 0, 0, 5)]), 1, 0, 0, 1)
    assert isinstance(taken, Reservation)
    for number in range(1, 200):
        counters.put(key(number), 1, 10, 10 + number)
    assert counters.get(key(0)) == (0, 0)
    taken.settle(0, 3, 300)
    assert counters.get(key(0)) == (3, 0)


def test_calls_of_a_life_that_is_over_are_settled_by_others() -> None:
    counters = CounterMap(64, 2, 4)
    limits = LimitSet(
        [(key(1), MONEY, ENFORCES, 0, 100, 0, 0, FOREVER_NS), (key(2), CONCURRENT, ENFORCES, 1, 9, 0, 0, 0)]
    )
    worker = WorkerCounters(counters, 1, 77)
    for call in (5, 6):
        assert isinstance(worker.reserve(limits, call, 0, 30, 0), Reservation)
    assert counters.orphans(1) == []
    counters.begin_life(1, 0)
    assert counters.orphans(1) == [(77, 5), (77, 6)]
    assert counters.orphans(0) == []
    assert counters.held() == (4, 60)
    assert counters.resolve(1, 5, 12) == 2
    assert counters.resolve(1, 5, 12) == 0
    assert counters.resolve(1, 0, 12) == 0
    assert counters.get(key(1)) == (12, 30)
    assert counters.get(key(2)) == (0, 1)
    # A successor has no room left until the other call is settled too, and finds by itself what was freed.
    successor = WorkerCounters(counters, 1, 78)
    assert isinstance(successor.reserve(limits, 7, 0, 30, 0), Reservation)
    assert not isinstance(successor.reserve(limits, 8, 0, 30, 0), Reservation)
    counters.resolve(1, 6, 0)
    assert isinstance(successor.reserve(limits, 8, 0, 30, 0), Reservation)


def test_bad_arguments() -> None:
    for slots, workers, holds in ((32, 1, 1), (96, 1, 1), (64, 0, 1), (64, 257, 1), (64, 1, 0)):
        with pytest.raises(ValueError, match="power of two"):
            CounterMap(slots, workers, holds)
    counters = CounterMap(64, 1, 1)
    with pytest.raises(ValueError, match="16 bytes"):
        counters.put(b"short", 1, 1, 0)
    assert counters.put(key(1), 1, 1, 0)  # the lock was given back
    for call in (lambda: counters.orphans(1), lambda: counters.resolve(-1, 1, 1), lambda: counters.begin_life(1, 1)):
        with pytest.raises(IndexError, match="worker"):
            call()


def test_killed_anywhere_a_change_is_whole_or_absent() -> None:
    """Children take and settle as fast as they can and are killed, and what they had open is settled for them. Then every slot's
    sum must be what the calls that were settled came to, and nothing is held."""
    counters = CounterMap(256, 4, 64)
    rows = [(key(number), MONEY, ENFORCES, number, 2**60, 0, 0, FOREVER_NS) for number in range(1, 6)]
    rows.append((key(9), CONCURRENT, ENFORCES, 9, 2**30, 0, 0, 0))
    chance = random.Random(7)
    for number in range(40):
        slot = number % 4
        pid = os.fork()
        if pid == 0:
            worker, limits, call = WorkerCounters(counters, slot, number + 1), LimitSet(rows), 0
            while True:
                call += 1
                taken = worker.reserve(limits, call, 0, 11, 1)
                if isinstance(taken, Reservation):
                    taken.settle(0, 3, 1)
        time.sleep(0.005 + chance.random() * 0.01)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        counters.begin_life(slot, 0)
        for _, orphan in counters.orphans(slot):
            counters.resolve(slot, orphan, 3)
    assert counters.held() == (0, 0)
    sums = [counters.get(key(number)) for number in range(1, 6)]
    assert len(set(sums)) == 1
    assert sums[0] is not None
    assert sums[0][0] > 0
    assert sums[0][0] % 3 == 0
    assert sums[0][1] == 0
    assert counters.get(key(9)) == (0, 0)


def bucket(number: int) -> LimitSet:
    return LimitSet([(key(number), REQUESTS, ENFORCES, 0, 10, 60 * 10**9, 10, 0)])


def money(number: int) -> LimitSet:
    return LimitSet([(key(number), MONEY, ENFORCES, 0, 10, 0, 0, FOREVER_NS)])


def test_a_file_keeps_buckets_and_nothing_else(tmp_path: Path) -> None:
    now_ns = 10**18
    with (tmp_path / "counters").open("w+b") as file:
        first = CounterMap(64, 2, 20, file.fileno())
        worker = WorkerCounters(first, 0, 1)
        for number in range(20):
            assert isinstance(worker.reserve(bucket(number), 1 + number, 0, 0, now_ns), Reservation)
            assert isinstance(worker.reserve(money(100 + number), 50 + number, 0, 1, now_ns), Reservation)
        assert first.held() == (20, 20)
        # Another number of workers: holds are elsewhere, counters are not.
        second = CounterMap(64, 1, 4, file.fileno())
        assert second.held() == (0, 0)
        again = WorkerCounters(second, 0, 2)
        for number in range(20):
            assert levels(again.counters, bucket(number), now_ns) == [(1, 0)]
            assert second.get(key(100 + number)) is None
        for call in range(1, 10):
            assert isinstance(again.reserve(bucket(3), call, 0, 0, now_ns), Reservation)
        assert isinstance(again.reserve(bucket(3), 10, 0, 0, now_ns), Refusal)


@pytest.mark.parametrize("content", [b"", b"nonsense" * 4000, bytes(1 << 16)])
def test_a_file_of_something_else_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "counters"
    path.write_bytes(content)
    with path.open("r+b") as file:
        counters = CounterMap(64, 1, 8, file.fileno())
        assert counters.held() == (0, 0)
        assert counters.put(key(1), 5, FOREVER_NS, 0)
        assert counters.get(key(1)) == (5, 0)


def test_a_file_for_another_number_of_counters_is_begun_anew(tmp_path: Path) -> None:
    with (tmp_path / "counters").open("w+b") as file:
        worker = WorkerCounters(CounterMap(64, 1, 8, file.fileno()), 0, 1)
        worker.reserve(bucket(1), 1, 0, 0, 10**18)
        larger = WorkerCounters(CounterMap(128, 1, 8, file.fileno()), 0, 1)
        assert levels(larger.counters, bucket(1), 10**18) == [(0, 0)]


@pytest.mark.parametrize("seed", range(20))
def test_a_file_whose_bytes_were_changed_does_no_harm(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path / "counters"
    with path.open("w+b") as file:
        worker = WorkerCounters(CounterMap(64, 1, 8, file.fileno()), 0, 1)
        for number in range(30):
            worker.reserve(bucket(number), 1 + number, 0, 0, 10**18)
        del worker
        data = bytearray(path.read_bytes())
        for _ in range(400):
            # The magic word stays, or there is nothing to see.
            data[chance.randrange(48, len(data))] = chance.randrange(256)
        path.write_bytes(data)
    with path.open("r+b") as file:
        counters = CounterMap(64, 1, 8, file.fileno())
        worker = WorkerCounters(counters, 0, 2)
        for number in range(30):
            assert 0 <= levels(worker.counters, bucket(number), 10**18)[0][0] <= 20
            assert worker.reserve(bucket(number), 1 + number, 0, 0, 10**18) is not None
        assert counters.held() == (0, 0)


def test_what_is_added_is_counted_with_what_is_there() -> None:
    counters = CounterMap(64, 1, 1)
    assert counters.add(key(1), 5, FOREVER_NS, 0)
    assert counters.add(key(1), 7, FOREVER_NS, 0)
    assert counters.get(key(1)) == (12, 0)
    for number in range(2, 65):
        assert counters.put(key(number), 1, FOREVER_NS, 0)
    assert not counters.add(key(65), 1, FOREVER_NS, 0)
