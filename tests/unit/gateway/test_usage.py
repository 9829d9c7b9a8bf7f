"""A caller's own limits."""

from __future__ import annotations

from fastgw.domain.subject import Subject
from fastgw.gateway.usage import usage_of
from tests.unit.gateway.playbook import CHAT, Play, plain

LIMITS = """
[[budgets]]
id = "mine"
window = "day"
limit_usd = 1
per = ["key"]
[[budgets]]
id = "somebody-else-s"
window = "day"
limit_usd = 1
when = { subjects = ["key:nobody"] }
[[rate_limits]]
id = "each-user"
limit = 5
unit = "requests_per_day"
per = ["user"]
group = "g"
[[rate_limits]]
id = "everybody"
limit = 9
unit = "requests_per_day"
group = "g"
"""


def subject_of(play: Play) -> Subject:
    play.ask({**CHAT, "max_tokens": 10})
    play.answer(plain())
    found = play.snapshot.keys.named(play.row.key)
    assert found is not None
    return found


def test_every_limit_that_may_meet_the_caller_and_no_other() -> None:
    play = Play(LIMITS)
    subject = subject_of(play)
    found = {row["id"]: row for row in usage_of(play.snapshot, subject, subject.user, None, play.counter_map, 5)}
    assert set(found) == {"mine", "each-user", "everybody"}
    assert found["mine"]["used_usd"] == "0.00002"
    assert found["mine"]["scope"] == {"key": subject.key}
    assert "gpt" in found["mine"]["models"]
    assert (found["each-user"]["used"], found["each-user"]["remaining"]) == (1, 4)
    assert "governs" not in found["mine"]
    assert found["everybody"]["models"] == [], "another rule of its group comes first for every model"


def test_a_user_of_the_key_has_counters_of_its_own() -> None:
    play = Play(LIMITS)
    subject = subject_of(play)
    found = {row["id"]: row for row in usage_of(play.snapshot, subject, "bob", None, play.counter_map, 5)}
    assert (found["each-user"]["scope"], found["each-user"]["used"]) == ({"user": "bob"}, 0)


def test_without_limits_there_is_nothing_to_tell() -> None:
    play = Play()
    assert usage_of(play.snapshot, subject_of(play), "", None, play.counter_map, 5) == []
