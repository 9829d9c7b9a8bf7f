from __future__ import annotations

import json
import random
from typing import Any

import pytest
from genai_prices.data_snapshot import find_provider_by_id

from fastgw.domain.usage import MAX_COUNT, UNITS, Usage, usage_of
from fastgw.spend.meter import (
    AnthropicStreamUsage,
    anthropic_tier,
    read_anthropic,
    read_openai_chat,
    read_openai_responses,
)
from tests.model.price_model import SNAPSHOT


def block(value: object) -> bytes:
    return json.dumps(value).encode()


def extracted(provider_id: str, flavor: str, usage: dict[str, Any]) -> dict[str, int]:
    """What genai-prices reads from the same block, without its zeros and the units that no price has."""
    provider = find_provider_by_id(SNAPSHOT.providers, provider_id)
    assert provider is not None
    _, read = provider.extract_usage({"model": "m", "usage": usage}, api_flavor=flavor)
    return {unit: count for unit, count in read._reported_values().items() if count and unit in UNITS}


def counted(usage: Usage) -> dict[str, int]:
    return {unit: usage.count(unit) for unit in UNITS[:-1] if usage.count(unit)}


def openai_usage(rng: random.Random, names: tuple[str, str, str, str]) -> dict[str, Any]:
    read, write, audio, plain = (rng.choice((0, rng.randrange(5000))) for _ in range(4))
    reasoning, output_audio, answer = (rng.choice((0, rng.randrange(500))) for _ in range(3))
    prompt, completion, prompt_details, completion_details = names
    usage: dict[str, Any] = {
        prompt: read + write + audio + plain,
        completion: reasoning + output_audio + answer,
        "total_tokens": read + write + audio + plain + reasoning + output_audio + answer,
    }
    if rng.random() < 0.8:
        usage[prompt_details] = {"cached_tokens": read, "cache_write_tokens": write}
        usage[completion_details] = {"reasoning_tokens": reasoning, "accepted_prediction_tokens": 0}
        if prompt == "prompt_tokens":
            usage[prompt_details]["audio_tokens"] = audio
            usage[completion_details]["audio_tokens"] = output_audio
    elif rng.random() < 0.5:
        usage[prompt_details] = usage[completion_details] = None
    return usage


def test_chat_usage_is_read_as_genai_prices_does() -> None:
    rng = random.Random(1)
    for _ in range(300):
        value = openai_usage(
            rng, ("prompt_tokens", "completion_tokens", "prompt_tokens_details", "completion_tokens_details")
        )
        usage, source = read_openai_chat(block(value))
        assert source == "reported"
        assert counted(usage) == extracted("openai", "chat", value)


def test_responses_usage_is_read_as_genai_prices_does() -> None:
    rng = random.Random(2)
    for _ in range(300):
        value = openai_usage(rng, ("input_tokens", "output_tokens", "input_tokens_details", "output_tokens_details"))
        usage, source = read_openai_responses(block(value))
        assert source == "reported"
        assert counted(usage) == extracted("openai", "responses", value)


def test_message_usage_is_read_as_genai_prices_does() -> None:
    rng = random.Random(3)
    for _ in range(300):
        write_5m, write_1h = rng.choice((0, rng.randrange(900))), rng.choice((0, rng.randrange(900)))
        value: dict[str, Any] = {
            "input_tokens": rng.randrange(3000),
            "cache_creation_input_tokens": write_5m + write_1h,
            "cache_read_input_tokens": rng.choice((0, rng.randrange(90_000))),
            "cache_creation": {"ephemeral_5m_input_tokens": write_5m, "ephemeral_1h_input_tokens": write_1h},
            "output_tokens": 300 + rng.randrange(4000),
            "output_tokens_details": rng.choice((None, {"thinking_tokens": rng.randrange(300)})),
            "server_tool_use": rng.choice((None, {"web_search_requests": rng.randrange(3), "web_fetch_requests": 1})),
            "service_tier": "standard",
        }
        usage, source = read_anthropic(block(value))
        assert source == "reported"
        assert counted(usage) == extracted("anthropic", "default", value)


def test_xai_counts_reasoning_apart() -> None:
    value = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 115,
        "completion_tokens_details": {"reasoning_tokens": 100},
    }
    usage, source = read_openai_chat(block(value))
    assert source == "reported"
    assert counted(usage) == extracted("x-ai", "chat", value)
    assert usage.output_tokens == 105


def test_cached_tokens_beside_the_details() -> None:
    usage, source = read_openai_chat(b'{"prompt_tokens":100,"completion_tokens":1,"cached_tokens":60}')
    assert (usage, source) == (Usage(100, 1, 60), "reported")


def test_embeddings_have_no_output() -> None:
    assert read_openai_chat(b'{"prompt_tokens":8,"total_tokens":8}') == (Usage(8), "reported")


def test_images_have_their_own_units() -> None:
    value = {"input_tokens": 50, "input_tokens_details": {"text_tokens": 10, "image_tokens": 40}, "output_tokens": 9}
    assert read_openai_responses(block(value)) == (Usage(50, 9, input_image_tokens=40), "reported")
    value = {"prompt_tokens": 1, "completion_tokens": 9, "completion_tokens_details": {"image_tokens": 9}}
    assert read_openai_chat(block(value)) == (Usage(1, 9, output_image_tokens=9), "reported")


def test_messages_without_a_whole_for_their_cache_writes() -> None:
    value = {"input_tokens": 1, "output_tokens": 2, "cache_creation": {"ephemeral_1h_input_tokens": 30}}
    expected = Usage(31, 2, cache_write_tokens=30, cache_write_1h_tokens=30)
    assert read_anthropic(block(value)) == (expected, "reported")


