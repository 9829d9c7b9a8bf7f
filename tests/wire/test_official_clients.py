"""The official clients through the gateway against the same calls to the provider: same answers, same bodies, exact cost."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import anthropic
import httpx2  # the transport of the official clients
import openai
import orjson
import pytest
from pydantic import BaseModel

from fastgw.domain.entry import LedgerEntry
from tests.wire.gateway import CREDENTIAL, KEY, Gateway, fresh_id
from tests.wire.processes import MockProvider

HELLO: list[Any] = [{"role": "user", "content": "hello there"}]
ABROAD: list[Any] = [{"role": "user", "content": 'Grüße, 世界 🦀 \u2028 \x00 \\ " </script> \u0301'}]
PIXEL = base64.b64encode(bytes(range(256)) * 40).decode()
CITY = {"type": "object", "properties": {"city": {"type": "string"}}}
OPENAI_TOOLS: list[Any] = [{"type": "function", "function": {"name": "weather", "parameters": CITY}}]
ANTHROPIC_TOOLS: list[Any] = [{"name": "weather", "input_schema": CITY}]
ASK_TOOL: list[Any] = [{"role": "user", "content": "tool:weather in Lyon"}]
UNKNOWN: dict[str, Any] = {"x_new_field": {"deep": [1, None, {"é": 1.50}]}, "thinking_budget": 12345678901234567890}
OPENAI_IMAGE: list[Any] = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "what is this"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}},
        ],
    }
]
ANTHROPIC_IMAGE: list[Any] = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "what is this", "cache_control": {"type": "ephemeral"}},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        ],
    }
]


@dataclass
class Side:
    """One way to the provider: both clients, and the bodies they sent."""

    openai: openai.OpenAI
    anthropic: anthropic.Anthropic
    sent: list[httpx2.Request] = field(default_factory=list)


def side(url: str, key: str) -> Iterator[Side]:
    sent: list[httpx2.Request] = []
    hooks: Any = {"request": [sent.append]}
    with (
        openai.DefaultHttpxClient(event_hooks=hooks, trust_env=False) as first,
        anthropic.DefaultHttpxClient(event_hooks=hooks, trust_env=False) as second,
    ):
        yield Side(
            openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, http_client=first),
            anthropic.Anthropic(base_url=url, api_key=key, max_retries=0, http_client=second),
            sent,
        )


@pytest.fixture(scope="module")
def direct(mock_provider: MockProvider) -> Iterator[Side]:
    yield from side(mock_provider.url, CREDENTIAL)


@pytest.fixture(scope="module")
def through(gateway: Gateway) -> Iterator[Side]:
    yield from side(gateway.url, KEY)


def plain_ids(text: str) -> str:
    """The mock numbers its answers; everything else about them is made from the request."""
    return re.sub(r"mock\d+", "mock", text)


def dump(answer: BaseModel) -> str:
    return plain_ids(answer.model_dump_json())


Ask = Callable[[Side, str, dict[str, str]], list[str]]
"""Makes one call for a model, with headers, and gives what the client parsed."""


def _chat(**more: Any) -> Ask:
    def ask(by: Side, model: str, headers: dict[str, str]) -> list[str]:
        arguments = {"messages": HELLO, **more}
        return [dump(by.openai.chat.completions.create(model=model, extra_headers=headers, **arguments))]

    return ask


def _chat_stream(**more: Any) -> Ask:
    def ask(by: Side, model: str, headers: dict[str, str]) -> list[str]:
        arguments = {"messages": HELLO, **more}
        with by.openai.chat.completions.create(model=model, extra_headers=headers, stream=True, **arguments) as stream:
            return [dump(chunk) for chunk in stream]

    return ask


def _complete(by: Side, model: str, headers: dict[str, str]) -> list[str]:
    return [dump(by.openai.completions.create(model=model, prompt=["once", "twice"], extra_headers=headers))]


def _complete_stream(by: Side, model: str, headers: dict[str, str]) -> list[str]:
    with by.openai.completions.create(model=model, prompt="once", stream=True, extra_headers=headers) as stream:
        return [dump(chunk) for chunk in stream]


def _embed(by: Side, model: str, headers: dict[str, str]) -> list[str]:
    return [dump(by.openai.embeddings.create(model=model, input=["one", "zwölf"], extra_headers=headers))]


def _respond(**more: Any) -> Ask:
    def ask(by: Side, model: str, headers: dict[str, str]) -> list[str]:
        arguments = {"input": "hello there", **more}
        return [dump(by.openai.responses.create(model=model, extra_headers=headers, **arguments))]

    return ask


def _respond_stream(by: Side, model: str, headers: dict[str, str]) -> list[str]:
    with by.openai.responses.create(model=model, input="hello", stream=True, extra_headers=headers) as stream:
        return [dump(event) for event in stream]


def _message(**more: Any) -> Ask:
    def ask(by: Side, model: str, headers: dict[str, str]) -> list[str]:
        arguments = {"messages": HELLO, "max_tokens": 100_000, **more}
        return [dump(by.anthropic.messages.create(model=model, extra_headers=headers, timeout=60, **arguments))]

    return ask


def _message_stream(**more: Any) -> Ask:
    def ask(by: Side, model: str, headers: dict[str, str]) -> list[str]:
        arguments = {"messages": HELLO, "max_tokens": 100, **more}
        with by.anthropic.messages.create(model=model, extra_headers=headers, stream=True, **arguments) as stream:
            return [dump(event) for event in stream]

    return ask


def _count(by: Side, model: str, headers: dict[str, str]) -> list[str]:
    return [dump(by.anthropic.messages.count_tokens(model=model, messages=HELLO, extra_headers=headers))]


WANTED = {"stream_options": {"include_usage": True}}
UNWANTED = {"stream_options": {"include_usage": False, "include_obfuscation": False}}
CALLS: dict[str, tuple[Ask, str]] = {
    "chat": (_chat(), "mock-small"),
    "chat, tools": (_chat(messages=ASK_TOOL, tools=OPENAI_TOOLS), "mock-small"),
    "chat, image": (_chat(messages=OPENAI_IMAGE), "mock-small"),
    "chat, unknown fields": (_chat(extra_body=UNKNOWN), "mock-small"),
    "chat, non-ASCII": (_chat(messages=ABROAD, user="Jürgen"), "mock-small"),
    "chat, 300 KB answer": (_chat(), "mock-small+words=60000"),
    "chat, 300 KB question": (_chat(messages=[{"role": "user", "content": "ä" * 150_000}]), "mock-small"),
    "chat, three choices": (_chat(n=3), "mock-large"),
    "chat stream": (_chat_stream(), "mock-small"),
    "chat stream, usage wanted": (_chat_stream(**WANTED), "mock-small"),
    "chat stream, usage not wanted": (_chat_stream(**UNWANTED), "mock-small"),
    "chat stream, tools": (_chat_stream(messages=ASK_TOOL, tools=OPENAI_TOOLS), "mock-small"),
    "chat stream, image, unknown fields": (_chat_stream(messages=OPENAI_IMAGE, extra_body=UNKNOWN), "mock-small"),
    "chat stream, no words": (_chat_stream(), "mock-small+words=0"),
    "chat stream, long": (_chat_stream(), "mock-small+words=3000+burst=true"),
    "chat stream, byte by byte": (_chat_stream(), "mock-small+words=3+chunk_bytes=1"),
    "complete": (_complete, "mock-small"),
    "complete stream": (_complete_stream, "mock-small"),
    "embed": (_embed, "mock-embed"),
    "respond": (_respond(), "mock-small"),
    "respond, unknown fields": (_respond(extra_body=UNKNOWN), "mock-small"),
    "respond stream": (_respond_stream, "mock-small"),
    "message": (_message(), "mock-small"),
    "message, tools": (_message(messages=ASK_TOOL, tools=ANTHROPIC_TOOLS), "mock-small"),
    "message, image, system": (_message(messages=ANTHROPIC_IMAGE, system="be kïnd"), "mock-small"),
    "message, unknown fields": (_message(extra_body=UNKNOWN), "mock-small"),
    "message, 300 KB answer": (_message(), "mock-small+words=60000"),
    "message stream": (_message_stream(), "mock-small"),
    "message stream, tools": (_message_stream(messages=ASK_TOOL, tools=ANTHROPIC_TOOLS), "mock-small"),
    "message stream, non-ASCII": (_message_stream(messages=ABROAD), "mock-small"),
    "count tokens": (_count, "mock-small"),
}


def the_row(mock: MockProvider, since: int, request_id: str) -> dict[str, Any]:
    (row,) = [row for row in mock.bill(since)["rows"] if row["request_id"] == request_id]
    found: dict[str, Any] = row
    return found


def arrived(mock: MockProvider, since: int, request_id: str) -> tuple[dict[str, str], bytes]:
    """Headers and body of the request as the provider got it."""
    (found,) = [
        each
        for each in mock.requests(since)
        if ["x-request-id", request_id] in [[name.lower(), value] for name, value in each["headers"]]
    ]
    return {name.lower(): value for name, value in found["headers"]}, base64.b64decode(found["body"])


def is_spliced(sent: bytes, got: bytes, model: bytes, target: bytes) -> bool:
    """Whether ``got`` is ``sent`` but for the model's name and, in streams that did not ask for it, the wish for usage."""
    expected = sent.replace(b'"model":"%b"' % model, b'"model":"%b"' % target, 1)
    streams_usage_on_request = b'"messages"' in sent or b'"prompt"' in sent
    if orjson.loads(sent).get("stream") and streams_usage_on_request:
        expected = expected.replace(b'"include_usage":false', b'"include_usage":true', 1)
        if b"stream_options" not in sent:
            got = got.replace(b'"stream_options":{"include_usage":true},', b"", 1)
    return got == expected


