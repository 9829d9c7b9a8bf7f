from __future__ import annotations

import pytest

from fastgw.domain.usage import MAX_COUNT, Usage
from fastgw.spend.estimate import admission_estimate, estimate_tokens, fill_missing


@pytest.mark.parametrize(
    ("text_bytes", "ratio", "tokens"),
    [
        (0, 3.0, 0),
        (1, 3.0, 1),
        (3, 3.0, 1),
        (4, 3.0, 2),
        (3001, 3.0, 1001),
        (10, 4.0, 3),
        (-5, 3.0, 0),
        (2**60, 1.0, MAX_COUNT),
    ],
)
def test_bytes_round_up_to_tokens(text_bytes: int, ratio: float, tokens: int) -> None:
    assert estimate_tokens(text_bytes, ratio) == tokens


def test_three_bytes_a_token_unless_told() -> None:
    assert estimate_tokens(300) == 100


@pytest.mark.parametrize(("asked", "output"), [(None, 4096), (10, 10), (0, 0), (-1, 0), (10**30, MAX_COUNT)])
def test_admission_expects_all_the_output_that_is_allowed(asked: int | None, output: int) -> None:
    assert admission_estimate(3000, asked, 4096) == Usage(1000, output)


def test_what_was_reported_is_kept() -> None:
    reported = Usage(10, 20, 5)
    assert fill_missing(reported, 9999, 9999, output_is_final=True) is reported


def test_what_is_missing_comes_from_bytes() -> None:
    assert fill_missing(Usage(), 30, 60, output_is_final=True) == Usage(10, 20)
    assert fill_missing(Usage(7, 0, 3), 30, 60, output_is_final=True) == Usage(7, 20, 3)


def test_a_cut_stream_used_at_least_what_was_relayed() -> None:
    assert fill_missing(Usage(7, 1), 30, 60, output_is_final=False) == Usage(7, 20)
    assert fill_missing(Usage(7, 500), 30, 60, output_is_final=False) == Usage(7, 500)
