"""Random calls on random limits, over the whole range of numbers: native counters and model take, refuse and give back alike."""

from __future__ import annotations

from hashlib import blake2b

from hypothesis import given, settings
from hypothesis import strategies as st

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
from tests.model.limit_model import Counter, LimitModel, Refused, Row, Taken

FOREVER_NS = 2**62
UNITS = st.integers(1, 5) | st.integers(1, 2**40 - 1)
PERIODS = st.sampled_from([1, 7, 10**9, 60 * 10**9, 86_400 * 10**9]) | st.integers(1, 2**47 - 1)
MONIES = st.integers(0, 10) | st.integers(0, 2**62 - 1)
TOKEN_COUNTS = st.integers(0, 8) | st.integers(0, 2**40 - 1)
STEPS_NS = st.sampled_from([0, 1, 10**6, 10**9, 3600 * 10**9]) | st.integers(0, 2**50)


def key_of(number: int, kind: int) -> bytes:
    return blake2b(b"%d %d" % (number, kind), digest_size=16).digest()


@st.composite
def limit_rows(draw: st.DrawFn) -> tuple[Row, ...]:
    rows = []
    for number in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from([REQUESTS, TOKENS, CONCURRENT, MONEY, MONEY, PAUSE]))
        limit = draw(MONIES if kind == MONEY else UNITS)
        mode = draw(st.sampled_from([ENFORCES, ENFORCES, SOFT, COUNTS]))
        period_ns = draw(PERIODS | st.just(0) if kind == PAUSE else PERIODS)
        # Earlier slices of a window are counters like others, which other rows of the set may be counting in.
        others = [key_of(other, MONEY) for other in range(6) if other != number]
        past = draw(st.lists(st.sampled_from(others), max_size=4, unique=True)) if kind == MONEY else []
        group = draw(st.integers(0, 2))
        rows.append((key_of(number, kind), kind, mode, group, limit, period_ns, draw(UNITS), FOREVER_NS, *past))
    return tuple(rows)


def maybe_pause(
    data: st.DataObject, rows: tuple[Row, ...], counter_map: CounterMap, model: LimitModel, now_ns: int
) -> None:
    pauses = [row for row in rows if row[1] == PAUSE]
    if pauses and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(pauses))[0]
        until_ns = now_ns + data.draw(STEPS_NS)
        assert counter_map.put(key, until_ns, until_ns, now_ns)
        model.counters.setdefault(key, Counter()).paused_until_ns = until_ns


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_calls_are_taken_refused_and_settled_as_in_the_model(data: st.DataObject) -> None:
    rows = data.draw(limit_rows())
    counter_map = CounterMap(64, 2, 200)
    workers = [WorkerCounters(counter_map, number, 1 + number) for number in range(2)]
    # What is remembered must not matter: each worker has sets of its own.
    sets = [LimitSet(rows), LimitSet(rows)]
    model = LimitModel()
    open_calls: list[tuple[Reservation, Taken]] = []
    now_ns = 10**18
    for call in range(1, data.draw(st.integers(1, 25)) + 1):
        now_ns += data.draw(STEPS_NS)
        maybe_pause(data, rows, counter_map, model, now_ns)
        if open_calls and data.draw(st.booleans()):
            reservation, taken = data.draw(st.sampled_from(open_calls))
            more = data.draw(MONIES.filter(lambda more: more < 2**61))
            if taken.nano_usd + more < 2**62:
                assert reservation.grow(more, now_ns) == model.grow(taken, more)
            continue
        if open_calls and data.draw(st.booleans()):
            place = data.draw(st.integers(0, len(open_calls) - 1))
            reservation, taken = open_calls.pop(place) if data.draw(st.booleans()) else open_calls[place]
            tokens, nano_usd = data.draw(TOKEN_COUNTS), data.draw(st.integers(0, 2**50))
            reservation.settle(tokens, nano_usd, now_ns)
            model.settle(taken, tokens, nano_usd, now_ns)
            continue
        tokens, nano_usd = data.draw(TOKEN_COUNTS), data.draw(MONIES)
        worker = data.draw(st.integers(0, 1))
        found = workers[worker].reserve(sets[worker], call, tokens, nano_usd, now_ns)
        expected = model.reserve(rows, tokens, nano_usd, now_ns)
        if isinstance(found, Refusal):
            assert Refused(found.index, found.used, found.held, found.wait_ns, found.room_nano_usd) == expected
        else:
            assert isinstance(expected, Taken)
            open_calls.append((found, expected))
    for reservation, taken in open_calls:
        reservation.settle(0, 0, now_ns)
        model.settle(taken, 0, 0, now_ns)
    assert counter_map.held() == (0, 0)
    for worker in workers:
        found_levels = levels(worker.counters, sets[0], now_ns)
        expected_money = [(model.spent(row), model.held(row)) if row[1] == MONEY else None for row in rows]
        assert [
            level if row[1] == MONEY else None for level, row in zip(found_levels, rows, strict=True)
        ] == expected_money
    for key, kind, *_ in rows:
        if kind == MONEY and key in model.counters and (found_money := counter_map.get(key)) is not None:
            assert found_money == (model.counters[key].spent, 0)
