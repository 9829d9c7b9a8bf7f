"""One owner a file, by lock; readers cannot write."""

from __future__ import annotations

import ctypes
import fcntl
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from fastgw.storage.sqlite import OwnedDatabase, OwnedElsewhereError, leave_out_locks, open_reader


def test_the_owner_opens_in_wal_mode_and_checkpoints(tmp_path: Path) -> None:
    with OwnedDatabase(tmp_path / "x.db") as database:
        pragma = {
            name: database.connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "wal_autocheckpoint", "busy_timeout")
        }
    assert pragma == {"journal_mode": "wal", "wal_autocheckpoint": 1000, "busy_timeout": 5000}


@pytest.mark.parametrize(("durable", "level"), [(False, 1), (True, 2)])
def test_a_durable_transaction_is_one_with_full_sync(tmp_path: Path, durable: bool, level: int) -> None:
    with OwnedDatabase(tmp_path / "x.db") as database:
        database.begin(durable=durable)
        assert database.connection.execute("PRAGMA synchronous").fetchone()[0] == level
        database.connection.execute("CREATE TABLE t (x)")
        database.rollback()
        database.rollback()
        assert database.connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0


def test_a_second_owner_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "my.ledger.db"
    with OwnedDatabase(path):
        with pytest.raises(OwnedElsewhereError, match=r"my\.ledger\.db: another process owns this database"):
            OwnedDatabase(path)
        code = "import sys; from fastgw.storage.sqlite import OwnedDatabase; OwnedDatabase(sys.argv[1])"
        other = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
        assert "OwnedElsewhereError" in other.stderr
    OwnedDatabase(path).close()


def test_the_lock_is_let_go_when_opening_fails(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"this is no database, but it is long enough to be taken for one" * 20)
    with pytest.raises(sqlite3.DatabaseError):
        OwnedDatabase(path)
    fd = os.open(f"{path}.lock", os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(fd)


def test_a_killed_owner_gives_the_file_free(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    code = (
        "import os, sys; from fastgw.storage.sqlite import OwnedDatabase; "
        "d = OwnedDatabase(sys.argv[1]); print('up', flush=True); os.kill(os.getpid(), 9)"
    )
    dead = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert dead.stdout == "up\n"
    OwnedDatabase(path).close()


def test_a_reader_reads_beside_the_owner_and_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "odd name?#%.db"
    with OwnedDatabase(path) as database:
        database.connection.execute("CREATE TABLE t (x)")
        database.connection.execute("INSERT INTO t VALUES (7)")
        reader = open_reader(path)
        assert tuple(reader.execute("SELECT x FROM t").fetchone()) == (7,)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("DELETE FROM t")
        reader.close()


def test_a_reader_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        open_reader(tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []


WITHOUT_LOCKS = """
import sys
from pathlib import Path
from fastgw.storage.sqlite import OwnedDatabase, leave_out_locks, open_reader

assert leave_out_locks()
path = Path(sys.argv[1])
with OwnedDatabase(path) as owned:
    owned.connection.execute("CREATE TABLE t (x)")
    for number in range(100):
        owned.begin(durable=False)
        owned.connection.execute("INSERT INTO t VALUES (?)", (number,))
        owned.connection.execute("COMMIT")
    print(*open_reader(path).execute("SELECT count(*), sum(x) FROM t").fetchone())
"""


def test_without_its_locks_sqlite_writes_and_reads_as_before(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_LOCKS, str(tmp_path / "t.db")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == ("100 4950\n", "")


@pytest.mark.parametrize("problem", [OSError, AttributeError])
def test_where_the_library_cannot_be_reached_nothing_changes(
    monkeypatch: pytest.MonkeyPatch, problem: type[Exception]
) -> None:
    def unreachable(_: str) -> None:
        raise problem

    monkeypatch.setattr(ctypes, "CDLL", unreachable)
    assert not leave_out_locks()