@pytest.mark.parametrize("name", CALLS)
def test_answer_and_body_equal_the_direct_call(
    name: str, direct: Side, through: Side, gateway: Gateway, mock_provider: MockProvider
) -> None:
    ask, model = CALLS[name]
    since = mock_provider.last_seq()
    request_id = fresh_id()
    wanted = ask(direct, model, {"x-request-id": fresh_id()})
    assert ask(through, model, {"x-request-id": request_id}) == wanted
    sent = through.sent[-1]
    headers, body = arrived(mock_provider, since, request_id)
    model_bytes = model.encode()
    if "anthropic-version" in headers and "messages" in str(sent.url):
        assert body == sent.content
    else:
        assert is_spliced(sent.content, body, model_bytes, model_bytes)
    check_headers(dict(sent.headers), headers)
    bill = the_row(mock_provider, since, request_id)
    entry = gateway.entry(request_id)
    assert (entry.cost_nano_usd, entry.status, entry.outcome) == (bill["cost_nano_usd"], 200, "settled")
    assert entry.usage_source == ("none" if name == "count tokens" else "reported")


CREDENTIAL_NAMES = {"authorization", "x-api-key"}
REWRITTEN = CREDENTIAL_NAMES | {"host", "content-length", "accept-encoding", "connection"}


