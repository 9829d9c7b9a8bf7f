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
    REQUESTS,
    SOFT,
    TOKENS,
    LimitSet,
    Refusal,
    WorkerCounters,
)
from tests.model.limit_model import LimitModel, Refused, Row, Taken

FOREVER_NS = 2**62
UNITS = st.integers(1, 5) | st.integers(1, 2**40 - 1)
PERIODS = st.sampled_from([1, 7, 10**9, 60 * 10**9, 86_400 * 10**9]) | st.integers(1, 2**47 - 1)
MONIES = st.integers(0, 10) | st.integers(0, 2**62 - 1)
TOKEN_COUNTS = st.integers(0, 8) | st.integers(0, 2**40 - 1)
STEPS_NS = st.sampled_from([0, 1, 10**6, 10**9, 3600 * 10**9]) | st.integers(0, 2**50)


@st.composite
def limit_rows(draw: st.DrawFn) -> tuple[Row, ...]:
    rows = []
    for number in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from([REQUESTS, TOKENS, CONCURRENT, MONEY]))
        key = blake2b(b"%d %d" % (number, kind), digest_size=16).digest()
        limit = draw(MONIES if kind == MONEY else UNITS)
        mode = draw(st.sampled_from([ENFORCES, ENFORCES, SOFT, COUNTS]))
        rows.append((key, kind, mode, draw(st.integers(0, 2)), limit, draw(PERIODS), draw(UNITS), FOREVER_NS))
    return tuple(rows)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_calls_are_taken_refused_and_settled_as_in_the_model(data: st.DataObject) -> None:
    rows = data.draw(limit_rows())
    counter_map = CounterMap(64, 2, 200)
    workers = [WorkerCounters(counter_map, number, 1 + number) for number in range(2)]
    # What is remembered must not matter: each worker has sets of its own.
    sets = [LimitSet(rows), LimitSet(rows)]
    model = LimitModel()
    open_calls: list[tuple[object, Taken]] = []
    now_ns = 10**18
    for call in range(1, data.draw(st.integers(1, 25)) + 1):
        now_ns += data.draw(STEPS_NS)
        if open_calls and data.draw(st.booleans()):
            place = data.draw(st.integers(0, len(open_calls) - 1))
            reservation, taken = open_calls.pop(place) if data.draw(st.booleans()) else open_calls[place]
            tokens, nano_usd = data.draw(TOKEN_COUNTS), data.draw(st.integers(0, 2**50))
            reservation.settle(tokens, nano_usd, now_ns)  # type: ignore[attr-defined]
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
        reservation.settle(0, 0, now_ns)  # type: ignore[attr-defined]
        model.settle(taken, 0, 0, now_ns)
    assert counter_map.held() == (0, 0)
    for key, kind, *_ in rows:
        if kind == MONEY and key in model.counters and (found_money := counter_map.get(key)) is not None:
            assert found_money == (model.counters[key].spent, 0)