@pytest.mark.parametrize(
    ("value", "expected", "source"),
    [
        ({"prompt_tokens": 10, "completion_tokens": -5}, Usage(10), "clamped"),
        ({"prompt_tokens": -10, "completion_tokens": 5}, Usage(0, 5), "clamped"),
        ({"prompt_tokens": 10**18, "completion_tokens": 5}, Usage(MAX_COUNT, 5), "clamped"),
        ({"prompt_tokens": 10**40, "completion_tokens": 5}, Usage(MAX_COUNT, 5), "clamped"),
        ({"prompt_tokens": "10", "completion_tokens": 5}, Usage(0, 5), "clamped"),
        ({"prompt_tokens": 10, "completion_tokens": True}, Usage(10), "clamped"),
        ({"prompt_tokens": 10, "completion_tokens": 2.5}, Usage(10), "clamped"),
        ({"prompt_tokens": 10.0, "completion_tokens": 2}, Usage(10, 2), "reported"),
        ({"prompt_tokens": 10, "completion_tokens": [2]}, Usage(10), "clamped"),
        ({"completion_tokens": 2}, Usage(0, 2), "clamped"),
        ({"prompt_tokens": 10, "prompt_tokens_details": 7}, Usage(10), "clamped"),
        ({"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": None}}, Usage(10), "reported"),
        ({"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": {"a": 1}}}, Usage(10), "clamped"),
        ({"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 11}}, Usage(10, 0, 10), "clamped"),
        (
            {"prompt_tokens": 1, "completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 3}},
            Usage(1, 2, output_reasoning_tokens=2),
            "clamped",
        ),
        ({"prompt_tokens": None}, Usage(), "none"),
        ({"prompt_tokens": {}}, Usage(), "none"),
        ({}, Usage(), "none"),
        ([], Usage(), "none"),
        (None, Usage(), "none"),
        ("prompt_tokens", Usage(), "none"),
        (7, Usage(), "none"),
    ],
)
def test_hostile_chat_blocks(value: object, expected: Usage, source: str) -> None:
    assert read_openai_chat(block(value)) == (expected, source)


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 100_000, b'{"a":1e999}', b'{"prompt_tokens":1', b"{} {}"])
def test_what_is_not_json_is_no_usage(raw: bytes) -> None:
    for read in (read_openai_chat, read_openai_responses, read_anthropic):
        assert read(raw) == (Usage(), "none")


def test_the_last_of_two_members_counts() -> None:
    assert read_openai_chat(b'{"prompt_tokens":1,"prompt_tokens":2}') == (Usage(2), "reported")


@pytest.mark.parametrize(
    ("value", "expected", "source"),
    [
        ({"input_tokens": MAX_COUNT, "cache_read_input_tokens": 9}, Usage(MAX_COUNT, 0, 9), "clamped"),
        (
            {"input_tokens": 1, "cache_creation_input_tokens": 5, "cache_creation": {"ephemeral_1h_input_tokens": 9}},
            Usage(6, cache_write_tokens=5, cache_write_1h_tokens=5),
            "clamped",
        ),
        ({"input_tokens": 1, "output_tokens": "x"}, Usage(1), "clamped"),
        ({"input_tokens": 1, "server_tool_use": {"web_search_requests": -1}}, Usage(1), "clamped"),
        ({"cache_read_input_tokens": 9}, Usage(), "none"),
        ({"output_tokens": 9}, Usage(0, 9), "clamped"),
    ],
)
def test_hostile_message_blocks(value: object, expected: Usage, source: str) -> None:
    assert read_anthropic(block(value)) == (expected, source)


def test_a_stream_keeps_what_later_blocks_leave_out() -> None:
    stream = AnthropicStreamUsage()
    assert stream.result() == (Usage(), "none")
    stream.add(b'{"input_tokens":10,"cache_read_input_tokens":90,"cache_creation_input_tokens":0,"output_tokens":1}')
    assert not stream.is_output_final
    assert stream.result() == (Usage(100, 1, 90), "reported")
    stream.add(b'{"output_tokens":20}')
    stream.add(b'{"output_tokens":35,"server_tool_use":{"web_search_requests":2}}')
    assert stream.is_output_final
    assert stream.result() == (
        usage_of({"input_tokens": 100, "output_tokens": 35, "cache_read_tokens": 90, "web_searches": 2}),
        "reported",
    )


def test_a_stream_whose_input_comes_last() -> None:
    stream = AnthropicStreamUsage()
    stream.add(b'{"input_tokens":0,"output_tokens":0}')
    stream.add(b'{"input_tokens":12,"output_tokens":30,"cache_read_input_tokens":5}')
    assert stream.result() == (Usage(17, 30, 5), "reported")


def test_rubbish_in_a_stream_does_not_undo_what_is_known() -> None:
    stream = AnthropicStreamUsage()
    stream.add(b'{"input_tokens":12,"output_tokens":30}')
    for raw in (b'{"output_tokens":-1}', b'{"output_tokens":"9"}', b"nonsense", b"null", b"[]"):
        stream.add(raw)
    assert stream.result() == (Usage(12, 30), "clamped")


def test_a_stream_of_rubbish_is_no_usage() -> None:
    stream = AnthropicStreamUsage()
    stream.add(b"rubbish")
    assert stream.result() == (Usage(), "none")


@pytest.mark.parametrize(
    ("raw", "tier"),
    [
        (b'{"input_tokens":1,"service_tier":"batch"}', "batch"),
        (b'{"service_tier":"standard","speed":"fast"}', "fast"),
        (b'{"service_tier":"priority","speed":"standard"}', "priority"),
        (b"{}", None),
        (b'{"service_tier":7}', None),
        (b"\xff", None),
    ],
)
def test_the_tier_that_anthropic_served(raw: bytes, tier: str | None) -> None:
    assert anthropic_tier(raw) == tier