def check_headers(sent: dict[str, str], got: dict[str, str]) -> None:
    """All of a client's headers go on, but for the credential and what is about the connection; the gateway's key never does."""
    assert {name: value for name, value in got.items() if name not in REWRITTEN} == {
        name: value for name, value in sent.items() if name not in REWRITTEN
    }
    assert got["accept-encoding"] == "identity"
    credentials = {got[name] for name in CREDENTIAL_NAMES & got.keys()}
    assert credentials in ({CREDENTIAL}, {f"Bearer {CREDENTIAL}"})


@pytest.mark.parametrize(
    ("alias", "name"), [("chat", "chat"), ("chat", "chat stream"), ("chat", "complete"), ("chat", "respond")]
)
def test_model_name_is_spliced_and_nothing_else(
    alias: str, name: str, through: Side, mock_provider: MockProvider, gateway: Gateway
) -> None:
    since, request_id = mock_provider.last_seq(), fresh_id()
    CALLS[name][0](through, alias, {"x-request-id": request_id})
    _, body = arrived(mock_provider, since, request_id)
    assert is_spliced(through.sent[-1].content, body, b"chat", b"mock-small")
    entry = gateway.entry(request_id)
    assert (entry.alias, entry.target) == ("chat", "mock-openai/mock-small")


def test_model_name_of_a_message_is_spliced(through: Side, mock_provider: MockProvider) -> None:
    since, request_id = mock_provider.last_seq(), fresh_id()
    CALLS["message stream"][0](through, "claude", {"x-request-id": request_id})
    _, body = arrived(mock_provider, since, request_id)
    assert body == through.sent[-1].content.replace(b'"model":"claude"', b'"model":"mock-small"', 1)


OPENAI_USAGE = "cached=1001,cache_write_5m=17,reasoning=77,audio_in=13,audio_out=29"
ANTHROPIC_USAGE = "cached=100,cache_write_5m=20,cache_write_1h=3,reasoning=4"
USAGES = {
    "chat": OPENAI_USAGE,
    "chat stream": OPENAI_USAGE,
    "complete": "cached=7,reasoning=5",
    "complete stream": "cached=7,reasoning=5",
    "embed": "",
    "respond": "cached=8,cache_write_5m=3,reasoning=5",
    "respond stream": "cached=8,cache_write_5m=3,reasoning=5",
    "message": ANTHROPIC_USAGE,
    "message stream": ANTHROPIC_USAGE,
    "count tokens": "",
}


@pytest.mark.parametrize("model", ["mock-small", "mock-large"])
@pytest.mark.parametrize("name", USAGES)
def test_ledger_equals_the_bill_in_every_unit(
    name: str, model: str, through: Side, gateway: Gateway, mock_provider: MockProvider
) -> None:
    since, request_id = mock_provider.last_seq(), fresh_id()
    model = "mock-embed" if name == "embed" else model
    CALLS[name][0](through, model, {"x-request-id": request_id, "x-mock": USAGES[name]})
    bill = the_row(mock_provider, since, request_id)
    entry = gateway.entry(request_id)
    assert entry.cost_nano_usd == bill["cost_nano_usd"]
    assert units(entry) == bill["usage"]
    assert (entry.key, entry.team, entry.metadata) == ("wire", "testers", {"suite": "wire"})
    assert entry.attempts == 1


