"""Which model names a key may ask for."""

from __future__ import annotations

import pytest

from fastgw.domain.subject import MEMO_ENTRIES, MEMO_NAME_CHARS, ModelGlobs, Subject


@pytest.mark.parametrize(
    ("patterns", "name", "allowed"),
    [
        (["*"], "anything/at all", True),
        (["gpt-4"], "gpt-4", True),
        (["gpt-4"], "gpt-4o", False),
        (["gpt-4"], "xgpt-4", False),
        (["gpt-4*"], "gpt-4o-mini", True),
        (["GPT-4"], "gpt-4", False),
        (["anthropic/*"], "anthropic/a/b", True),
        (["anthropic/*"], "anthropic", False),
        (["a?c", "x[12]"], "abc", True),
        (["a?c", "x[12]"], "x2", True),
        (["a?c", "x[12]"], "x3", False),
        (["a.c"], "abc", False),
        (["gpt-4"], "gpt-4\n", False),
        ([], "gpt-4", False),
        (["["], "[", True),
    ],
)
def test_a_glob_matches_the_whole_name(patterns: list[str], name: str, allowed: bool) -> None:
    globs = ModelGlobs(patterns)

    assert globs.allow(name) is allowed
    assert globs.allow(name) is allowed, "the remembered answer differs"


def test_the_memo_is_bounded_and_answers_stay_right() -> None:
    globs = ModelGlobs(["ok-*"])

    for number in range(3 * MEMO_ENTRIES):
        assert globs.allow(f"ok-{number}")
        assert not globs.allow(f"no-{number}")
        assert len(globs._memo) <= MEMO_ENTRIES


def test_long_names_are_answered_but_not_remembered() -> None:
    globs = ModelGlobs(["a*"])

    assert globs.allow("a" * (MEMO_NAME_CHARS + 1))
    assert not globs._memo


def test_many_stars_do_not_explode() -> None:
    assert not ModelGlobs(["*a" * 30 + "b"]).allow("a" * 5000)


def test_a_subject_asks_its_globs() -> None:
    subject = Subject(key="k", metadata={}, models=ModelGlobs(["gpt-*"]))

    assert subject.may_use("gpt-4")
    assert not subject.may_use("claude")
    assert (subject.user, subject.team) == ("", "")
