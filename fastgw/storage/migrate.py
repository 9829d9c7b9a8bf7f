"""Numbered SQL migrations: what brings a database file to the version that this build knows.

Owns ``PRAGMA user_version``. The one invariant: a file is at version n exactly when migrations 1 to n were applied,
each in one transaction with the number. It goes forward only; a file from a newer build is refused.
"""

from __future__ import annotations

import re
import sqlite3
from importlib.resources import files
from typing import NamedTuple

_FILE_NAME = re.compile(r"(\d{4})_\w+\.sql")


class NewerDatabaseError(Exception):
    """The file was written by a newer build, whose tables this one does not know."""


class Migration(NamedTuple):
    """One numbered step; numbers count from 1 without a gap."""

    number: int
    sql: str


def load_migrations(package: str) -> list[Migration]:
    """The migrations in the folder ``migrations`` of ``package``, in order.

    Raises ``ValueError`` if a number is missing.
    """
    folder = files(package).joinpath("migrations")
    found = sorted(
        Migration(int(match[1]), item.read_text(encoding="utf-8"))
        for item in folder.iterdir()
        if (match := _FILE_NAME.fullmatch(item.name))
    )
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"{package}: migrations are not numbered 1 to {len(found)}")
    return found


def current_version(connection: sqlite3.Connection) -> int:
    """The number of the last migration that was applied; 0 for a new file."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def migrate(connection: sqlite3.Connection, migrations: list[Migration]) -> int:
    """Apply what is missing, each in its own transaction; returns how many were applied.

    ``connection`` is the owner's, in autocommit mode. Raises :class:`NewerDatabaseError` before anything is touched,
    ``sqlite3.Error`` with the failed step rolled back.
    """
    version = current_version(connection)
    if version > len(migrations):
        raise NewerDatabaseError(
            f"the database is at version {version}, this build knows {len(migrations)}: use the newer build, or restore"
        )
    for migration in migrations[version:]:
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{migration.sql}\n;PRAGMA user_version = {migration.number:d};\nCOMMIT;"
            )
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return len(migrations) - version
