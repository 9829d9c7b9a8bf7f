"""Do the books balance: what clients saw, what the ledger says and what the provider bills, call by call."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Books:
    """The figures of a run. ``findings`` is empty when every promise was kept."""

    whole: int
    lost: int
    duplicated: int
    settled: int
    unknown: int
    unrecorded: int
    unequal: int
    ledger_nano_usd: int
    bill_nano_usd: int
    open_entries: int
    integrity: str

    @property
    def findings(self) -> list[str]:
        """Broken promises, in words."""
        wrong = {
            f"{self.lost} whole answers have no settled row": self.lost,
            f"{self.duplicated} calls have more than one row": self.duplicated,
            f"{self.unrecorded} calls reached the provider and have no row": self.unrecorded,
            f"{self.unequal} rows cost something else than the provider bills": self.unequal,
            f"the ledger says {self.ledger_nano_usd}, the bill {self.bill_nano_usd}": self.ledger_nano_usd
            - self.bill_nano_usd,
            f"{self.open_entries} calls are still open": self.open_entries,
            f"integrity_check: {self.integrity}": self.integrity != "ok",
        }
        return [text for text, is_wrong in wrong.items() if is_wrong]


def read_rows(path: Path, statement: str) -> list[tuple[Any, ...]]:
    """The rows of a query, on a connection that cannot write."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def settled_ids(path: Path) -> set[str]:
    """The calls that are settled by now."""
    return {row[0] for row in read_rows(path, "SELECT request_id FROM entries WHERE outcome = 'settled'")}


def compare(path: Path, whole: Iterable[str], bill: Sequence[dict[str, Any]]) -> Books:
    """Compare the ledger at ``path`` with the answers that clients have whole, and with the provider's rows."""
    whole = set(whole)
    rows = read_rows(path, "SELECT request_id, outcome, status, cost_nano_usd, usage_source FROM entries")
    billed: dict[str, int] = defaultdict(int)
    for item in bill:
        billed[item["request_id"]] += item["cost_nano_usd"]
    answered = {row[0] for row in rows if row[1] == "settled" and row[2] == 200}
    settled = {row[0]: row[3] for row in rows if row[1] == "settled"}
    unknown = [row for row in rows if row[1] == "unknown"]
    times = Counter(row[0] for row in rows)
    return Books(
        whole=len(whole),
        lost=len(whole - answered),
        duplicated=sum(count > 1 for count in times.values()),
        settled=len(settled),
        unknown=len(unknown),
        unrecorded=len(billed.keys() - times.keys()),
        unequal=sum(cost != billed[request_id] for request_id, cost in settled.items())
        + sum(not row[3] or row[4] != "estimated" for row in unknown),
        ledger_nano_usd=sum(cost or 0 for cost in settled.values()),
        bill_nano_usd=sum(billed[request_id] for request_id in settled),
        open_entries=read_rows(path, "SELECT count(*) FROM open_entries")[0][0],
        integrity=str(read_rows(path, "PRAGMA integrity_check")[0][0]),
    )
