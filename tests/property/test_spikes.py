"""The guard finds what the model finds, whatever comes in whatever order, and keeps little in mind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw.limits import spikes
from fastgw.limits.config import AnomalyRow
from fastgw.limits.spikes import Spent, SpikeGuard
from tests.model.spike_model import SpikeModel

S = 1_000_000_000
START_NS = 1_790_000_000 * S
ROWS = st.builds(
    AnomalyRow,
    id=st.just("a"),
    max_multiple=st.sampled_from([None, 1.5, 2, 6, 10.25]),
    repeats=st.sampled_from([None, 2, 5]),
    recent_s=st.sampled_from([60, 72, 600]),
    window_s=st.sampled_from([10, 12, 60]),
    min_usd=st.sampled_from(["0.000000001", "0.000000003", "0.000000020"]),
    for_s=st.sampled_from([1, 7, 60]),
)
SLICES = st.integers(0, 3) | st.sampled_from([0, 10, 11, 12, 13, 59, 60, 61, 70, 71, 72, 73, 84, 85])
EDGE_NS = st.sampled_from([-1, 0, 0, 1])
STEPS = st.lists(
    st.tuples(
        st.tuples(SLICES, EDGE_NS),  # how long after the one before, in slices of the window and ns
        st.tuples(st.just(0) | SLICES, EDGE_NS),  # how long ago the call ended
        st.sampled_from(["ada", "ada", "bob"]),
        st.integers(0, 6),
        st.sampled_from([0, 0, 7, 8]),
        st.integers(1, 3),
        st.booleans(),  # whether it is judged now
    ),
    max_size=80,
)
Step = tuple[tuple[int, int], tuple[int, int], str, int, int, int, bool]


def moments(row: AnomalyRow, steps: list[Step]) -> Iterator[tuple[int, Spent, bool]]:
    """For each step now, the call, and whether it is judged. Times stand close to the edges of slices."""
    slice_ns = row.window_s * S // 12
    now_ns = START_NS // slice_ns * slice_ns
    for (later, later_ns), (ago, ago_ns), entity, nano_usd, fingerprint, calls, is_judged in steps:
        now_ns += max(later * slice_ns + later_ns, 0)
        at_ns = now_ns - ago * slice_ns - ago_ns
        yield now_ns, Spent(0, (entity,), at_ns, nano_usd, fingerprint, calls), is_judged


def play(row: AnomalyRow, steps: list[Step]) -> tuple[list[object], list[object]]:
    guard, model = SpikeGuard([row]), SpikeModel(row)
    found: list[object] = []
    expected: list[object] = []
    for now_ns, spent, is_judged in moments(row, steps):
        guard.feed(spent, now_ns)
        model.feed(spent, now_ns)
        if is_judged:
            found.append({(each.entity, each.reason, each.times, each.until_ns) for each in guard.judge(now_ns)})
            expected.append(model.judge(now_ns))
    return found, expected


@given(row=ROWS, steps=STEPS)
def test_the_guard_finds_what_the_model_finds(row: AnomalyRow, steps: list[Step]) -> None:
    found, expected = play(row, steps)
    assert found == expected


@given(row=ROWS, steps=STEPS)
def test_rules_and_entities_do_not_meet(row: AnomalyRow, steps: list[Step]) -> None:
    """Two rules in one guard find what each finds alone."""
    other = AnomalyRow(id="b", max_multiple=2, window_s=20, recent_s=60, min_usd="0.000000001")
    guard, found = SpikeGuard([row, other]), []
    for now_ns, spent, is_judged in moments(row, steps):
        for place in (0, 1):
            guard.feed(spent._replace(place=place), now_ns)
        if is_judged:
            spikes_of_row = [each for each in guard.judge(now_ns) if each.row is row]
            found.append({(each.entity, each.reason, each.times, each.until_ns) for each in spikes_of_row})
    assert found == play(row, steps)[1]


@given(row=ROWS, steps=STEPS)
def test_what_is_kept_is_bounded(row: AnomalyRow, steps: list[Step]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spikes, "MAX_ENTITIES", 3)
        patch.setattr(spikes, "MAX_PROMPTS", 4)
        guard = SpikeGuard([row])
        for number, (now_ns, spent, is_judged) in enumerate(moments(row, steps)):
            entity = (f"{spent.entity[0]}{number % 5}",)
            guard.feed(spent._replace(entity=entity, fingerprint=spent.fingerprint + number % 3), now_ns)
            if is_judged:
                guard.judge(now_ns)
            assert len(guard._seen) <= 3
            assert len(guard._prompts) <= 4
        for seen in guard._seen.values():
            assert seen.window.total == sum(seen.window.amounts.values())
