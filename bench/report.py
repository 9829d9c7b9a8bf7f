"""Results of the comparison: from samples to a row, to a table, to the acceptance lines. Pure, prints nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from typing_extensions import override

from bench.measure import median
from bench.payloads import Case

SUBJECT = "fastgw"
DIRECT = "direct"
CPU_LIMIT_PLAIN = 1.8
CPU_LIMIT_STREAMED = 2.0
CPU_LIMIT_AIOHTTP = 0.2
P99_LIMIT = 3.0
P99_RATE_PER_S = 1000
QUIET_CORES = 0.1
"""Neighbours that use more than this make figures rough: they evict caches and delay wake-ups."""
RESOLUTION_US = 10.0
"""Added latency below this is noise of timer and scheduler; a ratio is never taken against less."""


@dataclass(frozen=True)
class Throughput:
    """One closed-loop run of one contender."""

    requests_per_s: float
    cpu_us_per_request: float
    busy_ratio: float
    failed: int
    others_cores: float = 0.0
    """Cores that processes which are not the bench's kept busy meanwhile."""


@dataclass(frozen=True)
class Latency:
    """One open-loop run: microseconds from the due time to the last byte, of a stream to the first."""

    p50_us: float
    p99_us: float
    failed: int
    reads_per_answer: float


@dataclass
class Row:
    """Everything measured of one contender in one case; the lists hold one sample a round."""

    contender: str
    throughput: list[Throughput] = field(default_factory=list)
    latency: dict[int, list[Latency]] = field(default_factory=dict)
    rss_bytes: int = 0

    @property
    def cpu_us(self) -> float:
        return median(sample.cpu_us_per_request for sample in self.throughput)

    @property
    def requests_per_s(self) -> float:
        return median(sample.requests_per_s for sample in self.throughput)

    @property
    def busy_ratio(self) -> float:
        return median(sample.busy_ratio for sample in self.throughput)

    @property
    def latency_failed(self) -> int:
        """Failed and skipped: of a contender that cannot sustain the rate, not a fault but its limit."""
        return sum(sample.failed for samples in self.latency.values() for sample in samples)

    @property
    def failed(self) -> int:
        return sum(sample.failed for sample in self.throughput) + self.latency_failed

    def p50_us(self, rate_per_s: int) -> float:
        return median(sample.p50_us for sample in self.latency[rate_per_s])

    def p99_us(self, rate_per_s: int) -> float:
        return median(sample.p99_us for sample in self.latency[rate_per_s])


@dataclass
class CaseResult:
    """The rows of one case by contender. ``direct`` has latencies only."""

    case: Case
    rows: dict[str, Row]

    def added_p50_us(self, contender: str, rate_per_s: int) -> float:
        return self.rows[contender].p50_us(rate_per_s) - self.rows[DIRECT].p50_us(rate_per_s)

    def added_p99_us(self, contender: str, rate_per_s: int) -> float:
        return self.rows[contender].p99_us(rate_per_s) - self.rows[DIRECT].p99_us(rate_per_s)


@dataclass(frozen=True)
class Verdict:
    """One acceptance line. ``is_met`` is ``None`` when the run did not measure it."""

    text: str
    is_met: bool | None

    @override
    def __str__(self) -> str:
        return f"{ {True: 'PASS', False: 'FAIL', None: ' -- '}[self.is_met] }  {self.text}"


