"""What the command line shows of the ledger: blocking calls from a path to a text.

Owns nothing; opens the file for reading, asks, renders. Parses no arguments and prints nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fastgw.ledger.queries import spend_query, spend_row
from fastgw.ledger.table import Format, render_spend
from fastgw.ledger.verify import render_verification, verify
from fastgw.storage.sqlite import open_reader


def spend_report(
    db_path: str | Path,
    by: Sequence[str] = (),
    since_ns: int | None = None,
    until_ns: int | None = None,
    layout: Format = "table",
) -> str:
    """The spend of [``since_ns``, ``until_ns``) grouped by ``by``.

    Raises ``ValueError`` for a field that does not exist, ``sqlite3.Error`` when the file cannot be read.
    """
    query = spend_query(by, since_ns, until_ns)
    connection = open_reader(db_path)
    try:
        rows = [spend_row(tuple(row), len(by)) for row in connection.execute(*query)]
    finally:
        connection.close()
    return render_spend(rows, by, layout)


def verify_report(db_path: str | Path) -> tuple[str, bool]:
    """The findings as text, and whether there were none."""
    result = verify(Path(db_path))
    return render_verification(result), not result.findings
