"""What is learned of a target, and that it errs towards more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw.domain.usage import MAX_COUNT
from fastgw.spend.estimate import estimate_tokens
from fastgw.spend.learned import DEFAULT_OUTPUT_TOKENS, MAX_TARGETS, Learned, LearnedTable


@given(st.integers(0, 2**33))
def test_before_anything_was_seen_an_estimate_is_the_plain_one(text_bytes: int) -> None:
    assert Learned().input_tokens(text_bytes) == estimate_tokens(text_bytes)
    assert Learned().output_tokens() == DEFAULT_OUTPUT_TOKENS


def test_more_tokens_a_byte_are_believed_at_once_and_fewer_slowly() -> None:
    learned = Learned()
    learned.see_input(1000, 500)
    assert learned.input_tokens(1000) == 500
    learned.see_input(1000, 250)
    assert 490 < learned.input_tokens(1000) < 500
    for _ in range(500):
        learned.see_input(1000, 250)
    assert learned.input_tokens(1000) == pytest.approx(250, abs=1)


def test_a_short_text_teaches_nothing() -> None:
    learned = Learned()
    learned.see_input(10, 40)
    learned.see_output(511, 511)
    assert learned.input_tokens(300) == 100
    assert learned.output_text_bytes(100) == 300


def test_the_text_that_tokens_of_output_have() -> None:
    learned = Learned()
    learned.see_output(1000, 500)
    assert learned.output_text_bytes(100) == 200


def test_the_bound_of_answers_that_nobody_bounds() -> None:
    learned = Learned()
    learned.see_unbounded(0)
    assert learned.output_tokens() == DEFAULT_OUTPUT_TOKENS
    learned.see_unbounded(4000)
    assert learned.output_tokens() == 4000
    for _ in range(1000):
        learned.see_unbounded(10)
    assert learned.output_tokens() <= 12


@given(st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 2**40))), st.integers(0, 2**40))
def test_whatever_a_provider_says_estimates_stay_in_range(seen: list[tuple[int, int]], text_bytes: int) -> None:
    learned = Learned()
    for size, tokens in seen:
        learned.see_input(size, tokens)
        learned.see_output(size, tokens)
        learned.see_unbounded(tokens)
    assert min(text_bytes // 16, MAX_COUNT) <= learned.input_tokens(text_bytes)
    assert learned.input_tokens(text_bytes) <= min(text_bytes, MAX_COUNT)
    assert 0 < learned.output_tokens() <= MAX_COUNT
    assert 100 <= learned.output_text_bytes(100) <= 1600


def test_a_target_keeps_what_is_known_of_it_and_the_table_is_bounded() -> None:
    table = LearnedTable()
    assert table.of("a/b") is table.of("a/b")
    for number in range(MAX_TARGETS + 1):
        table.of(f"a/{number}")
    assert len(table._targets) <= MAX_TARGETS
