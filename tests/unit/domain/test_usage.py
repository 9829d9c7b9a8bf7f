from __future__ import annotations

import pytest

from fastgw.domain.usage import COMMON_UNITS, MAX_COUNT, RARE_UNITS, UNITS, Usage, reconciled, usage_of


def test_every_unit_can_be_set_and_counted() -> None:
    counts = {unit: position + 1 for position, unit in enumerate(UNITS) if unit != "requests"}
    usage = usage_of(counts)
    assert {unit: usage.count(unit) for unit in counts} == counts
    assert set(COMMON_UNITS) | set(RARE_UNITS) | {"requests"} == set(UNITS)
    assert len(UNITS) == len(set(UNITS))


def test_a_call_is_one_request_and_no_unit_is_zero() -> None:
    assert Usage().count("requests") == 1
    assert Usage().count("web_searches") == 0
    assert usage_of({"web_searches": 0}) == Usage()
    with pytest.raises(KeyError, match="input_smells"):
        usage_of({"input_smells": 1})


def test_possible_counts_are_left_alone() -> None:
    usage = Usage(1000, 50, 600, 300, 100, 200, 50, 100, 10, 0, 40, {"web_searches": 2})
    assert reconciled(usage) == (usage, False)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"input_tokens": 10, "cache_read_tokens": 11}, {"input_tokens": 10, "cache_read_tokens": 10}),
        (
            {"input_tokens": 10, "cache_read_tokens": 8, "cache_write_tokens": 8},
            {"input_tokens": 10, "cache_read_tokens": 2, "cache_write_tokens": 8},
        ),
        (
            {"input_tokens": 9, "cache_write_tokens": 9, "cache_write_5m_tokens": 9, "cache_write_1h_tokens": 6},
            {"input_tokens": 9, "cache_write_tokens": 9, "cache_write_5m_tokens": 3, "cache_write_1h_tokens": 6},
        ),
        (
            {"input_tokens": 10, "input_audio_tokens": 7, "input_image_tokens": 7},
            {"input_tokens": 10, "input_audio_tokens": 7, "input_image_tokens": 3},
        ),
        ({"output_tokens": 5, "output_reasoning_tokens": 6}, {"output_tokens": 5, "output_reasoning_tokens": 5}),
        ({"output_tokens": 5, "output_audio_tokens": 2**40}, {"output_tokens": 5, "output_audio_tokens": 5}),
        ({"input_tokens": 2**63}, {"input_tokens": MAX_COUNT}),
        ({"input_tokens": -1, "output_tokens": 3}, {"output_tokens": 3}),
        ({"audio_seconds": 3, "input_audio_seconds": 4}, {"audio_seconds": 3, "input_audio_seconds": 3}),
        (
            {"input_tokens": 10, "cache_write_tokens": 8, "input_image_tokens": 5},
            {"input_tokens": 10, "cache_write_tokens": 8, "input_image_tokens": 2},
        ),
    ],
)
def test_impossible_counts_are_cut_and_told(given: dict[str, int], kept: dict[str, int]) -> None:
    assert reconciled(usage_of(given)) == (usage_of(kept), True)


def test_media_and_cache_reads_overlap_by_as_little_as_explains_the_counts() -> None:
    usage, cut = reconciled(usage_of({"input_tokens": 1000, "cache_read_tokens": 900, "input_audio_tokens": 800}))
    assert not cut
    assert usage.count("cache_audio_read_tokens") == 700
    usage, cut = reconciled(
        usage_of({"input_tokens": 100, "cache_read_tokens": 100, "input_audio_tokens": 40, "input_image_tokens": 60})
    )
    assert not cut
    assert usage.other == {"cache_audio_read_tokens": 40, "cache_image_read_tokens": 60}
