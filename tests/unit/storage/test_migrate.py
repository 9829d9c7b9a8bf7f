"""Migrations: each once, in order, whole; forward only."""

from __future__ import annotations

import sqlite3

import pytest

from fastgw.storage.migrate import Migration, NewerDatabaseError, current_version, load_migrations, migrate

STEPS = [Migration(1, "CREATE TABLE a (x);"), Migration(2, "ALTER TABLE a ADD COLUMN y; INSERT INTO a VALUES (1, 2)")]


@pytest.fixture
def connection() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None)


def test_a_fresh_file_gets_all_and_a_second_run_nothing(connection: sqlite3.Connection) -> None:
    assert migrate(connection, STEPS) == 2
    assert current_version(connection) == 2
    assert migrate(connection, STEPS) == 0
    assert connection.execute("SELECT * FROM a").fetchall() == [(1, 2)]
    connection.close()


def test_an_older_file_gets_what_is_missing(connection: sqlite3.Connection) -> None:
    assert migrate(connection, STEPS[:1]) == 1
    assert migrate(connection, STEPS) == 1
    assert connection.execute("SELECT count(*) FROM a").fetchone() == (1,)
    connection.close()


def test_a_newer_file_is_refused_untouched(connection: sqlite3.Connection) -> None:
    migrate(connection, STEPS)
    with pytest.raises(NewerDatabaseError, match="version 2, this build knows 1"):
        migrate(connection, STEPS[:1])
    assert current_version(connection) == 2
    connection.close()


def test_a_failing_step_leaves_no_trace(connection: sqlite3.Connection) -> None:
    broken = [*STEPS, Migration(3, "CREATE TABLE b (x); INSERT INTO none VALUES (1);")]
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, broken)
    assert current_version(connection) == 2
    assert not connection.in_transaction
    assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("a",)]
    assert migrate(connection, [*STEPS, Migration(3, "CREATE TABLE b (x);")]) == 1
    connection.close()


def test_ours_are_numbered_without_a_gap() -> None:
    numbers = [migration.number for migration in load_migrations("fastgw.ledger")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 2


def test_a_gap_is_refused(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path)) / "migrations"
    folder.mkdir()
    (folder / "0002_late.sql").write_text("SELECT 1")
    (folder / "notes.txt").write_text("not one")
    monkeypatch.setattr("fastgw.storage.migrate.files", lambda _: Path(str(tmp_path)))
    with pytest.raises(ValueError, match="numbered 1 to 1"):
        load_migrations("x")
