"""The counters of a gateway that starts: kept where rate limits need it, and nobody else's."""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path

import pytest

from fastgw._native.limit_set import ENFORCES, REQUESTS, LimitSet, WorkerCounters, levels
from fastgw.app import counters
from fastgw.app.counters import counters_path, open_counters
from fastgw.config.load import load
from fastgw.config.root import Settings
from tests.unit.app.settings_text import ENV, PROVIDER_AND_KEY

LIMIT = '[[rate_limits]]\nid = "r"\nlimit = 10\nunit = "requests_per_day"\n'
BUCKET = LimitSet([(bytes(15) + b"k", REQUESTS, ENFORCES, 0, 10, 60 * 10**9, 10, 0)])
NOW = 10**18


def settings(folder: Path, limits: str = LIMIT) -> Settings:
    return load(f'[ledger]\nurl = "sqlite:{folder}/ledger/fastgw.db"\n' + PROVIDER_AND_KEY + limits, ENV, folder)


def test_rate_limits_outlive_a_restart(tmp_path: Path) -> None:
    for used in range(3):
        worker = WorkerCounters(open_counters(settings(tmp_path)), 0, 1 + used)
        assert levels(worker.counters, BUCKET, NOW) == [(used, 0)]
        worker.reserve(BUCKET, 1, 0, 0, NOW)
        del worker
    path = counters_path(settings(tmp_path))
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_blocks * 512 >= counters.FILE_BYTES


def test_who_has_no_rate_limits_gets_no_file(tmp_path: Path) -> None:
    open_counters(settings(tmp_path, ""))
    assert list(tmp_path.iterdir()) == []


def test_another_gateway_s_counters_are_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(counters, "TAKE_OVER_S", 0.1)
    first = WorkerCounters(open_counters(settings(tmp_path)), 0, 1)
    first.reserve(BUCKET, 1, 0, 0, NOW)
    with caplog.at_level(logging.WARNING):
        second = open_counters(settings(tmp_path))
    assert "another gateway" in caplog.text
    assert levels(second, BUCKET, NOW) == [(0, 0)]
    assert levels(first.counters, BUCKET, NOW) == [(1, 0)]
    del first, second
    assert levels(open_counters(settings(tmp_path)), BUCKET, NOW) == [(1, 0)]


def test_without_room_on_the_disk_counters_are_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_fd: int, _offset: int, _size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with caplog.at_level(logging.WARNING):
        found = open_counters(settings(tmp_path))
    assert "No space left" in caplog.text
    WorkerCounters(found, 0, 1).reserve(BUCKET, 1, 0, 0, NOW)
    with counters_path(settings(tmp_path)).open("rb") as file:
        assert not file.read().strip(b"\0")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_where_no_file_can_be_made_counters_are_in_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = settings(tmp_path)
    counters_path(found).mkdir(parents=True)
    with caplog.at_level(logging.WARNING):
        assert open_counters(found).held() == (0, 0)
    assert "Is a directory" in caplog.text
