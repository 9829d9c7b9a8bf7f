"""The mock as the official clients see it: what they parse, what they raise, and what the bill says afterwards."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2  # the transport of the official clients: the anthropic one lets its errors through
import openai
import orjson
import pytest

from tests.wire.processes import MockProvider, running_mock_provider

SAID = "the river keeps its own time and the mill turns with it so grain becomes flour"
HELLO: list[Any] = [{"role": "user", "content": "hello there"}]
PIXEL = base64.b64encode(b"not really an image").decode()


@pytest.fixture
def via_openai(mock_provider: MockProvider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{mock_provider.url}/v1", api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
def via_anthropic(mock_provider: MockProvider) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=mock_provider.url, api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
def since(mock_provider: MockProvider) -> int:
    return mock_provider.last_seq()


def the_row(mock: MockProvider, since: int) -> dict[str, Any]:
    rows = mock.bill(since)["rows"]
    assert len(rows) == 1, rows
    row: dict[str, Any] = rows[0]
    return row


def test_openai_chat(via_openai: openai.OpenAI, mock_provider: MockProvider, since: int) -> None:
    asked = {"x-mock": "cached=100,reasoning=7,audio_in=3,audio_out=2"}
    answer = via_openai.chat.completions.create(model="mock-large", messages=HELLO, extra_headers=asked)
    assert answer.choices[0].message.content == SAID
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (106, 25)
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens == 100
    assert answer.usage.completion_tokens_details is not None
    assert answer.usage.completion_tokens_details.reasoning_tokens == 7
    row = the_row(mock_provider, since)
    assert (row["state"], row["usage"]["input"], row["usage"]["cached_input"]) == ("complete", 3, 100)
    # 3 x 2.5 + 100 x 0.3125 + 3 x 40 + 23 x 12.5 + 2 x 80.0005 USD a million tokens
    assert row["cost_usd"] == "0.000606251"
    assert answer._request_id == f"req_mock{row['seq']}"


def test_openai_chat_stream(via_openai: openai.OpenAI, mock_provider: MockProvider, since: int) -> None:
    text, usages = "", []
    with via_openai.chat.completions.create(
        model="mock-small+words=5", messages=HELLO, stream=True, stream_options={"include_usage": True}
    ) as stream:
        for chunk in stream:
            text += "".join(choice.delta.content or "" for choice in chunk.choices)
            usages.append(chunk.usage)
    assert text == "the river keeps its own"
    assert [usage for usage in usages[:-1] if usage is not None] == []
    assert usages[-1] is not None
    assert usages[-1].completion_tokens == 5
    assert the_row(mock_provider, since)["words_sent"] == 5


def test_openai_chat_tool_through_the_accumulating_stream(via_openai: openai.OpenAI) -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    tools: list[Any] = [{"type": "function", "function": {"name": "weather", "parameters": parameters}}]
    messages: list[Any] = [{"role": "user", "content": "tool:weather in Lyon"}]
    plain = via_openai.chat.completions.create(model="mock-small", messages=messages, tools=tools)
    with via_openai.chat.completions.stream(model="mock-small", messages=messages, tools=tools) as stream:
        streamed = stream.get_final_completion()
    for answer in (plain, streamed):
        assert answer.choices[0].finish_reason == "tool_calls"
        assert answer.choices[0].message.tool_calls is not None
        (call,) = answer.choices[0].message.tool_calls
        assert call.type == "function"
        assert (call.function.name, orjson.loads(call.function.arguments)) == ("weather", {"city": SAID})


def test_openai_image_is_counted(via_openai: openai.OpenAI) -> None:
    content: list[Any] = [
        {"type": "text", "text": "what is this"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
    ]
    answer = via_openai.chat.completions.create(model="mock-small", messages=[{"role": "user", "content": content}])
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 3 + 85


def test_openai_completions(via_openai: openai.OpenAI) -> None:
    answer = via_openai.completions.create(model="mock-small", prompt="once upon", max_tokens=3)
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == ("the river keeps", "length")
    with via_openai.completions.create(model="mock-small", prompt="once", max_tokens=3, stream=True) as stream:
        assert "".join(chunk.choices[0].text for chunk in stream) == "the river keeps"


def test_openai_embeddings(via_openai: openai.OpenAI, mock_provider: MockProvider, since: int) -> None:
    answer = via_openai.embeddings.create(model="mock-embed", input=["one", "two"], dimensions=16)
    plain = via_openai.embeddings.create(
        model="mock-embed", input=["one", "two"], dimensions=16, encoding_format="float"
    )
    assert [len(one.embedding) for one in answer.data] == [16, 16]
    assert answer.data[1].embedding == pytest.approx(plain.data[1].embedding)
    assert [row["cost_usd"] for row in mock_provider.bill(since)["rows"]] == ["0.0000000398"] * 2


def test_openai_responses(via_openai: openai.OpenAI, mock_provider: MockProvider, since: int) -> None:
    answer = via_openai.responses.create(model="mock-small", input="hello there", extra_headers={"x-mock": "cached=8"})
    assert answer.output_text == SAID
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.input_tokens_details.cached_tokens) == (11, 8)
    assert the_row(mock_provider, since)["usage"]["output"] == 16


def test_openai_responses_stream(via_openai: openai.OpenAI) -> None:
    tools: list[Any] = [{"type": "function", "name": "weather", "parameters": {"properties": {"city": {}}}}]
    with via_openai.responses.stream(model="mock-small", input="hello there") as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert text == final.output_text == SAID
    with via_openai.responses.create(model="mock-small", input="tool:weather", tools=tools, stream=True) as stream:
        last = list(stream)[-1]
    assert last.type == "response.completed"
    assert last.response.output[0].type == "function_call"
    assert orjson.loads(last.response.output[0].arguments) == {"city": SAID}


def test_openai_models(via_openai: openai.OpenAI) -> None:
    assert [model.id for model in via_openai.models.list()] == ["mock-small", "mock-large", "mock-embed"]


def test_anthropic_message(via_anthropic: anthropic.Anthropic, mock_provider: MockProvider, since: int) -> None:
    asked = {"x-mock": "cached=100,cache_write_5m=20,cache_write_1h=3,reasoning=4"}
    answer = via_anthropic.messages.create(
        model="mock-small", max_tokens=100, messages=HELLO, system="be kind", extra_headers=asked
    )
    assert answer.content[0].type == "text"
    assert (answer.content[0].text, answer.stop_reason) == (SAID, "end_turn")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (5, 20)
    assert (answer.usage.cache_read_input_tokens, answer.usage.cache_creation_input_tokens) == (100, 23)
    assert answer.usage.cache_creation is not None
    assert answer.usage.cache_creation.ephemeral_1h_input_tokens == 3
    # 5 x 0.15 + 100 x 0.0375 + 20 x 0.1875 + 3 x 0.3 + 20 x 0.6 USD a million tokens
    assert the_row(mock_provider, since)["cost_usd"] == "0.00002115"


def test_anthropic_stream(via_anthropic: anthropic.Anthropic, mock_provider: MockProvider, since: int) -> None:
    with via_anthropic.messages.stream(model="mock-small+words=5", max_tokens=100, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == "the river keeps its own"
    assert (final.usage.input_tokens, final.usage.output_tokens, final.stop_reason) == (3, 5, "end_turn")
    assert the_row(mock_provider, since)["state"] == "complete"


def test_anthropic_tool_and_image(via_anthropic: anthropic.Anthropic) -> None:
    tools: list[Any] = [{"name": "weather", "input_schema": {"type": "object", "properties": {"city": {}}}}]
    content: list[Any] = [
        {"type": "text", "text": "tool:weather"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
    ]
    messages: list[Any] = [{"role": "user", "content": content}]
    plain = via_anthropic.messages.create(model="mock-small", max_tokens=100, messages=messages, tools=tools)
    with via_anthropic.messages.stream(model="mock-small", max_tokens=100, messages=messages, tools=tools) as stream:
        streamed = stream.get_final_message()
    for answer in (plain, streamed):
        assert answer.content[0].type == "tool_use"
        assert (answer.content[0].name, answer.content[0].input) == ("weather", {"city": SAID})
        assert (answer.stop_reason, answer.usage.input_tokens) == ("tool_use", 3 + 85)


def test_anthropic_count_tokens_is_free(
    via_anthropic: anthropic.Anthropic, mock_provider: MockProvider, since: int
) -> None:
    assert via_anthropic.messages.count_tokens(model="mock-small", messages=HELLO).input_tokens == 3
    assert the_row(mock_provider, since)["cost_usd"] == "0"


def test_anthropic_models(via_anthropic: anthropic.Anthropic) -> None:
    assert [model.id for model in via_anthropic.models.list()] == ["mock-small", "mock-large", "mock-embed"]


def test_clients_raise_what_the_vendors_errors_mean(
    via_openai: openai.OpenAI, via_anthropic: anthropic.Anthropic
) -> None:
    with pytest.raises(openai.RateLimitError) as limited:
        via_openai.chat.completions.create(model="mock-small+status=429+retry_after=3", messages=HELLO)
    assert limited.value.response.headers["retry-after"] == "3"
    assert limited.value.code == "rate_limit_exceeded"
    with pytest.raises(openai.NotFoundError):
        via_openai.chat.completions.create(model="gpt-4", messages=HELLO)
    with pytest.raises(openai.BadRequestError):
        via_openai.chat.completions.create(model="mock-small", messages=[])
    with pytest.raises(anthropic.InternalServerError) as overloaded:
        via_anthropic.messages.create(model="mock-small+status=529", max_tokens=5, messages=HELLO)
    assert overloaded.value.body == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "Overloaded"},
        "request_id": overloaded.value.request_id,
    }


@pytest.mark.parametrize("fault", ["cut_after_bytes=900", "reset_after_bytes=900", "malformed=chunk", "error_event=1"])
def test_broken_streams_are_errors_for_the_clients(
    via_openai: openai.OpenAI, via_anthropic: anthropic.Anthropic, fault: str
) -> None:
    asked = {"x-mock": fault}
    with pytest.raises(openai.APIError):
        list(via_openai.chat.completions.create(model="mock-small", messages=HELLO, stream=True, extra_headers=asked))
    with pytest.raises((anthropic.APIStatusError, httpx2.TransportError)):
        list(
            via_anthropic.messages.create(
                model="mock-small", max_tokens=50, messages=HELLO, stream=True, extra_headers=asked
            )
        )


def test_clients_own_retry_meets_a_provider_that_recovers(mock_provider: MockProvider, since: int) -> None:
    asked = {"x-mock": "fail_first=1,retry_after=0", "x-mock-id": "recovers"}
    with openai.OpenAI(base_url=f"{mock_provider.url}/v1", api_key="any", max_retries=1) as client:
        answer = client.chat.completions.create(model="mock-small", messages=HELLO, extra_headers=asked)
    assert answer.choices[0].message.content == SAID
    assert [row["status"] for row in mock_provider.bill(since)["rows"]] == [503, 200]


def test_wrong_key_is_refused_in_both_dialects() -> None:
    with running_mock_provider("--require-key", "right", "--require-key", "other") as mock:
        for key in ("right", "other"):
            with openai.OpenAI(base_url=f"{mock.url}/v1", api_key=key) as good:
                good.chat.completions.create(model="mock-small", messages=HELLO)
        with (
            openai.OpenAI(base_url=f"{mock.url}/v1", api_key="wrong") as client,
            pytest.raises(openai.AuthenticationError),
        ):
            client.chat.completions.create(model="mock-small", messages=HELLO)
        with (
            anthropic.Anthropic(base_url=mock.url, api_key="wrong") as other,
            pytest.raises(anthropic.AuthenticationError),
        ):
            other.messages.create(model="mock-small", max_tokens=5, messages=HELLO)
        assert [row["status"] for row in mock.bill()["rows"]] == [200, 200, 401, 401]


def test_what_arrives_is_recorded(via_openai: openai.OpenAI, mock_provider: MockProvider, since: int) -> None:
    via_openai.chat.completions.create(
        model="mock-small",
        messages=HELLO,
        extra_body={"unknown": [1, {"deep": None}]},
        extra_headers={"x-request-id": "r1"},
    )
    (recorded,) = mock_provider.requests(since)
    assert orjson.loads(base64.b64decode(recorded["body"]))["unknown"] == [1, {"deep": None}]
    assert ["Authorization", "Bearer any"] in [[name.title(), value] for name, value in recorded["headers"]]
    assert the_row(mock_provider, since)["request_id"] == "r1"


def test_kept_process_ends_cleanly_on_sigterm() -> None:
    with running_mock_provider() as mock:
        process = mock.process
        assert process.end() == 0
    assert process.output == f"mock provider listening on {mock.url}\n"
