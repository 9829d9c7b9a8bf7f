"""Exact money, harmless text."""

from __future__ import annotations

import csv
import io

import msgspec

from fastgw.ledger.queries import Spend
from fastgw.ledger.table import render_spend


def spend(*group: str | int | None, **sums: int) -> Spend:
    values = dict.fromkeys(Spend.__struct_fields__[1:], 0)
    return Spend(group=group, **(values | sums))


ROWS = [
    spend("a", "x", calls=2, cost_nano_usd=9_007_199_254_740_993),
    spend("b\x1b[31m\n", None, calls=1, errors=1, cost_nano_usd=1, reasoning_tokens=7),
]


def test_the_table_shows_units_that_were_used_and_totals() -> None:
    assert render_spend(ROWS, ["team", "model"], "table") == (
        "team     model  calls  errors  input_tokens  output_tokens  reasoning_tokens           cost_usd\n"
        "-------  -----  -----  ------  ------------  -------------  ----------------  -----------------\n"
        "a        x          2       0             0              0                 0   9007199.254740993\n"
        "b?[31m?  -          1       1             0              0                 7        0.000000001\n"
        "total               3       1             0              0                 7  9007199.254740994\n"
    ).replace("   9007199.254740993", "  9007199.254740993")


def test_without_groups_there_is_one_line() -> None:
    assert render_spend([spend(calls=1)], [], "table").splitlines() == [
        "calls  errors  input_tokens  output_tokens  cost_usd",
        "-----  ------  ------------  -------------  --------",
        "    1       0             0              0         0",
    ]


def test_no_rows() -> None:
    assert render_spend([], ["team"], "table").splitlines()[-1].split() == ["total", "0", "0", "0", "0", "0"]
    assert render_spend([], ["team"], "json") == "[]\n"
    assert len(render_spend([], ["team"], "csv").splitlines()) == 1


def test_json_has_exact_money() -> None:
    (first, second) = msgspec.json.decode(render_spend(ROWS, ["team", "model"], "json"))
    assert first["group"] == {"team": "a", "model": "x"}
    assert (first["cost_nano_usd"], first["cost_usd"]) == (9_007_199_254_740_993, "9007199.254740993")
    assert second["group"]["model"] is None
    assert second["reasoning_tokens"] == 7


def test_csv_cells_run_nothing_in_a_spreadsheet() -> None:
    rows = [spend(start + "1+1", calls=1) for start in ("=", "+", "-", "@", "\t=", "\r=", "ok")]
    lines = list(csv.reader(io.StringIO(render_spend(rows, ["metadata.=x"], "csv"), newline="")))
    assert lines[0][0] == "metadata.=x"
    assert [line[0] for line in lines[1:]] == ["'=1+1", "'+1+1", "'-1+1", "'@1+1", "'\t=1+1", "'\r=1+1", "ok1+1"]
    assert lines[1][1] == "1"
    assert lines[0][-1] == "cost_usd"
