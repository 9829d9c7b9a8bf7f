"""Prometheus metrics, in the text format, kept by the bookkeeper from the ledger rows that pass through it.

Invariant: serving a call costs nothing for metrics: what is exported is counted where rows are drained, and what never becomes a
row is counted in the shared statistics page. Label sets are bounded: beyond ``MAX_SERIES`` a name's new series are counted as
``other``.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text 0.0.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import add, itemgetter
from typing import Any, Final

from aiohttp import web

from fastgw.domain.money import format_usd
from fastgw.ledger.schema import DIMENSION_COLUMNS
from fastgw.ledger.writer import LATENCY_BOUNDS_NS, Observed
from fastgw.telemetry.stats_page import COUNTERS, GAUGES, StatsPage

MAX_SERIES: Final = 2000
BUCKETS_S: Final = tuple(bound / 1e9 for bound in LATENCY_BOUNDS_NS)
"""Those of the GenAI conventions for durations."""
OTHER: Final = ("other", "", "", 0, "")
_CALL: Final = ("target", "team", "operation", "status", "error_code")
_LABELS: Final = itemgetter(*(DIMENSION_COLUMNS.index(name) for name in ("target", "team", "operation", "error_code")))
_UNITS: Final = ("input", "cached_input", "cache_write_5m", "cache_write_1h", "output", "reasoning")
"""In the order of ``CallGroup.tokens``."""

Labels = tuple[Any, ...]


class _Series:
    """What is added up for one combination of labels."""

    __slots__ = ("buckets", "calls", "latency_ns", "nano_usd", "tokens", "unpriced")

    def __init__(self) -> None:
        self.calls = 0
        self.nano_usd = 0
        self.unpriced = 0
        self.latency_ns = 0
        self.tokens = [0] * len(_UNITS)
        self.buckets = [0] * (len(BUCKETS_S) + 1)


class LedgerMetrics:
    """Counts ledger rows; renders the page. Rows may come from another thread than the one that renders."""

    def __init__(self, stats: StatsPage) -> None:
        self._stats = stats
        self._series: dict[Labels, _Series] = {}

    def observe(self, calls: Observed) -> None:
        """Count calls that were written."""
        for (dimension, status), group in calls.items():
            target, team, operation, error_code = _LABELS(dimension)
            key = (target, team, operation, status, error_code)
            series = self._series.get(key)
            if series is None:
                if len(self._series) >= MAX_SERIES:
                    key = OTHER
                series = self._series.setdefault(key, _Series())
            series.calls += group.calls
            series.unpriced += group.unpriced
            series.nano_usd += group.nano_usd
            series.latency_ns += group.latency_ns
            series.tokens = list(map(add, series.tokens, group.tokens))
            series.buckets = list(map(add, series.buckets, group.buckets))

    def routes(self) -> web.RouteTableDef:
        """``GET /metrics``."""
        routes = web.RouteTableDef()

        @routes.get("/metrics")
        async def metrics(_: web.Request) -> web.StreamResponse:
            return web.Response(
                text=self.render(), headers={"content-type": "text/plain; version=0.0.4; charset=utf-8"}
            )

        return routes

    def render(self) -> str:
        """The page."""
        lines: list[str] = []
        found = list(self._series.items())
        _family(lines, "fastgw_calls_total", "counter", "Calls written to the ledger.")
        lines += [f"fastgw_calls_total{_labels(_CALL, key)} {series.calls}" for key, series in found]
        _family(
            lines, "fastgw_tokens_total", "counter", "Tokens by unit; input includes cached, output includes reasoning."
        )
        for key, series in found:
            for unit, count in zip(_UNITS, series.tokens, strict=True):
                if count:
                    lines.append(f"fastgw_tokens_total{_labels((*_CALL, 'unit'), (*key, unit))} {count}")
        _family(lines, "fastgw_cost_usd_total", "counter", "Cost of priced calls.")
        lines += [f"fastgw_cost_usd_total{_labels(_CALL, key)} {format_usd(series.nano_usd)}" for key, series in found]
        _family(lines, "fastgw_unpriced_calls_total", "counter", "Calls whose price is not known.")
        lines += [
            f"fastgw_unpriced_calls_total{_labels(_CALL, key)} {series.unpriced}"
            for key, series in found
            if series.unpriced
        ]
        _family(lines, "fastgw_call_duration_seconds", "histogram", "From a call's head to its settlement.")
        for key, series in found:
            _histogram(lines, key, series)
        self._render_processes(lines)
        return "\n".join(lines) + "\n"

    def _render_processes(self, lines: list[str]) -> None:
        for name in GAUGES:
            _family(lines, f"fastgw_{name}", "gauge", "Over all processes of this gateway.")
            lines.append(f"fastgw_{name} {self._stats.total(name)}")
        for name in COUNTERS:
            _family(lines, f"fastgw_{name}_total", "counter", "Over all processes of this gateway.")
            lines.append(f"fastgw_{name}_total {self._stats.total(name)}")


def _histogram(lines: list[str], key: Labels, series: _Series) -> None:
    total = 0
    for bound, count in zip((*BUCKETS_S, "+Inf"), list(series.buckets), strict=True):
        total += count
        lines.append(f"fastgw_call_duration_seconds_bucket{_labels((*_CALL, 'le'), (*key, bound))} {total}")
    lines.append(f"fastgw_call_duration_seconds_sum{_labels(_CALL, key)} {series.latency_ns / 1e9:.9f}")
    lines.append(f"fastgw_call_duration_seconds_count{_labels(_CALL, key)} {total}")


def _family(lines: list[str], name: str, kind: str, text: str) -> None:
    lines.append(f"# HELP {name} {text}")
    lines.append(f"# TYPE {name} {kind}")


def _labels(names: Sequence[str], values: Labels) -> str:
    escaped = (str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for value in values)
    return "{" + ",".join(f'{name}="{value}"' for name, value in zip(names, escaped, strict=True)) + "}"
