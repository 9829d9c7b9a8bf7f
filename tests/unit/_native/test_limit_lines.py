"""Header lines about limits, compared with what Python's own calendar and formatting say."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw._native.counter_map import CounterMap
from fastgw._native.limit_lines import level_lines, reservation_lines
from fastgw._native.limit_set import ENFORCES, REQUESTS, TOKENS, LimitSet, Reservation, WorkerCounters

S = 10**9
NOW = 1_795_348_800 * S


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0ms"),
        (1, "1ms"),
        (999 * 10**6, "999ms"),
        (999 * 10**6 + 1, "1s"),
        (2500 * 10**6, "2.5s"),
        (1_020 * 10**6, "1.02s"),
        (61 * S, "1m1s"),
        (3600 * S, "1h0m0s"),
        (100 * 3600 * S + 59 * S + 5 * 10**6, "100h0m59.005s"),
        (2**63 - 1, "2562047h47m16.855s"),
    ],
)
def test_durations_as_openai_writes_them(ns: int, text: str) -> None:
    lines = level_lines(False, True, 5, 4, ns, NOW).decode()
    assert (
        lines
        == f"x-ratelimit-limit-tokens: 5\r\nx-ratelimit-remaining-tokens: 4\r\nx-ratelimit-reset-tokens: {text}\r\n"
    )


@given(st.integers(0, 253_402_300_799), st.integers(0, 2**40))
def test_moments_as_anthropic_writes_them(unix_s: int, reset_ns: int) -> None:
    now_ns = min(unix_s * S, 2**62 - 1)
    lines = level_lines(True, False, 7, 0, reset_ns, now_ns).decode().splitlines()
    moment_s = -(-min(now_ns + reset_ns, 2**62) // S)
    assert lines == [
        "anthropic-ratelimit-requests-limit: 7",
        "anthropic-ratelimit-requests-remaining: 0",
        f"anthropic-ratelimit-requests-reset: {datetime.fromtimestamp(moment_s, UTC):%Y-%m-%dT%H:%M:%SZ}",
    ]


def test_the_largest_numbers_have_room() -> None:
    most = 2**63 - 1
    assert level_lines(True, False, most, most, most, 0).count(str(most).encode()) == 2
    assert level_lines(False, True, most, most, most, 0).count(str(most).encode()) == 2


def test_both_buckets_of_a_reservation() -> None:
    worker = WorkerCounters(CounterMap(64, 1, 1), 0, 1)
    rows = [
        (b"r" * 16, REQUESTS, ENFORCES, 0, 60, 60 * S, 60, 0),
        (b"t" * 16, TOKENS, ENFORCES, 1, 100, 60 * S, 100, 0),
    ]
    taken = worker.reserve(LimitSet(rows), 1, 40, 0, NOW)
    assert isinstance(taken, Reservation)
    both = level_lines(False, False, 60, 59, S, NOW) + level_lines(False, True, 100, 60, 24 * S, NOW)
    assert reservation_lines(b"a: b\r\n", taken, False, NOW) == b"a: b\r\n" + both
    assert reservation_lines(b"", taken, True, NOW).startswith(b"anthropic-ratelimit-requests-limit: 60\r\n")
    none = worker.reserve(LimitSet([]), 2, 0, 0, NOW)
    assert isinstance(none, Reservation)
    assert reservation_lines(b"a: b\r\n", none, False, NOW) == b"a: b\r\n"


def test_what_is_no_limit() -> None:
    with pytest.raises(ValueError, match="not negative"):
        level_lines(False, False, 1, -1, 0, 0)
    with pytest.raises(TypeError):
        reservation_lines(b"", None, False, 0)  # type: ignore[arg-type]
