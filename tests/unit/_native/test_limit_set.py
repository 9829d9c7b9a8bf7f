"""Limits on one call: what a caller is told. Random calls are compared with the model in tests/property/test_limit_set.py."""

from __future__ import annotations

from typing import Any

import pytest

from fastgw._native.counter_map import CounterMap
from fastgw._native.limit_set import (
    CONCURRENT,
    COUNTS,
    ENFORCES,
    MONEY,
    PAUSE,
    REQUESTS,
    SOFT,
    TOKENS,
    LimitSet,
    Refusal,
    Reservation,
    WorkerCounters,
    levels,
)

S = 10**9
NOW = 10**18
FOREVER_NS = 2**62
Row = tuple[Any, ...]


def bucket(
    kind: int, limit: int, period_ns: int = 60 * S, *, burst: int = 0, mode: int = ENFORCES, group: int = 0
) -> Row:
    return (b"bucket %d %d %d" % (kind, group, mode)).ljust(16), kind, mode, group, limit, period_ns, burst or limit, 0


def money(limit: int, mode: int = ENFORCES, group: int = 0) -> Row:
    return (b"money %d %d" % (group, mode)).ljust(16), MONEY, mode, group, limit, 0, 0, FOREVER_NS


def counters(holds: int = 100, slots: int = 64) -> WorkerCounters:
    return WorkerCounters(CounterMap(slots, 1, holds), 0, 1)


def taken(found: Reservation | Refusal) -> Reservation:
    assert isinstance(found, Reservation)
    return found


def refused(found: Reservation | Refusal) -> Refusal:
    assert isinstance(found, Refusal)
    return found


