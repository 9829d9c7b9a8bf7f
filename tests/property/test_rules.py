"""Random rules and random calls: the rows of bits and the model say the same, however often they are asked."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw._native.rule_program import members
from fastgw.domain.rule import WEEKDAYS, RuleRow, When
from fastgw.rules.table import Fixed, RuleTable
from tests.model.rule_model import matches

NAMES = st.sampled_from(["a", "ab", "b", "openai/gpt-4", "A"])
PATTERNS = st.sampled_from(["a", "a*", "*", "?b", "[ab]", "openai/*", "A", "zz"])
LISTS = st.none() | st.lists(PATTERNS, min_size=1, max_size=3).map(tuple)
TAGS = st.dictionaries(
    st.sampled_from(["env", "customer", "x"]),
    PATTERNS | st.lists(PATTERNS, min_size=1, max_size=2).map(tuple),
    max_size=2,
)
SUBJECTS = st.none() | st.lists(
    st.builds("{}:{}".format, st.sampled_from(["user", "team", "key", "virtualaccount"]), PATTERNS),
    min_size=1,
    max_size=3,
).map(tuple)
TIMES = st.builds("{:02d}:{:02d}".format, st.integers(0, 23), st.integers(0, 59))
HOURS = st.none() | st.lists(st.builds("{}-{}".format, TIMES, TIMES | st.just("24:00")), min_size=1, max_size=2).map(
    tuple
)
DAYS = st.none() | st.lists(st.sampled_from(WEEKDAYS), max_size=3).map(tuple)


@st.composite
def whens(draw: st.DrawFn) -> When:
    fields: dict[str, Any] = {}
    for name in ("models", "providers", "regions", "dialects", "operations"):
        if draw(st.integers(0, 3)) == 0:
            fields |= {name: draw(LISTS), f"not_{name}": draw(LISTS)}
    if draw(st.booleans()):
        fields |= {"subjects": draw(SUBJECTS), "not_subjects": draw(SUBJECTS)}
    if draw(st.booleans()):
        fields |= {"metadata": draw(TAGS), "not_metadata": draw(TAGS)}
    if draw(st.integers(0, 3)) == 0:
        fields |= {"hours": draw(HOURS), "not_hours": draw(HOURS), "weekdays": draw(DAYS), "not_weekdays": draw(DAYS)}
    return When(**fields)


FIXED = st.builds(
    Fixed, *[NAMES | st.just("") if name in ("user", "team") else NAMES for name in Fixed.__struct_fields__]
)
METADATA = st.dictionaries(st.sampled_from(["env", "customer", "x", "other"]), NAMES, max_size=3)
CALLS = st.lists(st.tuples(FIXED, METADATA, st.integers(0, 7 * 1440 - 1)), min_size=1, max_size=8)


@settings(deadline=None, max_examples=300)
@given(st.lists(whens(), max_size=6), st.integers(0, 130), CALLS)
def test_rows_of_bits_match_what_the_model_matches(drawn: list[When], fillers: int, calls: list[Any]) -> None:
    # Rules that match nothing move the others across words.
    rules = [*[When(models=("nothing",))] * fillers, *drawn]
    table = RuleTable([RuleRow(id=f"r{number}", when=when) for number, when in enumerate(rules)])
    for fixed, metadata, minute in calls * 2:
        row = table.program.match(table.base(fixed), metadata or None, minute if table.program.timed else None)
        expected = [index for index, when in enumerate(rules) if matches(when, fixed, metadata, minute)]
        assert list(members(row)) == expected
