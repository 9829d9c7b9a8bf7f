"""From rows that match to counters: which are the same, and which are not."""

from __future__ import annotations

from datetime import UTC

import pytest

from fastgw._native.counter_map import CounterMap
from fastgw._native.limit_set import Refusal, Reservation, WorkerCounters
from fastgw.limits.config import AnomalyRow, BudgetRow, LimitRow, RateLimitRow
from fastgw.limits.table import Governing, budget_key, governing_limits, pause_key, scope_text, unit_text

NOW = 1_795_348_800 * 10**9
DAY_NS = 86_400 * 10**9


def budget(id_: str = "b", **fields: object) -> BudgetRow:
    return BudgetRow(**{"id": id_, "limit_usd": 1, "window": "day", **fields})  # type: ignore[arg-type]


def found(*rows: LimitRow, user: str = "ada", now_ns: int = NOW) -> Governing:
    values = {"user": user, "metadata.x": ""}
    return governing_limits(rows, [(index, True) for index in range(len(rows))], values.__getitem__, now_ns, UTC)


def test_a_counter_is_its_rule_its_window_and_its_entity() -> None:
    shared = CounterMap(1024, 1, 100)
    worker = WorkerCounters(shared, 0, 1)

    def take(limits: Governing, call: int) -> Reservation | Refusal:
        return worker.reserve(limits.limits, call, 0, 10**9, NOW)

    per_user = budget(per=("user",))
    assert isinstance(take(found(per_user), 1), Reservation)
    assert isinstance(take(found(per_user), 2), Refusal)
    assert isinstance(take(found(per_user, user="bob"), 3), Reservation)
    assert isinstance(take(found(per_user, now_ns=NOW + DAY_NS), 4), Reservation)
    assert isinstance(take(found(budget("c", per=("user",))), 5), Reservation)
    # A limit that is raised goes on with what was counted.
    assert isinstance(take(found(budget(per=("user",), limit_usd=2)), 6), Reservation)
    assert isinstance(take(found(budget(per=("user",), limit_usd=2)), 7), Refusal)
    assert shared.get(budget_key(per_user, ("ada",), NOW - NOW % DAY_NS)) == (0, 2 * 10**9)


def test_entities_that_look_alike_when_joined_are_not_the_same() -> None:
    row = budget(per=("user", "metadata.x"))
    assert budget_key(row, ("a", "bc"), 0) != budget_key(row, ("ab", "c"), 0)


def test_what_holds_for_all_of_them() -> None:
    rate = RateLimitRow(id="r", limit=1, unit="tokens_per_second")
    both = found(rate, budget())
    assert (both.has_money, both.strict, both.clamps) == (True, False, True)
    assert both.until_ns == NOW - NOW % DAY_NS + DAY_NS
    assert (found(rate).has_money, found(rate).clamps, found().applied) == (False, False, ())
    assert found(budget(strict=True), budget("c", clamp=False)).strict
    assert not found(budget(), budget("c", clamp=False)).clamps
    watching = governing_limits([budget(strict=True)], [(0, False)], str, NOW, UTC)
    assert (watching.strict, watching.clamps, watching.has_money) == (False, False, True)
    assert not found(budget(strict=True, mode="audit")).strict
    assert (both.rules_line, watching.rules_line) == (b"x-fastgw-rules: r, b\r\n", b"x-fastgw-rules: b;tracked\r\n")


def test_more_than_can_be_counted_is_refused() -> None:
    with pytest.raises(ValueError, match="64"):
        found(*[budget(f"b{number}") for number in range(65)])


def test_texts_for_people() -> None:
    applied = found(budget(per=("user",))).applied[0]
    assert (scope_text(applied), unit_text(applied.row)) == ("user=ada", "usd_per_day")
    assert scope_text(found(budget()).applied[0]) == ""
    assert unit_text(RateLimitRow(id="r", limit=1, unit="tokens_per_day")) == "tokens_per_day"


def test_a_pause_is_of_a_rule_and_an_entity() -> None:
    row, same, other = (AnomalyRow(id=name, repeats=3, for_s=for_s) for name, for_s in (("a", 1), ("a", 9), ("b", 1)))
    assert len(pause_key(row, ("ada",))) == 16
    assert pause_key(row, ("ada",)) == pause_key(same, ("ada",))
    assert len({pause_key(row, ("ada",)), pause_key(row, ("bob",)), pause_key(other, ("ada",))}) == 3
