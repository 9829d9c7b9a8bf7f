from __future__ import annotations

import orjson
import pytest

from fastgw.mock_provider.faults import read_directives
from fastgw.mock_provider.refusal import Refusal
from fastgw.mock_provider.text import Found
from fastgw.mock_provider.usage import (
    HUGE,
    Usage,
    count_input,
    count_usage,
    encode_with_usage,
    report_anthropic,
    report_openai,
    report_responses,
    tell,
)

FULL = Usage(input=100, cached_input=20, cache_write_5m=3, input_audio=7, output=40, reasoning=30, output_audio=5)


@pytest.mark.parametrize(
    ("text_bytes", "images", "tokens"), [(0, 0, 1), (1, 0, 1), (4, 0, 1), (5, 0, 2), (0, 2, 170), (9, 1, 88)]
)
def test_counting_rule(text_bytes: int, images: int, tokens: int) -> None:
    assert count_input(Found(text_bytes, images)) == tokens


def test_counts_by_directive_come_on_top_and_reasoning_is_output() -> None:
    asked = "cached=1,cache_write_5m=2,cache_write_1h=3,audio_in=4,audio_out=5,reasoning=6"
    assert count_usage(10, 16, read_directives("m", asked)[1]) == Usage(
        input=10,
        cached_input=1,
        cache_write_5m=2,
        cache_write_1h=3,
        input_audio=4,
        output=22,
        reasoning=6,
        output_audio=5,
    )


def test_count_that_cannot_be_reported_is_refused() -> None:
    with pytest.raises(Refusal, match="does not report audio_in"):
        count_usage(1, 1, read_directives("m", "audio_in=1")[1], ("cached", "audio_in"))


def test_broken_stream_is_billed_for_what_was_said() -> None:
    assert FULL.cut_to(4) == Usage(100, 20, 3, 0, 7, 34, 30, 5)
    assert FULL.cut_to(0) == Usage(100, 20, 3, 0, 7, 0, 0, 0)


def test_openai_totals_contain_their_details() -> None:
    report = report_openai(FULL)
    assert (report["prompt_tokens"], report["completion_tokens"], report["total_tokens"]) == (130, 45, 175)
    assert report["prompt_tokens_details"] == {"cached_tokens": 20, "cache_write_tokens": 3, "audio_tokens": 7}
    assert report["completion_tokens_details"]["reasoning_tokens"] == 30
    assert report["completion_tokens_details"]["audio_tokens"] == 5


def test_responses_totals_contain_their_details() -> None:
    report = report_responses(FULL)
    assert (report["input_tokens"], report["output_tokens"], report["total_tokens"]) == (123, 40, 163)
    assert report["input_tokens_details"] == {"cached_tokens": 20, "cache_write_tokens": 3}
    assert report["output_tokens_details"] == {"reasoning_tokens": 30}


def test_anthropic_input_contains_no_cached_tokens() -> None:
    report = report_anthropic(
        Usage(input=100, cached_input=20, cache_write_5m=3, cache_write_1h=4, output=9, reasoning=2), 9
    )
    assert report["input_tokens"] == 100
    assert report["cache_read_input_tokens"] == 20
    assert report["cache_creation_input_tokens"] == 7
    assert report["cache_creation"] == {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4}
    assert report["output_tokens"] == 9
    assert report["output_tokens_details"] == {"thinking_tokens": 2}


def test_lies_reach_every_number() -> None:
    report = {"a": 5, "b": {"c": 0}, "d": "standard"}
    assert tell(report, None) is report
    assert tell(report, "twice") is report
    assert tell(report, "absent") is None
    assert tell(report, "negative") == {"a": -5, "b": {"c": -1}, "d": "standard"}
    assert tell(report, "huge") == {"a": HUGE, "b": {"c": HUGE}, "d": "standard"}
    assert tell(report, "string") == {"a": "5", "b": {"c": "0"}, "d": "standard"}


def test_plain_answer_with_usage_none_or_two() -> None:
    assert orjson.loads(encode_with_usage({"a": 1}, {"t": 2}, None)) == {"a": 1, "usage": {"t": 2}}
    assert orjson.loads(encode_with_usage({"a": 1}, {"t": 2}, "absent")) == {"a": 1}
    assert encode_with_usage({"a": 1}, {"t": 2}, "twice") == b'{"a":1,"usage":{"t":2},"usage":{"t":2}}'
    with pytest.raises(Refusal, match="after_done"):
        encode_with_usage({"a": 1}, {"t": 2}, "after_done")