def test_a_bucket_refills_to_the_nanosecond() -> None:
    worker, limits = counters(), LimitSet([bucket(REQUESTS, 7)])
    for call in range(1, 8):
        assert taken(worker.reserve(limits, call, 0, 0, NOW)).requests_remaining == 7 - call
    wait_ns = refused(worker.reserve(limits, 8, 0, 0, NOW)).wait_ns
    assert wait_ns == -(-60 * S // 7)
    assert refused(worker.reserve(limits, 8, 0, 0, NOW + wait_ns - 1)).wait_ns == 1
    assert taken(worker.reserve(limits, 8, 0, 0, NOW + wait_ns)).requests_reset_ns <= 60 * S


def test_the_tightest_bucket_is_told() -> None:
    worker = counters()
    limits = LimitSet(
        [bucket(REQUESTS, 100), bucket(REQUESTS, 5, group=1), bucket(TOKENS, 1000), bucket(REQUESTS, 2, mode=COUNTS)]
    )
    found = taken(worker.reserve(limits, 1, 300, 0, NOW))
    assert (found.requests_limit, found.requests_remaining) == (5, 4)
    assert (found.tokens_limit, found.tokens_remaining, found.tokens_reset_ns) == (1000, 700, 18 * S)


def test_all_or_none() -> None:
    worker = counters()
    both = LimitSet([bucket(REQUESTS, 2), money(10, group=1)])
    assert refused(worker.reserve(both, 1, 0, 11, NOW)).index == 1
    assert taken(worker.reserve(both, 2, 0, 10, NOW)).requests_remaining == 1


def test_money_is_held_then_spent() -> None:
    worker, limits = counters(), LimitSet([money(100)])
    first = taken(worker.reserve(limits, 1, 0, 60, NOW))
    second = refused(worker.reserve(limits, 2, 0, 50, NOW))
    assert (second.used, second.held, second.room_nano_usd, second.wait_ns) == (0, 60, 40, 0)
    first.settle(0, 20, NOW)
    first.settle(0, 20, NOW)
    assert taken(worker.reserve(limits, 2, 0, 80, NOW)).nano_usd == 80


def test_a_call_that_cost_more_than_was_reserved_is_counted_whole() -> None:
    worker, limits = counters(), LimitSet([money(100)])
    taken(worker.reserve(limits, 1, 0, 10, NOW)).settle(0, 150, NOW)
    found = refused(worker.reserve(limits, 2, 0, 0, NOW))
    assert (found.used, found.room_nano_usd) == (150, 0)


def test_who_only_counts_never_refuses_and_still_counts() -> None:
    worker = counters()
    watching, enforcing = money(1, mode=COUNTS), money(1, group=2)
    taken(worker.reserve(LimitSet([watching]), 1, 0, 5, NOW)).settle(0, 5, NOW)
    same_counter: Row = (watching[0], *enforcing[1:])
    assert refused(worker.reserve(LimitSet([same_counter]), 2, 0, 0, NOW)).used == 5


def test_a_soft_rule_refuses_only_when_its_whole_group_is_full() -> None:
    worker = counters()
    limits = LimitSet([money(1, mode=SOFT, group=3), (b"wider".ljust(16), MONEY, COUNTS, 3, 3, 0, 0, FOREVER_NS)])
    for call in (1, 2, 3):
        taken(worker.reserve(limits, call, 0, 1, NOW)).settle(0, 1, NOW)
    assert refused(worker.reserve(limits, 4, 0, 1, NOW)).index == 0


def test_a_call_larger_than_a_bucket_can_never_pass() -> None:
    worker, limits = counters(), LimitSet([bucket(TOKENS, 100)])
    assert refused(worker.reserve(limits, 1, 101, 0, NOW)).wait_ns == -1


def test_tokens_are_corrected_also_below_nothing() -> None:
    worker, limits = counters(), LimitSet([bucket(TOKENS, 60)])
    taken(worker.reserve(limits, 1, 10, 0, NOW)).settle(100, 0, NOW)
    assert refused(worker.reserve(limits, 2, 1, 0, NOW)).wait_ns == 41 * S
    worker, limits = counters(), LimitSet([bucket(TOKENS, 60)])
    taken(worker.reserve(limits, 1, 60, 0, NOW)).settle(0, 0, NOW)
    assert taken(worker.reserve(limits, 2, 60, 0, NOW)).tokens_remaining == 0


def test_a_clock_that_goes_back_refills_nothing() -> None:
    worker, limits = counters(), LimitSet([bucket(REQUESTS, 1)])
    taken(worker.reserve(limits, 1, 0, 0, NOW))
    assert refused(worker.reserve(limits, 2, 0, 0, NOW - 3600 * S)).wait_ns == 60 * S
    assert refused(worker.reserve(limits, 2, 0, 0, NOW + 59 * S)).wait_ns == S


def test_slots_are_counted_whoever_takes_them() -> None:
    shared = CounterMap(64, 2, 10)
    limits = LimitSet([(b"slots".ljust(16), CONCURRENT, ENFORCES, 0, 2, 0, 0, 0)])
    workers = [WorkerCounters(shared, 0, 1), WorkerCounters(shared, 1, 2)]
    held = [taken(worker.reserve(limits, 1, 0, 0, NOW)) for worker in workers]
    assert (refused(workers[0].reserve(limits, 2, 0, 0, NOW)).used, workers[0].life) == (2, 1)
    held[1].settle(0, 0, NOW)
    taken(workers[0].reserve(limits, 2, 0, 0, NOW))


def test_where_nothing_can_be_counted_money_is_refused_and_all_else_passes() -> None:
    shared = CounterMap(64, 1, 10)
    worker = WorkerCounters(shared, 0, 1)
    for number in range(64):
        shared.put(number.to_bytes(8, "little") + (number + 1).to_bytes(8, "little"), 1, FOREVER_NS, 0)
    assert refused(worker.reserve(LimitSet([money(10)]), 1, 0, 0, NOW)).full
    taken(worker.reserve(LimitSet([bucket(REQUESTS, 10)]), 1, 0, 0, NOW)).settle(0, 0, NOW)


def test_a_worker_without_holds_left_refuses() -> None:
    worker, limits = counters(holds=1), LimitSet([money(10)])
    first = taken(worker.reserve(limits, 1, 0, 1, NOW))
    assert refused(worker.reserve(limits, 2, 0, 1, NOW)).full
    first.settle(0, 1, NOW)
    taken(worker.reserve(limits, 3, 0, 1, NOW))


@pytest.mark.parametrize(
    "row",
    [
        (b"short", MONEY, ENFORCES, 0, 1, 0, 0, 0),
        (bytes(16), 9, ENFORCES, 0, 1, 0, 0, 0),
        (bytes(16), MONEY, 9, 0, 1, 0, 0, 0),
        (bytes(16), MONEY, ENFORCES, 0, -1, 0, 0, 0),
        (bytes(16), MONEY, ENFORCES, 0, 2**62, 0, 0, 0),
        (bytes(16), REQUESTS, ENFORCES, 0, 0, 1, 1, 0),
        (bytes(16), REQUESTS, ENFORCES, 0, 2**40, 1, 1, 0),
        (bytes(16), TOKENS, ENFORCES, 0, 1, 2**47, 1, 0),
        (bytes(16), TOKENS, ENFORCES, 0, 1, 1, 2**40, 0),
    ],
)
def test_rows_out_of_range_are_refused(row: Row) -> None:
    with pytest.raises(ValueError, match=r"expected|exactly|no such"):
        LimitSet([row])


def test_calls_out_of_range_are_refused() -> None:
    worker, limits = counters(), LimitSet([money(1)])
    for call, tokens, nano_usd in ((0, 0, 0), (1, -1, 0), (1, 2**40, 0), (1, 0, -1), (1, 0, 2**62)):
        with pytest.raises(ValueError, match="call"):
            worker.reserve(limits, call, tokens, nano_usd, NOW)
    with pytest.raises(ValueError, match="at most 64"):
        LimitSet([money(1, group=number) for number in range(65)])
    with pytest.raises(ValueError, match="nobody is paid"):
        taken(worker.reserve(limits, 1, 0, 0, NOW)).settle(-1, 0, NOW)
    with pytest.raises(ValueError, match="life"):
        WorkerCounters(CounterMap(64, 1, 1), 0, 0)
    assert (limits.checks, taken(worker.reserve(LimitSet([]), 1, 0, 0, NOW)).settled) == (1, False)


def test_a_window_that_rolls_is_the_sum_of_its_slices() -> None:
    worker = counters()
    slices = [(b"slice %d" % number).ljust(16) for number in range(3)]
    for number, spent in ((0, 40), (1, 50)):
        one = LimitSet([(slices[number], MONEY, ENFORCES, 0, 1000, 0, 0, FOREVER_NS)])
        taken(worker.reserve(one, 1 + number, 0, spent, NOW)).settle(0, spent, NOW)
    rolling = LimitSet(
        [(slices[2], MONEY, ENFORCES, 0, 100, 0, 0, FOREVER_NS, slices[1], slices[0], b"never".ljust(16))]
    )
    found = refused(worker.reserve(rolling, 5, 0, 11, NOW))
    assert (found.used, found.held, found.room_nano_usd) == (90, 0, 10)
    held = taken(worker.reserve(rolling, 5, 0, 10, NOW))
    assert levels(worker.counters, rolling, NOW) == [(90, 10)]
    held.settle(0, 4, NOW)
    rolled_on = LimitSet([(slices[2], MONEY, ENFORCES, 0, 100, 0, 0, FOREVER_NS, slices[1])])
    assert levels(worker.counters, rolled_on, NOW) == [(54, 0)]


def test_only_money_has_slices() -> None:
    with pytest.raises(ValueError, match="slices"):
        LimitSet([(*bucket(REQUESTS, 1), bytes(16))])


def test_what_is_held_grows_while_there_is_room() -> None:
    worker, limits = counters(), LimitSet([money(100), money(50, group=1)])
    first, second = (taken(worker.reserve(limits, call, 0, 10, NOW)) for call in (1, 2))
    assert first.grow(30, NOW)
    assert first.nano_usd == 40
    assert not second.grow(1, NOW)
    first.settle(0, 5, NOW)
    assert not first.grow(1, NOW)
    assert second.grow(35, NOW)
    second.settle(0, 45, NOW)
    assert levels(worker.counters, limits, NOW) == [(50, 0), (50, 0)]


def pause(period_ns: int = 0) -> Row:
    return (b"pause".ljust(16), PAUSE, ENFORCES, 9, 0, period_ns, 0, 0)


def test_a_pause_holds_until_its_end() -> None:
    counter_map = CounterMap(64, 1, 8)
    worker, limits = WorkerCounters(counter_map, 0, 1), LimitSet([pause(), money(100)])
    taken(worker.reserve(limits, 1, 0, 1, NOW)).settle(0, 1, NOW)
    assert counter_map.get(b"pause".ljust(16)) is None, "who is not paused costs no counter"
    counter_map.put(b"pause".ljust(16), NOW + 5 * S, NOW + 5 * S, NOW)
    found = refused(worker.reserve(limits, 2, 0, 1, NOW + S))
    assert (found.index, found.wait_ns, found.used, found.room_nano_usd) == (0, 4 * S, 4 * S, -1)
    assert levels(worker.counters, limits, NOW + S) == [(4 * S, 0), (1, 0)]
    assert taken(worker.reserve(limits, 3, 0, 1, NOW + 5 * S)).nano_usd == 1


def test_a_pause_with_a_period_lets_one_call_through_in_each() -> None:
    counter_map = CounterMap(64, 1, 8)
    worker, limits = WorkerCounters(counter_map, 0, 1), LimitSet([pause(10 * S)])
    counter_map.put(b"pause".ljust(16), NOW + 25 * S, NOW + 25 * S, NOW)
    assert taken(worker.reserve(limits, 1, 0, 0, NOW))
    assert refused(worker.reserve(limits, 2, 0, 0, NOW + 4 * S)).wait_ns == 6 * S
    assert taken(worker.reserve(limits, 3, 0, 0, NOW + 10 * S))
    assert refused(worker.reserve(limits, 4, 0, 0, NOW + 19 * S)).wait_ns == S
    assert taken(worker.reserve(limits, 5, 0, 0, NOW + 25 * S))
