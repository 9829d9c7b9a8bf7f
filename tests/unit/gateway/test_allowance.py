"""What a stream may say for its money."""

from __future__ import annotations

from fastgw._native.counter_map import CounterMap
from fastgw._native.limit_set import ENFORCES, MONEY, LimitSet, Reservation, WorkerCounters
from fastgw.gateway.allowance import STEP_TOKENS, Allowance
from fastgw.spend.ceiling import Ceiling
from fastgw.spend.learned import Learned

NOW = 10**18
CHEAP = Ceiling(input_weight=1, output_weight=2, fixed=0, ratio=1, divisor=1)
DEAR = Ceiling(input_weight=9, output_weight=3, fixed=7, ratio=1, divisor=1)


def allowance(limit: int, output_tokens: int) -> tuple[Allowance, CounterMap]:
    counter_map = CounterMap(64, 1, 8)
    limits = LimitSet([(bytes(16), MONEY, ENFORCES, 0, limit, 0, 0, 2**62)])
    found = WorkerCounters(counter_map, 0, 1).reserve(limits, 1, 0, 3 * output_tokens, NOW)
    assert isinstance(found, Reservation)
    return Allowance(found, (CHEAP, DEAR), Learned(), output_tokens, 1), counter_map


def test_what_was_reserved_is_covered_and_reserves_no_more() -> None:
    found, counter_map = allowance(10_000, 100)
    assert found.covers(300, NOW)
    assert counter_map.held() == (1, 300)


def test_more_is_reserved_by_the_dearest_price_while_there_is_some() -> None:
    found, counter_map = allowance(300 + 3 * STEP_TOKENS * 2, 100)
    assert found.covers(301, NOW)
    assert counter_map.held() == (1, 300 + 3 * STEP_TOKENS)
    assert found.covers(300 + 3 * STEP_TOKENS * 2, NOW)
    assert not found.is_spent
    assert not found.covers(301 + 3 * STEP_TOKENS * 2, NOW)
    assert found.is_spent
    assert counter_map.held() == (1, 300 + 3 * STEP_TOKENS * 2)


def test_what_is_spent_stays_spent() -> None:
    found, _ = allowance(300, 100)
    assert not found.covers(301, NOW)
    assert not found.covers(1, NOW)
