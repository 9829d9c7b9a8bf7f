"""Short forms of the storms that ``python -m tests.adversity.kill_storm`` runs at length: the books balance whoever is killed."""

from __future__ import annotations

import pytest

from tests.adversity.kill_storm import STORMS, run_storm, table

ROUNDS = {"worker": 5, "everything": 3, "bookkeeper": 3, "supervisor": 2, "group TERM": 2}


@pytest.mark.parametrize("name", STORMS)
def test_nothing_is_lost_doubled_or_mispriced(name: str) -> None:
    storm = run_storm(name, ROUNDS[name], seed=7)
    assert storm.findings == [], table([storm])
    assert storm.books is not None
    assert storm.books.whole >= 40 * ROUNDS[name]
