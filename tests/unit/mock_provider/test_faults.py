from __future__ import annotations

import pytest

from fastgw.mock_provider import faults
from fastgw.mock_provider.faults import CLEAN, FailingCallers, read_directives
from fastgw.mock_provider.refusal import Refusal


def test_plain_name_asks_for_nothing() -> None:
    assert read_directives("mock-small", "") == ("mock-small", CLEAN)


def test_header_and_name_say_the_same() -> None:
    by_name = read_directives("mock-small+status=503+words=5", "")
    by_header = read_directives("mock-small", "status=503, words=5")
    assert by_name == by_header
    assert (by_name[1].status, by_name[1].words) == (503, 5)


def test_header_wins_member_by_member() -> None:
    directives = read_directives("mock-small+words=5+cached=9", "words=6")[1]
    assert (directives.words, directives.cached) == (6, 9)


def test_every_kind_of_value_is_read() -> None:
    directives = read_directives("m", "tps=2.5,burst=1,malformed=head_bare_lf,cut_after_bytes=0,code=x")[1]
    assert directives.tps == 2.5
    assert directives.burst is True
    assert directives.malformed == "head_bare_lf"
    assert directives.cut_after_bytes == 0
    assert directives.code == "x"


@pytest.mark.parametrize(
    "header",
    [
        "speed=1",
        "words",
        "words=-1",
        "words=x",
        "status=200",
        "malformed=heads",
        "tps=0",
        "usage=none",
        "ttft_ms=600001",
    ],
)
def test_what_is_not_known_is_refused(header: str) -> None:
    with pytest.raises(Refusal, match="x-mock") as caught:
        read_directives("mock-small", header)
    assert caught.value.status == 400


def test_first_calls_fail_with_503_and_later_ones_are_clean() -> None:
    callers = FailingCallers()
    asked = read_directives("m", "fail_first=2,words=3,retry_after=1")[1]
    armed = [callers.arm("a", asked) for _ in range(3)]
    assert [one.status for one in armed] == [503, 503, None]
    assert [one.retry_after for one in armed] == [1, 1, None]
    assert [one.words for one in armed] == [3, 3, 3]


def test_first_calls_fail_with_the_fault_that_was_asked_for() -> None:
    callers = FailingCallers()
    asked = read_directives("m", "fail_first=1,reset=before_head")[1]
    first, second = callers.arm("a", asked), callers.arm("a", asked)
    assert (first.reset, first.status) == ("before_head", None)
    assert (second.reset, second.status) == (None, None)


def test_callers_are_counted_apart_and_forgotten_on_demand() -> None:
    callers = FailingCallers()
    asked = read_directives("m", "fail_first=1")[1]
    assert [callers.arm(name, asked).status for name in "aba"] == [503, 503, None]
    callers.clear()
    assert callers.arm("a", asked).status == 503


def test_least_recent_caller_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "MAX_FAILING_CALLERS", 2)
    callers = FailingCallers()
    asked = read_directives("m", "fail_first=1")[1]
    assert [callers.arm(name, asked).status for name in "abacab"] == [503, 503, None, 503, None, 503]


def test_without_fail_first_nothing_is_counted() -> None:
    asked = read_directives("m", "status=500")[1]
    assert FailingCallers().arm("a", asked) is asked
