"""From a path to a text."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from fastgw.ledger.report import spend_report, verify_report
from tests.unit.ledger.conftest import CALLS


def test_spend(ledger: Path) -> None:
    lines = spend_report(ledger, ["model"]).splitlines()
    assert lines[2].split() == ["gpt-4", "3", "0", "10", "4", "0", "1", "2.000001501"]
    assert (
        spend_report(ledger, ["team"], CALLS[1].started_ns, CALLS[2].started_ns, "csv")
        .splitlines()[1]
        .startswith("a,1,0,")
    )
    assert '"cost_usd": "2.000001501"' in spend_report(ledger, layout="json")
    with pytest.raises(sqlite3.Error):
        spend_report(ledger.with_name("none.db"))


def test_verify(ledger: Path) -> None:
    text, good = verify_report(ledger)
    assert good
    assert text == "4 calls, 1 errors, 2.000001501 USD, 1 unpriced, 1 unknown\nok\n"
    connection = sqlite3.connect(ledger)
    connection.execute("UPDATE calls SET cost_nano_usd = -1")
    connection.commit()
    connection.close()
    text, good = verify_report(ledger)
    assert not good
    assert text.splitlines()[0].startswith("FINDING  negative cost: 4 rows")
    assert text.splitlines()[-1] == "1 findings"
