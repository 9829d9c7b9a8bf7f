"""Request ids never come twice, whatever the clocks do."""

from __future__ import annotations

import pytest

from fastgw.telemetry.clock import ID_SLOT_BITS, RequestIds, id_base_ns, monotonic_ns, wall_ns

HOUR_NS = 3_600_000_000_000


def test_an_id_tells_the_microsecond_and_the_worker() -> None:
    ids = RequestIds(5, base_ns=1_700_000_000_000_000_000)
    found = ids.next(2_000_999)
    assert found >> ID_SLOT_BITS == 1_700_000_000_002_000
    assert found & ((1 << ID_SLOT_BITS) - 1) == 5


def test_ids_rise_within_a_microsecond_and_when_the_clock_stands_or_jumps_back() -> None:
    ids = RequestIds(3, base_ns=0)
    moments_ns = [5_000, 5_000, 5_999, 1_000, 0, 7_000, 6_000, 9_000_000]
    found = [ids.next(now_ns) for now_ns in moments_ns]
    assert found == sorted(set(found))
    assert {one & 1023 for one in found} == {3}
    assert found[-1] >> ID_SLOT_BITS == 9_000


def test_two_workers_at_the_same_moment_differ() -> None:
    assert RequestIds(0, 0).next(1000) != RequestIds(1, 0).next(1000)


@pytest.mark.parametrize("slot", [-1, 1024])
def test_a_slot_must_fit_its_bits(slot: int) -> None:
    with pytest.raises(ValueError, match=r"slot: expected 0\.\.1023"):
        RequestIds(slot, 0)


def test_the_base_is_the_wall_clock() -> None:
    before_ns = wall_ns()
    found_ns = id_base_ns() + monotonic_ns()
    assert before_ns <= found_ns <= wall_ns() + 1_000_000_000


def test_ids_go_on_above_an_earlier_run_whose_clock_was_ahead() -> None:
    last_id = ((wall_ns() + HOUR_NS) // 1000) << ID_SLOT_BITS | 7
    base_ns = id_base_ns(last_id)
    first = RequestIds(0, base_ns).next(monotonic_ns())
    assert first > last_id
    # A worker that is killed and started again knows nothing of its own ids: time has to keep them apart.
    assert RequestIds(0, base_ns).next(monotonic_ns() + 2_000) > first


def test_an_earlier_run_that_was_not_ahead_changes_nothing() -> None:
    last_id = ((wall_ns() - HOUR_NS) // 1000) << ID_SLOT_BITS
    assert abs(id_base_ns(last_id) - id_base_ns()) < HOUR_NS // 2
