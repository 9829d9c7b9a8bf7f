"""Could a limit have answered so? Judges what clients saw of a bucket or of slots, each call with the span in which it was decided.

Invariant: nothing is asked of the code that is tested, and nothing is assumed of the order in which calls were decided.

**Admitted by a bucket.** Calls take ``units`` each, at moments t of their own choice inside their spans [s, e]. The level never
falls below zero exactly when, for all u <= v, the calls with t in [u, v] take no more than burst + rate * (v - u). Let a call take
the time p = units / rate of a machine, and let D = burst / rate.

*There are such moments exactly when one machine can do all jobs without interruption, each within [s, e + D].* From moments to the
machine: let it do the jobs in the order of t, as soon as it can. A job that ends at x ends a busy time that began at some u with a
job whose t is u; the jobs of that busy time need x - u <= D + (t - u), so x <= t + D <= e + D, and it began no sooner than t >= s.
From the machine to moments: a job that begins at x has x >= s and x + p <= e + D, so t = min(e, x) is in its span, and as p <= D
its work lies in [t, t + D]. The jobs with t in [u, v] are done within [u, v + D], so they need at most v - u + D: the bound above.

All jobs are of one length, so the machine's question is settled by the algorithm of Garey, Johnson, Simons and Tarjan ("Scheduling
unit-time tasks with arbitrary release times and deadlines", SIAM J. Comput. 10 (1981), https://doi.org/10.1137/0210018): it finds
times at which nothing may begin; then the earliest deadline first succeeds if anything does. As it is quadratic here, that rule is
tried without such times first. Whatever is found is played back on a bucket.

**Refused by a bucket.** What a bucket misses at m is at most what it would miss if every call had taken as late as it could, at
min(e, m) if s <= m, and never more than its depth. For let it miss B, and C by late takes: B <= C + what those took that are not
late yet. That holds at first, while it refills and when a call takes; when its late take comes, C grows by as much unless it is the
depth, which B never exceeds. A refusal in whose span even so much leaves room at each moment is false. Slots are judged alike:
those held for certain are no more than the limit, and a refused call must meet a moment at which all could be held. What is found
is certain; not all that is wrong is found.

Times are integers in ns, levels are units times the period, so nothing is rounded.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple


class Span(NamedTuple):
    """From when to when, both included."""

    start_ns: int
    end_ns: int


class Bucket(NamedTuple):
    """``limit`` units in ``period_ns``; at most ``burst``, with which it begins."""

    limit: int
    period_ns: int
    burst: int


class _Job(NamedTuple):
    release: int
    deadline: int


def find_moments(spans: Sequence[Span], bucket: Bucket, units: int) -> list[int] | None:
    """Moments at which the calls of ``spans`` could each have taken ``units``, in ns times the limit; None: there are none."""
    length, depth = units * bucket.period_ns, bucket.burst * bucket.period_ns
    if not spans or length > depth:
        return None if spans else []
    jobs = [_Job(span.start_ns * bucket.limit, span.end_ns * bucket.limit + depth) for span in spans]
    begins = _schedule(jobs, length, [])
    if begins is None:
        forbidden = _forbidden(jobs, length)
        begins = None if forbidden is None else _schedule(jobs, length, forbidden)
        assert (begins is None) == (forbidden is None), "the algorithm does not keep its promise"
    if begins is None:
        return None
    moments = [min(span.end_ns * bucket.limit, begin) for span, begin in zip(spans, begins, strict=True)]
    assert holds(moments, bucket, units), "a machine's plan is no plan for the bucket"
    return moments


def holds(moments: Iterable[int], bucket: Bucket, units: int) -> bool:
    """Whether a bucket lets calls take at these moments, which are in ns times the limit."""
    full = level = bucket.burst * bucket.period_ns
    before: int | None = None
    for moment in sorted(moments):
        refilled = 0 if before is None else moment - before
        level = min(level + refilled, full) - units * bucket.period_ns
        before = moment
        if level < 0:
            return False
    return True


def false_refusals(refused: Sequence[Span], possible: Sequence[Span], bucket: Bucket, units: int) -> list[Span]:
    """The refused calls for which there was room whenever they were decided. ``possible``: calls that took, or may have."""
    ends = sorted(span.end_ns for span in possible)
    starts = sorted(span.start_ns for span in possible)
    owed_after = _owed(ends, bucket, units)
    room = (bucket.burst - units) * bucket.period_ns

    def most_owed(moment_ns: int) -> int:
        ended = bisect_right(ends, moment_ns)
        under_way = bisect_right(starts, moment_ns) - ended
        settled = max(owed_after[ended - 1] - (moment_ns - ends[ended - 1]) * bucket.limit, 0) if ended else 0
        return settled + under_way * units * bucket.period_ns

    return [span for span in refused if all(most_owed(moment_ns) <= room for moment_ns in _turns(span, starts))]


def most_at_once(certain: Sequence[Span]) -> int:
    """How many are held at the worst moment; a span that ends before it starts is none."""
    changes = [(span.start_ns, 1) for span in certain if span.start_ns <= span.end_ns]
    changes += [(span.end_ns + 1, -1) for span in certain if span.start_ns <= span.end_ns]
    return max(accumulate((step for _, step in sorted(changes)), initial=0))


def false_refusals_of_slots(refused: Sequence[Span], possible: Sequence[Span], slots: int) -> list[Span]:
    """The refused calls in whose span there was always a slot free, though each was held as long as it may have been."""
    starts = sorted(span.start_ns for span in possible)
    ends = sorted(span.end_ns for span in possible)

    def most_held(moment_ns: int) -> int:
        return bisect_right(starts, moment_ns) - bisect_left(ends, moment_ns)

    return [span for span in refused if all(most_held(moment_ns) < slots for moment_ns in _turns(span, starts))]


def _turns(span: Span, starts: list[int]) -> list[int]:
    """Between these moments of a span what is taken can only become less."""
    inside = starts[bisect_left(starts, span.start_ns) : bisect_right(starts, span.end_ns)]
    return [span.start_ns, *inside]


def _owed(moments: Sequence[int], bucket: Bucket, units: int) -> list[int]:
    """What is missing to a full bucket after calls took at each of the moments, in ns; at most all of it."""
    owed, before, found = 0, 0, []
    for moment in moments:
        owed = max(owed - (moment - before) * bucket.limit, 0) + units * bucket.period_ns
        owed = min(owed, bucket.burst * bucket.period_ns)
        before = moment
        found.append(owed)
    return found


def _schedule(jobs: Sequence[_Job], length: int, forbidden: Sequence[tuple[int, int]]) -> list[int] | None:
    """The earliest deadline first, beginning nothing inside a ``forbidden`` time; None when a deadline is missed."""
    order = sorted(range(len(jobs)), key=lambda index: jobs[index].release)
    opens = [since for since, _ in forbidden]
    waiting: list[tuple[int, int]] = []
    begins = [0] * len(jobs)
    now = jobs[order[0]].release
    at = 0
    for _ in jobs:
        if not waiting:
            now = max(now, jobs[order[at]].release)
        place = bisect_left(opens, now) - 1
        if place >= 0 and now < forbidden[place][1]:
            now = forbidden[place][1]
        while at < len(order) and jobs[order[at]].release <= now:
            heapq.heappush(waiting, (jobs[order[at]].deadline, order[at]))
            at += 1
        deadline, index = heapq.heappop(waiting)
        if now + length > deadline:
            return None
        begins[index] = now
        now += length
    return begins


def _forbidden(jobs: Sequence[_Job], length: int) -> list[tuple[int, int]] | None:
    """Open times, in order, at which no job may begin in any plan that keeps all deadlines; None: there is no such plan."""
    deadlines = sorted({job.deadline for job in jobs})
    latest: list[int | None] = [None] * len(deadlines)
    regions: list[tuple[int, int]] = []  # the last one is the earliest
    order = sorted(jobs, key=lambda job: job.release, reverse=True)
    for number, job in enumerate(order):
        for place in range(bisect_left(deadlines, job.deadline), len(deadlines)):
            known = latest[place]
            begin = (deadlines[place] if known is None else known) - length
            latest[place] = _before(regions, begin)
        if number + 1 < len(order) and order[number + 1].release == job.release:
            continue
        first = min(begin for begin in latest if begin is not None)
        if first < job.release:
            return None
        if first < job.release + length:
            since, until = first - length, job.release
            while regions and regions[-1][0] < until:
                since, until = min(since, regions[-1][0]), regions.pop()[1]
            regions.append((since, until))
    return regions[::-1]


def _before(regions: list[tuple[int, int]], moment: int) -> int:
    place = bisect_right(regions, -moment, key=lambda region: -region[0])
    if place < len(regions) and moment < regions[place][1]:
        return regions[place][0]
    return moment
