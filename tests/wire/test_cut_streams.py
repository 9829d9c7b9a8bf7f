"""Streams at the end of their money, read by official clients: the answer is whole, and says that it reached its length."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import openai
import pytest

from tests.wire.gateway import (
    KEY,
    KEYS,
    MODELS,
    Gateway,
    fresh_id,
    mock_prices,
    mock_providers,
    provider_section,
    running_gateway,
    server_section,
)
from tests.wire.processes import MockProvider
from tests.wire.scripted import ScriptedProvider

LONG = "mock-openai/mock-small+words=20000"
BLOCK_DELTA = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"%b"}}\n\n' % (b"word " * 60)
)
ENDLESS = (
    b"event: message_start\n"
    b'data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"m",'
    b'"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":1}}}\n\n'
    b"event: content_block_start\n"
    b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
    b"event: content_block_start\n"
    b'data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}\n\n'
)
"""A message of a provider that does not heed `max_tokens`: in its second block it goes on as long as somebody listens."""
BUDGETS = "".join(
    f'[[budgets]]\nid = "{operation}"\nwindow = "day"\nlimit_usd = "0.005"\nclamp = false\ncut = true\n'
    f'when = {{ operations = ["{operation}"] }}\n'
    for operation in ("chat", "complete", "respond", "message")
)


@pytest.fixture(scope="module")
def scripted() -> Iterator[ScriptedProvider]:
    provider = ScriptedProvider()
    yield provider
    provider.close()


@pytest.fixture(scope="module")
def gateway(
    mock_provider: MockProvider, scripted: ScriptedProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    providers = mock_providers(mock_provider) + provider_section("endless", "anthropic", scripted.url)
    text = server_section() + providers + mock_prices("mock-openai", "endless") + KEYS + MODELS + BUDGETS
    with running_gateway(tmp_path_factory.mktemp("gateway"), text) as running:
        yield running


@pytest.fixture(scope="module")
def openai_client(gateway: Gateway) -> openai.OpenAI:
    return openai.OpenAI(api_key=KEY, base_url=f"{gateway.url}/v1", max_retries=0, timeout=20)


def check_row(gateway: Gateway, request_id: str, told_output_tokens: int) -> None:
    row = gateway.entry(request_id)
    assert (row.status, row.error_code, row.usage_source) == (200, "budget_exhausted", "estimated")
    assert row.output_tokens == told_output_tokens
    assert 0 < (row.cost_nano_usd or 0) < 6_000_000


def test_chat(gateway: Gateway, openai_client: openai.OpenAI) -> None:
    id_ = fresh_id()
    stream = openai_client.chat.completions.create(
        model=LONG,
        messages=[{"role": "user", "content": "hello"}],
        stream=True,
        stream_options={"include_usage": True},
        extra_headers={"x-request-id": id_},
    )
    chunks = list(stream)
    finished = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason]
    assert finished == ["length"]
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[-1].usage is not None
    check_row(gateway, id_, chunks[-1].usage.completion_tokens)


def test_completions(gateway: Gateway, openai_client: openai.OpenAI) -> None:
    id_ = fresh_id()
    stream = openai_client.completions.create(
        model=LONG, prompt="hello", stream=True, extra_headers={"x-request-id": id_}
    )
    reasons = [choice.finish_reason for chunk in stream for choice in chunk.choices if choice.finish_reason]
    assert reasons == ["length"]
    assert gateway.entry(id_).error_code == "budget_exhausted"


def test_responses(gateway: Gateway, openai_client: openai.OpenAI) -> None:
    id_ = fresh_id()
    with openai_client.responses.stream(model=LONG, input="hello", extra_headers={"x-request-id": id_}) as stream:
        events = list(stream)
    last = events[-1]
    assert last.type == "response.incomplete"
    assert last.response.status == "incomplete"
    assert last.response.incomplete_details is not None
    assert last.response.incomplete_details.reason == "max_output_tokens"
    assert last.response.usage is not None
    check_row(gateway, id_, last.response.usage.output_tokens)


def test_messages(gateway: Gateway, scripted: ScriptedProvider) -> None:
    id_ = fresh_id()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    scripted.replies["mock-small"] = [head + ENDLESS, *[step for _ in range(2000) for step in (BLOCK_DELTA, 0.002)]]
    client = anthropic.Anthropic(api_key=KEY, base_url=gateway.url, max_retries=0, timeout=20)
    with client.messages.stream(
        model="endless/mock-small",
        max_tokens=100,
        messages=[{"role": "user", "content": "hello"}],
        extra_headers={"x-request-id": id_},
    ) as stream:
        message = stream.get_final_message()
    assert message.stop_reason == "max_tokens"
    assert [block.type for block in message.content] == ["text", "text"]
    check_row(gateway, id_, message.usage.output_tokens)
