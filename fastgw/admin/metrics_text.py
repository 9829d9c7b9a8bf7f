"""Prometheus metrics, in the text format, kept by the bookkeeper from the ledger rows that pass through it.

Invariant: serving a call costs nothing for metrics: what is exported is counted where rows are drained, and what never becomes a row
is counted in the shared statistics page. Label sets are bounded: beyond ``MAX_SERIES`` a name's new series are counted as ``other``.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text 0.0.4).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from fastgw.domain.entry import LedgerEntry
from fastgw.domain.money import format_usd
from fastgw.telemetry.stats_page import COUNTERS, GAUGES, StatsPage

MAX_SERIES: Final = 2000
BUCKETS_S: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""Those of the GenAI conventions for durations."""
_TOKENS: Final = (
    ("input", "input_tokens"),
    ("cached_input", "cached_input_tokens"),
    ("cache_write_5m", "cache_write_5m_tokens"),
    ("cache_write_1h", "cache_write_1h_tokens"),
    ("output", "output_tokens"),
    ("reasoning", "reasoning_tokens"),
)
Labels = tuple[str, ...]


class LedgerMetrics:
    """Counts settled rows; renders the page."""

    def __init__(self, stats: StatsPage) -> None:
        self._stats = stats
        self._calls: dict[Labels, int] = {}
        self._tokens: dict[Labels, list[int]] = {}
        self._nano_usd: dict[Labels, int] = {}
        self._unpriced: dict[Labels, int] = {}
        self._seconds: dict[Labels, list[int]] = {}
        self._seconds_sum_ns: dict[Labels, int] = {}

    def observe(self, entries: Sequence[LedgerEntry]) -> None:
        """Count rows that were written for the first time."""
        for entry in entries:
            target = (entry.target, entry.team)
            call = _bounded(self._calls, (entry.target, entry.team, entry.operation, str(entry.status), entry.error_code))
            self._calls[call] = self._calls.get(call, 0) + 1
            group = _bounded(self._tokens, target)
            tokens = self._tokens.setdefault(group, [0] * len(_TOKENS))
            for index, (_, name) in enumerate(_TOKENS):
                tokens[index] += getattr(entry, name)
            if entry.cost_nano_usd is None:
                self._unpriced[group] = self._unpriced.get(group, 0) + 1
            else:
                self._nano_usd[group] = self._nano_usd.get(group, 0) + entry.cost_nano_usd
            duration = _bounded(self._seconds, (entry.target, entry.operation))
            counts = self._seconds.setdefault(duration, [0] * (len(BUCKETS_S) + 1))
            counts[bisect_left(BUCKETS_S, entry.latency_ns / 1e9)] += 1
            self._seconds_sum_ns[duration] = self._seconds_sum_ns.get(duration, 0) + entry.latency_ns

    def routes(self) -> web.RouteTableDef:
        """``GET /metrics``."""
        routes = web.RouteTableDef()

        @routes.get("/metrics")
        async def metrics(_: web.Request) -> web.StreamResponse:
            return web.Response(text=self.render(), headers={"content-type": "text/plain; version=0.0.4; charset=utf-8"})

        return routes

    def render(self) -> str:
        """The page."""
        lines: list[str] = []
        _family(lines, "fastgw_calls_total", "counter", "Calls written to the ledger.")
        names = ("target", "team", "operation", "status", "error_code")
        lines += [f"fastgw_calls_total{_labels(names, key)} {count}" for key, count in self._calls.items()]
        _family(lines, "fastgw_tokens_total", "counter", "Tokens by unit; input includes cached, output includes reasoning.")
        for key, counts in self._tokens.items():
            for (unit, _), count in zip(_TOKENS, counts, strict=True):
                lines.append(f"fastgw_tokens_total{_labels(('target', 'team', 'unit'), (*key, unit))} {count}")
        _family(lines, "fastgw_cost_usd_total", "counter", "Cost of priced calls.")
        lines += [f"fastgw_cost_usd_total{_labels(('target', 'team'), key)} {format_usd(cost)}" for key, cost in self._nano_usd.items()]
        _family(lines, "fastgw_unpriced_calls_total", "counter", "Calls whose price is not known.")
        lines += [f"fastgw_unpriced_calls_total{_labels(('target', 'team'), key)} {count}" for key, count in self._unpriced.items()]
        self._render_durations(lines)
        self._render_processes(lines)
        return "\n".join(lines) + "\n"

    def _render_durations(self, lines: list[str]) -> None:
        _family(lines, "fastgw_call_duration_seconds", "histogram", "From a call's head to its settlement.")
        names = ("target", "operation")
        for key, counts in self._seconds.items():
            total = 0
            for bound, count in zip((*BUCKETS_S, "+Inf"), counts, strict=True):
                total += count
                lines.append(f"fastgw_call_duration_seconds_bucket{_labels((*names, 'le'), (*key, str(bound)))} {total}")
            lines.append(f"fastgw_call_duration_seconds_sum{_labels(names, key)} {self._seconds_sum_ns[key] / 1e9:.9f}")
            lines.append(f"fastgw_call_duration_seconds_count{_labels(names, key)} {total}")

    def _render_processes(self, lines: list[str]) -> None:
        for name in GAUGES:
            _family(lines, f"fastgw_{name}", "gauge", "Over all processes of this gateway.")
            lines.append(f"fastgw_{name} {self._stats.total(name)}")
        for name in COUNTERS:
            _family(lines, f"fastgw_{name}_total", "counter", "Over all processes of this gateway.")
            lines.append(f"fastgw_{name}_total {self._stats.total(name)}")


def _bounded(series: dict[Labels, object] | dict[Labels, int] | dict[Labels, list[int]], key: Labels) -> Labels:
    return key if key in series or len(series) < MAX_SERIES else ("other",) * len(key)


def _family(lines: list[str], name: str, kind: str, text: str) -> None:
    lines.append(f"# HELP {name} {text}")
    lines.append(f"# TYPE {name} {kind}")


def _labels(names: Sequence[str], values: Sequence[str]) -> str:
    escaped = (value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for value in values)
    return "{" + ",".join(f'{name}="{value}"' for name, value in zip(names, escaped, strict=True)) + "}"