def render(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of text: the first column to the left, the others to the right."""
    widths = [max(len(line[column]) for line in (header, *rows)) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (header, *rows)
    )


def table(result: CaseResult) -> str:
    """The table of a case. Latencies of ``direct`` are absolute, those of the others what they add to it."""
    rates = sorted({rate for row in result.rows.values() for rate in row.latency})
    header = ["contender", "req/s", "CPU us/req", "vs nginx", "busy"]
    header += [f"p50/p99 us @{rate}" for rate in rates] + ["reads", "RSS MB", "failed", "others"]
    nginx = result.rows.get("nginx")
    lines = []
    for row in result.rows.values():
        cells = [row.contender, "", "", "", ""]
        if row.throughput:
            ratio = f"{row.cpu_us / nginx.cpu_us:.2f}" if nginx else ""
            cells[1:] = [f"{row.requests_per_s:,.0f}", f"{row.cpu_us:.1f}", ratio, f"{row.busy_ratio:.0%}"]
        for rate in rates:
            if row.contender == DIRECT:
                cells.append(f"{row.p50_us(rate):.0f}/{row.p99_us(rate):.0f}")
            else:
                added = result.added_p50_us(row.contender, rate), result.added_p99_us(row.contender, rate)
                cells.append(f"{added[0]:+.0f}/{added[1]:+.0f}")
        reads = [sample.reads_per_answer for rate in rates[:1] for sample in row.latency.get(rate, [])]
        cells.append(f"{median(reads):.1f}" if reads else "")
        cells += [f"{row.rss_bytes / 1e6:.1f}" if row.rss_bytes else "", str(row.failed)]
        others = [sample.others_cores for sample in row.throughput]
        cells.append(f"{max(others):.2f}" if others else "")
        lines.append(cells)
    title = f"{result.case.name}" + (" (latency: first byte)" if result.case.streamed else "")
    return f"{title}\n{render(header, lines)}"


def _cpu_verdict(result: CaseResult, other: str, limit: float) -> Verdict:
    text = f"{result.case.name}: CPU a request, fastgw / {other} <= {limit}"
    subject, compared = result.rows.get(SUBJECT), result.rows.get(other)
    if not (subject and compared and subject.throughput and compared.throughput):
        return Verdict(f"{text}: not measured", None)
    ratio = subject.cpu_us / compared.cpu_us
    nginx = result.rows.get("nginx")
    floor = f" (nginx itself: {nginx.cpu_us / compared.cpu_us:.2f})" if nginx and other != "nginx" else ""
    return Verdict(f"{text}: {ratio:.2f}{floor}", ratio <= limit)


def _p99_verdict(result: CaseResult) -> Verdict:
    text = f"{result.case.name}: added p99 at {P99_RATE_PER_S:,}/s, fastgw / nginx <= {P99_LIMIT}"
    rows = result.rows
    if not all(name in rows and P99_RATE_PER_S in rows[name].latency for name in (DIRECT, SUBJECT, "nginx")):
        return Verdict(f"{text}: not measured", None)
    ours_us = result.added_p99_us(SUBJECT, P99_RATE_PER_S)
    nginx_us = result.added_p99_us("nginx", P99_RATE_PER_S)
    ratio = ours_us / max(nginx_us, RESOLUTION_US)
    return Verdict(f"{text}: {ours_us:.0f} us / {nginx_us:.0f} us = {ratio:.2f}", ratio <= P99_LIMIT)


def verdicts(results: Sequence[CaseResult]) -> list[Verdict]:
    """The acceptance lines of every case that was run, and one that all requests were answered."""
    found = []
    for result in results:
        limit = CPU_LIMIT_STREAMED if result.case.streamed else CPU_LIMIT_PLAIN
        found.append(_cpu_verdict(result, "nginx", limit))
        found.append(_cpu_verdict(result, "aiohttp", CPU_LIMIT_AIOHTTP))
        found.append(_p99_verdict(result))
    samples = [sample for result in results for row in result.rows.values() for sample in row.throughput]
    failed = sum(sample.failed for sample in samples)
    failed += sum(result.rows[SUBJECT].latency_failed for result in results if SUBJECT in result.rows)
    found.append(Verdict(f"failed requests (closed loop: all, open loop: {SUBJECT}): {failed}", failed == 0))
    others = max((sample.others_cores for sample in samples), default=0.0)
    if others > QUIET_CORES:
        found.append(Verdict(f"not a quiet machine: others kept {others:.2f} cores busy, figures are rough", None))
    return found


def as_json(environment: Mapping[str, str], results: Sequence[CaseResult]) -> dict[str, object]:
    """Every sample of the run, for a file."""
    return {
        "environment": dict(environment),
        "cases": [
            {"case": result.case._asdict(), "rows": [dataclasses.asdict(row) for row in result.rows.values()]}
            for result in results
        ],
        "verdicts": [dataclasses.asdict(verdict) for verdict in verdicts(results)],
    }
