"""Which limits govern a call, asked through a whole gateway or of the limiter itself."""

from __future__ import annotations

from datetime import UTC

from fastgw.domain.rule import When
from fastgw.gateway.limiting import MAX_REMEMBERED, Limiter
from fastgw.limits.config import BudgetRow, RateLimitRow
from fastgw.limits.table import Governing
from fastgw.rules.table import Fixed
from tests.unit.gateway.playbook import Play

NOW = 1_795_348_800 * 10**9
DAY_NS = 86_400 * 10**9
HOURS = When(hours=("12:00-13:00",))


def ask(limiter: Limiter, user: str = "", metadata: dict[str, str] | None = None, now_ns: int = NOW) -> Governing:
    return limiter.governing(fixed(user), metadata, now_ns)


def fixed(user: str) -> Fixed:
    return Fixed("k", user, "ml", "gpt", "up/gpt-real", "up", "", "openai", "chat")


def budget(id_: str, **fields: object) -> BudgetRow:
    return BudgetRow(**{"id": id_, "limit_usd": 1, "window": "day", **fields})  # type: ignore[arg-type]


def test_like_calls_are_answered_from_memory_until_a_window_ends() -> None:
    limiter = Limiter([budget("b", per=("user",))], UTC)
    first = ask(limiter, "ada")
    assert ask(limiter, "ada", {"any": "tag"}) is first  # tags are looked at only where a rule speaks of them
    assert ask(limiter, "bob") is not first
    assert first.until_ns == NOW // DAY_NS * DAY_NS + DAY_NS
    assert ask(limiter, "ada", now_ns=first.until_ns) is not first


def test_values_of_per() -> None:
    names = ("user", "team", "key", "model")
    limiter = Limiter([budget("b", per=names), budget("c", per=("metadata.customer", "virtualaccount"))], UTC)
    found = ask(limiter, "ada", {"customer": "acme"})
    assert [each.entity for each in found.applied] == [("ada", "ml", "k", "up/gpt-real"), ("acme", "k")]
    assert ask(limiter).applied[1].entity == ("", "k")


def test_rules_of_the_time_of_day() -> None:
    limiter = Limiter([budget("b", when=HOURS)], UTC)
    assert len(ask(limiter).applied) == 1
    assert len(ask(limiter, now_ns=NOW + DAY_NS // 24).applied) == 0


def test_the_memory_is_bounded() -> None:
    limiter = Limiter([RateLimitRow(id="r", limit=1, unit="requests_per_day", per=("user",))], UTC)
    for number in range(MAX_REMEMBERED + 5):
        ask(limiter, f"u{number}")
    assert sum(len(known.plans) for known in limiter._memo.values()) <= MAX_REMEMBERED


def test_more_rules_than_can_be_counted_at_once() -> None:
    play = Play("".join(f'[[budgets]]\nid = "b{number}"\nlimit_usd = 1\nwindow = "day"\n' for number in range(65)))
    play.ask()
    assert (play.reply().status, play.reply().error["code"]) == (500, "too_many_rules")
    assert play.up.requests == []
