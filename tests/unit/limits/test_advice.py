"""What callers are told, in both dialects."""

from __future__ import annotations

from datetime import UTC
from typing import Literal

import pytest

from fastgw._native.counter_map import CounterMap
from fastgw._native.limit_set import Refusal, Reservation, WorkerCounters
from fastgw.domain.moment import rfc3339
from fastgw.limits.advice import refusal_error
from fastgw.limits.config import AnomalyRow, BudgetRow, LimitRow, RateLimitRow
from fastgw.limits.table import Governing, governing_limits, pause_key

NOW = 1_795_348_800 * 10**9
S = 10**9


def limits(*rows: LimitRow, governs: bool = True) -> Governing:
    return governing_limits(rows, [(index, governs) for index in range(len(rows))], lambda name: f"<{name}>", NOW, UTC)


def ask(governing: Governing, worker: WorkerCounters, tokens: int = 1, nano_usd: int = 0) -> Reservation | Refusal:
    return worker.reserve(governing.limits, 1, tokens, nano_usd, NOW)


def worker(slots: int = 64) -> WorkerCounters:
    return WorkerCounters(CounterMap(slots, 1, 10), 0, 1)


def refusal(governing: Governing, hand: WorkerCounters, tokens: int = 1, nano_usd: int = 0) -> Refusal:
    for _ in range(10):
        found = ask(governing, hand, tokens, nano_usd)
        if isinstance(found, Refusal):
            return found
    raise AssertionError("never refused")


def test_a_rate_says_how_long() -> None:
    governing = limits(RateLimitRow(id="r", limit=2, unit="requests_per_minute", per=("user",)))
    error = refusal_error(governing, refusal(governing, worker()), "openai", 0, NOW)
    assert (error.code, error.status, error.source, error.retry) == ("rate_limit_exceeded", 429, "policy", "after")
    assert error.retry_after_ns == 30 * S
    assert "rule `r`" in error.message
    assert "used 2 for user=<user>" in error.message
    assert b"x-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 30s\r\n" in error.lines


def test_a_call_that_is_too_large_is_not_told_to_wait() -> None:
    governing = limits(RateLimitRow(id="r", limit=2, unit="tokens_per_minute"))
    error = refusal_error(governing, refusal(governing, worker(), tokens=3), "openai", 0, NOW)
    assert (error.code, error.retry) == ("request_exceeds_limit", "never")


def test_slots_are_tried_again_after_a_second() -> None:
    governing = limits(RateLimitRow(id="r", limit=1, unit="concurrent_requests"))
    error = refusal_error(governing, refusal(governing, worker()), "openai", 0, NOW)
    assert (error.retry_after_ns, error.lines) == (
        S,
        b"x-fastgw-rules: r;refused\r\nx-fastgw-limit-unit: concurrent_requests\r\n",
    )


@pytest.mark.parametrize(("window", "resets"), [("day", "; resets at 2026-11-23T00:00:00Z"), ("lifetime", "")])
def test_a_budget_says_all_sums(window: str, resets: str) -> None:
    governing = limits(BudgetRow(id="b", limit_usd="0.5", window=window))  # type: ignore[arg-type]
    hand = worker()
    assert isinstance(ask(governing, hand, nano_usd=4 * 10**8), Reservation)
    error = refusal_error(governing, refusal(governing, hand, nano_usd=2 * 10**8), "openai", 2 * 10**8, NOW)
    assert (error.code, error.status, error.retry) == ("budget_exceeded", 429, "never")
    assert error.message == (
        f"budget `b` refuses this call: limit 0.5 USD a {window}, used 0, reserved by calls under way 0.4, "
        f"this call may cost 0.2{resets}"
    )


def test_no_memory_is_our_fault() -> None:
    governing = limits(BudgetRow(id="b", limit_usd=1, window="day"))
    hand = WorkerCounters(CounterMap(64, 1, 1), 0, 1)
    error = refusal_error(governing, refusal(governing, hand), "openai", 0, NOW)
    assert (error.code, error.status, error.source, error.retry) == ("counters_full", 503, "internal", "after")


@pytest.mark.parametrize(("action", "retry"), [("stop", "never"), ("slow", "after")])
def test_who_is_paused_is_told_until_when_and_whether_to_come_again(
    action: Literal["stop", "slow"], retry: str
) -> None:
    row = AnomalyRow(id="runaway", repeats=9, action=action, slow_to_per_minute=6)
    governing = governing_limits([row], [(0, True)], lambda name: "agent", NOW, UTC)
    counter_map = CounterMap(64, 1, 8)
    hand = WorkerCounters(counter_map, 0, 1)
    counter_map.put(pause_key(row, ("agent",)), NOW + 60 * 10**9, NOW + 60 * 10**9, NOW)
    if action == "slow":
        assert isinstance(hand.reserve(governing.limits, 1, 0, 0, NOW), Reservation)
    refusal = hand.reserve(governing.limits, 2, 0, 0, NOW)
    assert isinstance(refusal, Refusal)
    error = refusal_error(governing, refusal, "openai", 0, NOW)
    assert (error.code, error.status, error.source, error.retry) == ("spending_spike", 429, "policy", retry)
    assert error.retry_after_ns == (10 if action == "slow" else 60) * 10**9
    assert "`runaway`" in error.message
    assert "key=agent" in error.message
    assert rfc3339(NOW + 60 * 10**9) in error.message
    assert b"x-fastgw-rules: runaway;refused\r\n" in error.lines