def units(entry: LedgerEntry) -> dict[str, int]:
    """The row's counts as the mock keeps them: disjoint."""
    cached_and_written = entry.cached_input_tokens + entry.cache_write_5m_tokens + entry.cache_write_1h_tokens
    return {
        "input": entry.input_tokens - cached_and_written - entry.input_audio_tokens,
        "cached_input": entry.cached_input_tokens,
        "cache_write_5m": entry.cache_write_5m_tokens,
        "cache_write_1h": entry.cache_write_1h_tokens,
        "input_audio": entry.input_audio_tokens,
        "output": entry.output_tokens - entry.output_audio_tokens,
        "reasoning": entry.reasoning_tokens,
        "output_audio": entry.output_audio_tokens,
    }


def test_raw_answer_is_the_providers_and_carries_the_cost(
    direct: Side, through: Side, mock_provider: MockProvider
) -> None:
    since, request_id = mock_provider.last_seq(), fresh_id()
    headers = {"x-request-id": request_id, "x-mock": OPENAI_USAGE}
    wanted = direct.openai.chat.completions.with_raw_response.create(
        model="mock-large", messages=HELLO, extra_headers={"x-mock": OPENAI_USAGE}
    )
    got = through.openai.chat.completions.with_raw_response.create(
        model="mock-large", messages=HELLO, extra_headers=headers
    )
    assert plain_ids(got.text) == plain_ids(wanted.text)
    assert (
        Decimal(got.headers["x-fastgw-cost-usd"]) * 10**9 == the_row(mock_provider, since, request_id)["cost_nano_usd"]
    )
    assert got.headers["x-fastgw-model"] == "mock-openai/mock-large"
    assert got.headers["x-fastgw-attempts"] == "1"
    assert got.headers["x-request-id"] == request_id
    assert got.request_id == request_id
    assert got.headers["content-type"] == wanted.headers["content-type"]


def test_raw_message_is_the_providers(direct: Side, through: Side) -> None:
    wanted = direct.anthropic.messages.with_raw_response.create(model="mock-small", max_tokens=9, messages=HELLO)
    got = through.anthropic.messages.with_raw_response.create(model="mock-small", max_tokens=9, messages=HELLO)
    assert plain_ids(got.text()) == plain_ids(wanted.text())
    assert got.headers["x-request-id"].startswith("fgw_")


@pytest.mark.parametrize("wants_usage", [True, False])
def test_raw_stream_is_the_providers_and_ends_with_the_cost(
    wants_usage: bool, direct: Side, through: Side, mock_provider: MockProvider
) -> None:
    since, request_id = mock_provider.last_seq(), fresh_id()
    more: dict[str, Any] = WANTED if wants_usage else {}
    texts = []
    for by, headers in ((direct, {}), (through, {"x-request-id": request_id})):
        with by.openai.chat.completions.with_streaming_response.create(
            model="mock-small", messages=HELLO, stream=True, extra_headers=headers, **more
        ) as answer:
            texts.append(plain_ids(b"".join(answer.iter_bytes()).decode()))
    cost = re.fullmatch(r"(.*\n\n): x-fastgw-cost-usd: ([0-9.]+)\n\n", texts[1], re.DOTALL)
    assert cost is not None
    assert cost[1] == texts[0]
    assert Decimal(cost[2]) * 10**9 == the_row(mock_provider, since, request_id)["cost_nano_usd"]


def test_accumulating_streams_end_as_the_direct_ones(direct: Side, through: Side) -> None:
    ends = []
    for by in (direct, through):
        with by.openai.chat.completions.stream(
            model="mock-small", messages=ASK_TOOL, tools=OPENAI_TOOLS
        ) as chat_stream:
            first = dump(chat_stream.get_final_completion())
        with by.openai.responses.stream(model="mock-small", input="hello") as response_stream:
            second = dump(response_stream.get_final_response())
        with by.anthropic.messages.stream(
            model="mock-small", max_tokens=100, messages=ASK_TOOL, tools=ANTHROPIC_TOOLS
        ) as message_stream:
            ends.append((first, second, dump(message_stream.get_final_message())))
    assert ends[0] == ends[1]


def test_async_clients_in_parallel(gateway: Gateway) -> None:
    import asyncio

    async def main() -> list[str | None]:
        async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=0) as client:
            answers = await asyncio.gather(
                *(
                    client.chat.completions.create(model=f"mock-small+words={words}", messages=HELLO)
                    for words in range(1, 41)
                )
            )
        return [answer.choices[0].message.content for answer in answers]

    texts = asyncio.run(main())
    assert [len(text.split()) for text in texts if text is not None] == list(range(1, 41))
