"""Sums of a batch, against sums done by hand."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw._native.call_groups import group_calls


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2), st.sampled_from([200, 502]), st.none() | st.integers(0, 2**62), st.integers(0, 10**10)
        ),
        max_size=30,
    )
)
def test_sums_are_exact(calls: list[tuple[int, int, int | None, int]]) -> None:
    bounds = (10, 1000, 10**9)
    rows = [
        (n, 0, status, 1, n, 0, 0, 0, 3, 0, cost, latency, 0, 0, 0, dimension)
        for n, (dimension, status, cost, latency) in enumerate(calls)
    ]
    groups = group_calls(rows, bounds)
    assert set(groups) == {(dimension, status) for dimension, status, _, _ in calls}
    for (dimension, status), group in groups.items():
        mine = [(n, cost, latency) for n, (d, s, cost, latency) in enumerate(calls) if (d, s) == (dimension, status)]
        assert group.calls == len(mine)
        assert group.nano_usd == sum(cost or 0 for _, cost, _ in mine)
        assert group.unpriced == sum(cost is None for _, cost, _ in mine)
        assert group.latency_ns == sum(latency for *_, latency in mine)
        assert group.tokens == [sum(n for n, *_ in mine), 0, 0, 0, 3 * len(mine), 0]
        edges = [-1, *bounds, 10**12]
        assert group.buckets == [sum(low < latency <= high for *_, latency in mine) for low, high in pairwise(edges)]


def test_values_that_are_no_numbers_are_errors() -> None:
    row = (1, 0, 200, 1, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 3)
    with pytest.raises(OverflowError):
        group_calls([(*row[:10], 2**63, *row[11:])], (1,))
    with pytest.raises(TypeError):
        group_calls([(*row[:11], "x", *row[12:])], (1,))
    with pytest.raises(ValueError, match="at most 31"):
        group_calls([], tuple(range(32)))
