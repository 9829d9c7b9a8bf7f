"""The metrics page, read by an independent parser, against sums done by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import aiohttp
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from fastgw._native.call_groups import group_calls
from fastgw.admin.metrics_text import BUCKETS_S, MAX_SERIES, LedgerMetrics
from fastgw.admin.site import AdminSite
from fastgw.app.demo import free_port
from fastgw.domain.entry import LedgerEntry
from fastgw.ledger.schema import call_values, dimension_of
from fastgw.ledger.writer import LATENCY_BOUNDS_NS, Observed
from fastgw.telemetry.stats_page import COUNTERS, GAUGES, StatsPage
from tests.model.calls import settled

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def row(number: int = 0, **fields: Any) -> LedgerEntry:
    return settled(number, **fields)


def told(rows: Iterable[LedgerEntry]) -> Observed:
    """Calls as the ledger's writer tells of them."""
    dimensions: dict[tuple[Any, ...], int] = {}
    values = []
    for entry in rows:
        whole = msgspec.structs.astuple(entry)
        dimension = dimensions.setdefault(dimension_of(whole), len(dimensions))
        values.append((*call_values(whole), dimension))
    names = {id_: name for name, id_ in dimensions.items()}
    groups = group_calls(values, LATENCY_BOUNDS_NS)
    return {(names[id_], status): group for (id_, status), group in groups.items()}


def parse(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def key(name: str, **labels: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    call = {"target": "", "team": "", "operation": "", "status": "200", "error_code": ""}
    return name, tuple(sorted({**call, **labels}.items()))


def test_rows_add_up_by_who_asked_what() -> None:
    metrics = LedgerMetrics(StatsPage(1))
    metrics.observe(
        told(
            [
                row(
                    0, team="a", target="p/m", input_tokens=10, cached_input_tokens=4, output_tokens=3, cost_nano_usd=7
                ),
                row(1, team="a", target="p/m", input_tokens=1, reasoning_tokens=1, cost_nano_usd=2_000_000_000),
                row(2, team="b", target="p/m", status=502, error_code="provider_timeout", cost_nano_usd=None),
            ]
        )
    )
    metrics.observe(told([row(3, team="a", target="p/m", cost_nano_usd=1)]))
    found = parse(metrics.render())
    a: dict[str, str] = {"team": "a", "target": "p/m"}
    assert found[key("fastgw_calls_total", **a)] == 3
    assert found[key("fastgw_cost_usd_total", **a)] == 2.000000008
    assert found[key("fastgw_tokens_total", unit="input", **a)] == 11
    assert found[key("fastgw_tokens_total", unit="cached_input", **a)] == 4
    assert found[key("fastgw_tokens_total", unit="output", **a)] == 3
    assert found[key("fastgw_tokens_total", unit="reasoning", **a)] == 1
    b = {"team": "b", "target": "p/m", "status": "502", "error_code": "provider_timeout"}
    assert found[key("fastgw_unpriced_calls_total", **b)] == 1
    assert found[key("fastgw_cost_usd_total", **b)] == 0
    assert key("fastgw_unpriced_calls_total", **a) not in found


def test_durations_are_in_cumulative_buckets() -> None:
    metrics = LedgerMetrics(StatsPage(1))
    durations_ns = [0, 10_000_000, 10_000_001, 2_560_000_000, 500_000_000_000]
    metrics.observe(told([row(number, latency_ns=ns) for number, ns in enumerate(durations_ns)]))
    found = parse(metrics.render())
    counts = [found[key("fastgw_call_duration_seconds_bucket", le=bound)] for bound in (*map(str, BUCKETS_S), "+Inf")]
    assert counts == [sum(ns <= bound * 1e9 for ns in durations_ns) for bound in (*BUCKETS_S, float("inf"))]
    assert found[key("fastgw_call_duration_seconds_count")] == len(durations_ns)
    assert found[key("fastgw_call_duration_seconds_sum")] == sum(durations_ns) / 1e9


def test_labels_of_callers_cannot_break_the_page() -> None:
    metrics = LedgerMetrics(StatsPage(1))
    ugly = 'a"b\\c\nfastgw_calls_total 99\n# HELP é{}'
    metrics.observe(told([row(0, target=ugly)]))
    assert parse(metrics.render())[key("fastgw_calls_total", target=ugly)] == 1


def test_names_without_end_are_counted_as_other() -> None:
    metrics = LedgerMetrics(StatsPage(1))
    metrics.observe(told([row(number, target=f"p/{number}", cost_nano_usd=1) for number in range(MAX_SERIES + 500)]))
    metrics.observe(told([row(0, target="p/0", cost_nano_usd=1)]))
    found = parse(metrics.render())
    calls = {labels: value for (name, labels), value in found.items() if name == "fastgw_calls_total"}
    assert len(calls) == MAX_SERIES + 1
    assert sum(calls.values()) == MAX_SERIES + 501
    assert found[key("fastgw_calls_total", target="other", status="0")] == 500
    assert found[key("fastgw_calls_total", target="p/0")] == 2


def test_the_page_tells_of_all_processes_over_http() -> None:
    stats = StatsPage(3)
    for index in range(3):
        for place, name in enumerate((*GAUGES, *COUNTERS)):
            stats.row(index).put(name, place + index)
    metrics = LedgerMetrics(stats)
    metrics.observe(told([row(0)]))

    async def main() -> tuple[str, str]:
        port = free_port()
        site = AdminSite([metrics.routes()], "t", stats)
        await site.open("127.0.0.1", port)
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
            text, kind = await answer.text(), answer.headers["content-type"]
        await site.close()
        return text, kind

    text, kind = asyncio.run(main())
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    found = parse(text)
    for place, name in enumerate(GAUGES):
        assert found[f"fastgw_{name}", ()] == 3 * place + 3
    for place, name in enumerate(COUNTERS, len(GAUGES)):
        assert found[f"fastgw_{name}_total", ()] == 3 * place + 3
