from __future__ import annotations

from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from fastgw.admin import metrics_text
from fastgw.admin.metrics_text import LedgerMetrics
from fastgw.domain.entry import LedgerEntry
from fastgw.telemetry.stats_page import StatsPage


def row(**fields: Any) -> tuple[Any, ...]:
    entry = LedgerEntry(1, "r", 1, "k", target="up/m", team="t", operation="chat", status=200, cost_nano_usd=0)
    return msgspec.structs.astuple(msgspec.structs.replace(entry, **fields))


def samples(metrics: LedgerMetrics) -> dict[tuple[str, str], float]:
    """The page as an independent parser reads it: (name, one label's value or nothing) to value."""
    found: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(metrics.render()):
        for sample in family.samples:
            found[
                sample.name, sample.labels.get("unit") or sample.labels.get("le") or sample.labels.get("target", "")
            ] = sample.value
    return found


def test_rows_are_added_up() -> None:
    metrics = LedgerMetrics(StatsPage(1))
    metrics.observe([row(input_tokens=10, output_tokens=4, cost_nano_usd=1500, latency_ns=30_000_000)])
    metrics.observe([row(input_tokens=5, cached_input_tokens=3, cost_nano_usd=None, latency_ns=900_000_000_000)] * 2)
    page = samples(metrics)
    assert page["fastgw_calls_total", "up/m"] == 3
    assert page["fastgw_cost_usd_total", "up/m"] == 0.0000015
    assert page["fastgw_unpriced_calls_total", "up/m"] == 2
    assert (page["fastgw_tokens_total", "input"], page["fastgw_tokens_total", "output"]) == (20, 4)
    assert page["fastgw_tokens_total", "cached_input"] == 6
    buckets = [page["fastgw_call_duration_seconds_bucket", le] for le in ("0.02", "0.04", "81.92", "+Inf")]
    assert buckets == [0, 1, 1, 3]


def test_the_processes_are_added_up() -> None:
    stats = StatsPage(2)
    stats.row(0).add("unknown_key", 2)
    stats.row(1).add("unknown_key")
    stats.row(1).put("in_flight", 7)
    page = samples(LedgerMetrics(stats))
    assert page["fastgw_unknown_key_total", ""] == 3
    assert page["fastgw_in_flight", ""] == 7


def test_labels_are_escaped() -> None:
    metrics = LedgerMetrics(StatsPage(1))
    metrics.observe([row(target='a"b\\c\nd')])
    assert ("fastgw_calls_total", 'a"b\\c\nd') in samples(metrics)


def test_the_number_of_series_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_text, "MAX_SERIES", 3)
    metrics = LedgerMetrics(StatsPage(1))
    metrics.observe([row(target=f"up/{number}") for number in range(10)])
    page = samples(metrics)
    assert page["fastgw_calls_total", "other"] == 7
    assert sum(value for (name, _), value in page.items() if name == "fastgw_calls_total") == 10
