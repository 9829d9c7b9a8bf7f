"""From samples to rows, tables and acceptance lines."""

from __future__ import annotations

import json

import pytest

from bench.payloads import CASES, Case
from bench.report import CaseResult, Latency, Row, Throughput, Verdict, as_json, render, table, verdicts

PLAIN = CASES[0]
STREAMED = next(case for case in CASES if case.streamed)


def make_row(name: str, cpu_us: float, p99_us: float) -> Row:
    samples = [Throughput(1e6 / cpu, cpu, 0.9, 0) for cpu in (cpu_us * 3, cpu_us, cpu_us * 0.5)]
    latency = {1000: [Latency(p99 / 2, p99, 0, 1.0) for p99 in (p99_us, p99_us * 9, p99_us - 1)]}
    return Row(name, samples, latency, 50_000_000)


def make_result(case: Case = PLAIN, *, fastgw_us: float = 40.0, fastgw_p99_us: float = 390.0) -> CaseResult:
    rows = {
        "direct": Row("direct", [], {1000: [Latency(60, 100, 0, 1.0)]}),
        "nginx": make_row("nginx", 25.0, 200.0),
        "aiohttp": make_row("aiohttp", 300.0, 900.0),
        "fastgw": make_row("fastgw", fastgw_us, fastgw_p99_us),
    }
    return CaseResult(case, rows)


def outcome(result: CaseResult, part: str) -> bool | None:
    (line,) = [line for line in verdicts([result]) if part in line.text]
    return line.is_met


def test_row_takes_the_median_of_its_rounds() -> None:
    row = make_row("nginx", 25.0, 200.0)
    assert row.cpu_us == 25.0
    assert row.requests_per_s == 40_000
    assert row.p99_us(1000) == 200.0
    assert row.busy_ratio == 0.9


def test_added_latency_is_over_direct() -> None:
    assert make_result().added_p99_us("nginx", 1000) == 100.0
    assert make_result().added_p50_us("nginx", 1000) == 40.0


@pytest.mark.parametrize(("cpu_us", "is_met"), [(45.0, True), (45.1, False)])
def test_plain_limit_against_nginx(cpu_us: float, is_met: bool) -> None:
    assert outcome(make_result(fastgw_us=cpu_us), "fastgw / nginx <= 1.8") is is_met


@pytest.mark.parametrize(("cpu_us", "is_met"), [(50.0, True), (50.1, False)])
def test_streamed_limit_against_nginx(cpu_us: float, is_met: bool) -> None:
    assert outcome(make_result(STREAMED, fastgw_us=cpu_us), "fastgw / nginx <= 2.0") is is_met


@pytest.mark.parametrize(("cpu_us", "is_met"), [(60.0, True), (60.1, False)])
def test_limit_against_aiohttp(cpu_us: float, is_met: bool) -> None:
    assert outcome(make_result(fastgw_us=cpu_us), "fastgw / aiohttp") is is_met


@pytest.mark.parametrize(("p99_us", "is_met"), [(400.0, True), (401.0, False)])
def test_added_p99_limit(p99_us: float, is_met: bool) -> None:
    assert outcome(make_result(fastgw_p99_us=p99_us), "added p99") is is_met


@pytest.mark.parametrize(("p99_us", "is_met"), [(130.0, True), (131.0, False)])
def test_added_p99_is_never_compared_with_less_than_the_resolution(p99_us: float, is_met: bool) -> None:
    result = make_result(fastgw_p99_us=p99_us)
    result.rows["nginx"].latency[1000] = [Latency(60, 99, 0, 1.0)]
    assert outcome(result, "added p99") is is_met


def test_what_was_not_run_is_not_judged() -> None:
    result = make_result()
    del result.rows["fastgw"]
    assert [line.is_met for line in verdicts([result])] == [None, None, None, True]


def test_one_failed_request_of_the_closed_loop_fails() -> None:
    result = make_result()
    result.rows["nginx"].throughput.append(Throughput(1, 1, 1, 1))
    assert outcome(result, "failed requests") is False


@pytest.mark.parametrize(("name", "is_met"), [("aiohttp", True), ("fastgw", False)])
def test_an_overload_is_a_failure_of_fastgw_only(name: str, is_met: bool) -> None:
    result = make_result()
    result.rows[name].latency[1000].append(Latency(1, 1, 1, 1))
    assert outcome(result, "failed requests") is is_met
    assert result.rows[name].failed == 1


def test_neighbours_are_named() -> None:
    result = make_result()
    assert all("quiet" not in line.text for line in verdicts([result]))
    result.rows["nginx"].throughput.append(Throughput(1, 1, 1, 0, 0.11))
    assert outcome(result, "not a quiet machine") is None


def test_table_has_a_line_each() -> None:
    title, header, *lines = table(make_result()).splitlines()
    assert title == "1k-plain-http"
    assert header.split()[:2] == ["contender", "req/s"]
    assert [line.split()[0] for line in lines] == ["direct", "nginx", "aiohttp", "fastgw"]
    assert lines[1].split() == ["nginx", "40,000", "25.0", "1.00", "90%", "+40/+100", "1.0", "50.0", "0", "0.00"]
    assert lines[3].split()[3] == "1.60"


def test_render_aligns() -> None:
    assert render(["a", "b"], [["long", "1"], ["x", "234"]]) == "a       b\nlong    1\nx     234"


def test_verdict_text() -> None:
    assert str(Verdict("a", True)).startswith("PASS")
    assert str(Verdict("a", False)).startswith("FAIL")
    assert str(Verdict("a", None)).startswith(" -- ")


def test_json_holds_every_sample() -> None:
    found = json.loads(json.dumps(as_json({"cpu": "x"}, [make_result()])))
    assert found["environment"] == {"cpu": "x"}
    rows = found["cases"][0]["rows"]
    assert [len(row["throughput"]) for row in rows] == [0, 3, 3, 3]
    assert len(found["verdicts"]) == 4
