"""Counters that processes share without a lock: one writer a row, anybody adds up."""

from __future__ import annotations

import os

import pytest

from fastgw.telemetry.stats_page import COUNTERS, FIELDS, GAUGES, StatsPage, readiness


def test_rows_do_not_touch_each_other() -> None:
    page = StatsPage(3)
    for index in range(3):
        for place, name in enumerate(FIELDS):
            page.row(index).put(name, 100 * index + place)
    for index in range(3):
        assert [page.row(index).get(name) for name in FIELDS] == [100 * index + place for place in range(len(FIELDS))]
    assert page.total(FIELDS[2]) == 2 + 102 + 202


def test_counts_add_up_and_gauges_are_set() -> None:
    page = StatsPage(2)
    page.row(0).add("client_gone")
    page.row(0).add("client_gone", 4)
    page.row(1).add("client_gone")
    page.row(1).put("in_flight", 9)
    page.row(1).put("in_flight", 3)
    assert page.total("client_gone") == 6
    assert page.total("in_flight") == 3
    assert not set(GAUGES) & set(COUNTERS)


@pytest.mark.parametrize("index", [-1, 2])
def test_there_is_no_other_row(index: int) -> None:
    with pytest.raises(IndexError, match=r"row: expected 0\.\.1"):
        StatsPage(2).row(index)


def test_what_a_forked_process_counts_is_seen_by_its_parent() -> None:
    page = StatsPage(2)
    pid = os.fork()
    if pid == 0:
        page.row(1).add("reloads", 7)
        page.row(1).put("ready", 1)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert page.row(1).get("reloads") == 7
    assert page.total("ready") == 1


def test_readiness_names_each_trouble() -> None:
    page = StatsPage(2)
    row = page.row(1)
    row.put("ready", 1)
    assert readiness(page) == {"status": "ok", "workers_ready": 1, "reasons": []}
    row.put("journal_problem", 1)
    row.put("journal_buffered", 12)
    page.row(0).put("ledger_problem", 1)
    row.put("journal_lost", 3)
    found = readiness(page)
    assert found["status"] == "degraded"
    assert found["reasons"] == [
        "the journal cannot be written; 12 records wait in memory",
        "the ledger database cannot be written; records wait in the journal",
        "3 records were lost because no buffer was left",
    ]
    row.put("journal_problem", 0)
    row.put("journal_lost", 0)
    page.row(0).put("ledger_problem", 0)
    assert readiness(page)["status"] == "ok"
