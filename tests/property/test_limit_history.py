"""The judge of limits agrees with trying everything: it finds a plan when there is one, and calls no true refusal false."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations, product

from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.model.limit_history import (
    Bucket,
    Span,
    _forbidden,
    _Job,
    _schedule,
    false_refusals,
    false_refusals_of_slots,
    find_moments,
    holds,
    most_at_once,
)

spans = st.builds(lambda start, length: Span(start, start + length), st.integers(0, 30), st.integers(0, 20))
buckets = st.builds(Bucket, st.integers(1, 3), st.integers(1, 12), st.integers(1, 4))


def level_after(level: Fraction, elapsed: Fraction, bucket: Bucket) -> Fraction:
    return min(level + elapsed * bucket.limit / bucket.period_ns, Fraction(bucket.burst))


def can_go_in_order(order: tuple[Span, ...], bucket: Bucket, units: int) -> bool:
    """Each as soon as the bucket has enough for it: nobody who comes later is worse off for that."""
    now, level = Fraction(0), Fraction(bucket.burst)
    for span in order:
        missing = max(units - level_after(level, max(span.start_ns - now, Fraction(0)), bucket), Fraction(0))
        then = max(Fraction(span.start_ns), now) + missing * bucket.period_ns / bucket.limit
        level = level_after(level, then - now, bucket) - units
        if then > span.end_ns or level < 0:
            return False
        now = then
    return True


@settings(max_examples=400)
@given(st.lists(spans, max_size=5), buckets, st.integers(1, 3))
def test_a_plan_is_found_exactly_when_some_order_has_one(calls: list[Span], bucket: Bucket, units: int) -> None:
    moments = find_moments(calls, bucket, units)
    assert (moments is not None) == any(can_go_in_order(order, bucket, units) for order in permutations(calls))
    if moments is not None:
        assert holds(moments, bucket, units)
        for span, moment in zip(calls, moments, strict=True):
            assert span.start_ns <= Fraction(moment, bucket.limit) <= span.end_ns


jobs = st.builds(lambda release, slack: _Job(release, release + 4 + slack), st.integers(0, 16), st.integers(0, 14))


@settings(max_examples=400)
@given(st.lists(jobs, min_size=1, max_size=6))
def test_the_algorithm_plans_what_can_be_planned(found: list[_Job]) -> None:
    """Also where the earliest deadline alone would fail."""

    def fits(order: tuple[_Job, ...]) -> bool:
        now = 0
        for job in order:
            now = max(now, job.release) + 4
            if now > job.deadline:
                return False
        return True

    forbidden = _forbidden(found, 4)
    assert (forbidden is not None) == any(fits(order) for order in permutations(found))
    if forbidden is not None:
        begins = _schedule(found, 4, forbidden)
        assert begins is not None
        assert all(job.release <= begin and begin + 4 <= job.deadline for job, begin in zip(found, begins, strict=True))
        assert all(later - earlier >= 4 for earlier, later in zip(sorted(begins), sorted(begins)[1:], strict=False))


def test_the_earliest_deadline_alone_is_not_enough() -> None:
    """A call that could go at once must wait for one that can go at one moment only."""
    bucket = Bucket(1, 100, 1)
    assert find_moments([Span(0, 176), Span(75, 75)], bucket, 1) == [175, 75]
    assert find_moments([Span(0, 174), Span(75, 75)], bucket, 1) is None
    assert _schedule([_Job(0, 276), _Job(75, 175)], 100, []) is None


small = st.builds(lambda start, length: Span(start, start + length), st.integers(0, 6), st.integers(0, 3))


@settings(max_examples=200)
@given(st.lists(small, max_size=4), small, st.builds(Bucket, st.just(1), st.integers(1, 4), st.integers(1, 3)))
def test_no_refusal_is_false_that_any_course_of_things_explains(
    calls: list[Span], refused: Span, bucket: Bucket
) -> None:
    """Calls at every moment of their spans, or not made at all, as far as the bucket lets them."""
    explained = False
    choices = [[None, *range(call.start_ns, call.end_ns + 1)] for call in calls]
    for moments in product(*choices):
        for asked in range(refused.start_ns, refused.end_ns + 1):
            level, before, lowest = Fraction(bucket.burst), 0, Fraction(bucket.burst)
            for moment in sorted(each for each in moments if each is not None and each <= asked):
                level = level_after(level, Fraction(moment - before), bucket) - 1
                before, lowest = moment, min(lowest, level)
            explained = explained or (lowest >= 0 and level_after(level, Fraction(asked - before), bucket) < 1)
    found = false_refusals([refused], calls, bucket, 1)
    assert found == [] if explained else found in ([], [refused])
    if not explained:
        event(f"found: {bool(found)}")


@given(st.lists(small, max_size=6), small, st.integers(1, 4))
def test_slots_are_counted_as_one_would(calls: list[Span], refused: Span, slots: int) -> None:
    held = [sum(call.start_ns <= moment <= call.end_ns for call in calls) for moment in range(12)]
    assert most_at_once(calls) == max(held)
    is_false = all(held[moment] < slots for moment in range(refused.start_ns, refused.end_ns + 1))
    assert false_refusals_of_slots([refused], calls, slots) == ([refused] if is_false else [])


def test_what_is_wrong_is_seen() -> None:
    bucket = Bucket(10, 1_000, 3)
    burst = [Span(0, 5)] * 3
    assert find_moments(burst, bucket, 1) is not None
    assert find_moments([*burst, Span(1, 99)], bucket, 1) is None, "one more than the burst, and nothing refilled"
    assert find_moments([*burst, Span(1, 100)], bucket, 1) is not None
    assert find_moments([*burst, Span(100, 105), Span(100, 105)], bucket, 1) is None
    assert find_moments([Span(0, 10**9)], bucket, 4) is None, "larger than the bucket"
    assert false_refusals([Span(6, 9)], burst[:2], bucket, 1) == [Span(6, 9)]
    assert false_refusals([Span(6, 9)], burst, bucket, 1) == []
    assert false_refusals([Span(110, 120)], burst, bucket, 1) == [Span(110, 120)]
    assert most_at_once([Span(3, 5), Span(5, 8), Span(9, 8)]) == 2
