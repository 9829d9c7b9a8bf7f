"""Short forms of the storms that ``python -m tests.adversity.kill_storm`` runs at length: the books balance whoever is killed."""

from __future__ import annotations

import pytest

from tests.adversity import abort_storm, budget_storm, history_storm
from tests.adversity.kill_storm import STORMS, run_storm, table

ROUNDS = {"worker": 5, "everything": 3, "bookkeeper": 3, "supervisor": 2, "group TERM": 2}


@pytest.mark.parametrize("name", STORMS)
def test_nothing_is_lost_doubled_or_mispriced(name: str) -> None:
    storm = run_storm(name, ROUNDS[name], seed=7)
    assert storm.findings == [], table([storm])
    assert storm.books is not None
    assert storm.books.whole >= 40 * ROUNDS[name]


@pytest.mark.parametrize("kills", [False, True])
def test_budgets_are_kept_and_nobody_is_refused_for_nothing(kills: bool) -> None:
    """The short form of ``python -m tests.adversity.budget_storm``."""
    outcome = budget_storm.run(2, kills=kills)
    assert outcome.findings == []
    assert outcome.admitted > 0
    assert outcome.refused > 0


def test_there_is_an_order_in_which_every_answer_of_a_limit_was_right() -> None:
    """The short form of ``python -m tests.adversity.history_storm``."""
    outcome = history_storm.run(5)
    assert outcome.findings == [], history_storm.line(outcome)
    assert outcome.admitted > 200
    assert outcome.refused > 200
    assert outcome.tight, "histories that would fit any bucket say nothing"
    assert outcome.keen


@pytest.mark.parametrize("drain", [False, True])
def test_who_leaves_is_charged_once_and_holds_nothing(drain: bool) -> None:
    """The short form of ``python -m tests.adversity.abort_storm``."""
    outcome = abort_storm.run(300, drain=drain)
    assert outcome.findings == []
    # Read to its end, an answer tells what it used, but for one whose provider missed a deadline.
    assert outcome.estimated <= outcome.late if drain else outcome.estimated > outcome.late
