"""Does the ledger keep its promises: checks over a database file, for `fastgw ledger verify`.

Owns the list of invariants. The one invariant of its own: it only reads, so it may run beside the gateway.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import Final

import msgspec

from fastgw.domain.money import format_usd
from fastgw.ledger.config import journal_directory
from fastgw.ledger.queries import Spend, spend_query, spend_row
from fastgw.ledger.schema import COLUMNS
from fastgw.storage.migrate import current_version, load_migrations
from fastgw.storage.sqlite import open_reader
from fastgw.telemetry.clock import ID_SLOT_BITS

_INT_COLUMNS: Final = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "input_audio_tokens",
    "output_audio_tokens",
    "input_image_tokens",
    "output_image_tokens",
    "latency_ns",
    "first_token_ns",
    "overhead_ns",
    "attempts",
)
_DRIFTED_ROWS: Final = f"SELECT count(*) FROM entries WHERE abs((id >> {ID_SLOT_BITS}) - started_ns / 1000) > 1000000"  # noqa: S608 - a constant
"""Ids follow the monotonic clock from the gateway's start on, starts the wall clock: a second between them says it was set."""

_MAY_BE_NULL: Final = frozenset({"cost_nano_usd", "metadata", "other_usage"})

_BROKEN_ROWS: Final = {
    "a value is missing": " OR ".join(f"{name} IS NULL" for name in COLUMNS if name not in _MAY_BE_NULL),
    "negative count": " OR ".join(f"{name} < 0" for name in _INT_COLUMNS),
    "negative cost": "cost_nano_usd < 0",
    "cached and cache-written tokens exceed the input": (
        "cached_input_tokens + cache_write_5m_tokens + cache_write_1h_tokens > input_tokens"
    ),
    "reasoning tokens exceed the output": "reasoning_tokens > output_tokens",
    "settled without a status": "outcome = 'settled' AND status = 0",
    "outcome is neither settled nor unknown": "outcome NOT IN ('settled', 'unknown')",
    "source of the usage is none that we know": "usage_source NOT IN ('reported', 'clamped', 'estimated', 'none')",
    "metadata is not JSON": "metadata IS NOT NULL AND NOT json_valid(metadata)",
    "other usage is not JSON": "other_usage IS NOT NULL AND NOT json_valid(other_usage)",
}


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. ``findings`` break a promise; ``notes`` do not."""

    totals: Spend | None
    findings: list[str]
    notes: list[str]


def verify(path: Path) -> Verification:
    """Check the database at ``path`` and its journal directory. Reads every row; raises nothing for a broken file."""
    findings: list[str] = []
    notes: list[str] = []
    totals = None
    try:
        connection = open_reader(path)
        try:
            totals = _check_database(connection, findings, notes)
        finally:
            connection.close()
    except sqlite3.Error as error:
        findings.append(f"{path}: {error}")
    _check_journal(path, findings, notes)
    return Verification(totals=totals, findings=findings, notes=notes)


def _check_database(connection: sqlite3.Connection, findings: list[str], notes: list[str]) -> Spend | None:
    damage = connection.execute("PRAGMA integrity_check")
    findings += [f"file: {row[0]}" for row in damage if row[0] != "ok"]
    version, known = current_version(connection), len(load_migrations("fastgw.ledger"))
    if version != known:
        findings.append(f"version {version}, this build knows {known}")
    if version == 0 or version > known:
        return None
    connection.execute("BEGIN")  # one view of the rows, whoever writes meanwhile
    for name, condition in _BROKEN_ROWS.items():
        statement = f"SELECT count(*), min(id) FROM entries WHERE {condition}"  # noqa: S608 - a constant
        count, first = connection.execute(statement).fetchone()
        if count:
            findings.append(f"{name}: {count} rows, the first has the id {first}")
    rejected = connection.execute("SELECT count(*) FROM rejected_records").fetchone()[0]
    if rejected:
        findings.append(f"{rejected} journal records were no entries: see the table rejected_records")
    drifted = connection.execute(_DRIFTED_ROWS).fetchone()[0]
    if drifted:
        notes.append(
            f"{drifted} calls were made after the machine's clock was set: reports file them by the clock of the start"
        )
    waiting = connection.execute("SELECT count(*) FROM open_entries").fetchone()[0]
    if waiting:
        notes.append(f"{waiting} calls were admitted and are not settled yet")
    row = connection.execute(*spend_query(())).fetchone()
    return spend_row(tuple(row), 0)


def _check_journal(path: Path, findings: list[str], notes: list[str]) -> None:
    names = sorted(item.name for item in journal_directory(path).glob("*.seg*"))
    findings += [f"damaged journal segment {name}" for name in names if name.endswith(".bad")]
    segments = sum(name.endswith(".seg") for name in names)
    if segments and _is_owned(path):
        notes.append(f"{segments} journal segments in use")
    elif segments:
        findings.append(f"{segments} journal segments wait for the gateway to be started")


def _is_owned(path: Path) -> bool:
    try:
        lock_fd = os.open(f"{path}.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock_fd)
    return False


def render_verification(result: Verification) -> str:
    """``result`` as text, ending in a newline."""
    lines = [f"FINDING  {finding}" for finding in result.findings]
    lines += [f"note     {note}" for note in result.notes]
    if result.totals is not None:
        totals = result.totals
        lines.append(
            f"{totals.calls} calls, {totals.errors} errors, {format_usd(totals.cost_nano_usd)} USD, "
            f"{totals.unpriced_calls} unpriced, {totals.unknown_calls} unknown"
        )
    lines.append(f"{len(result.findings)} findings" if result.findings else "ok")
    return "\n".join(lines) + "\n"
