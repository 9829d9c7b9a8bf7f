"""Reading usage: the ``usage`` member of a provider's answer, as it stands on the wire, to counts by unit.

Invariant: no bytes raise. A count that is missing, negative, not a whole number or of another type counts as absent;
one that is too large, and a part that exceeds its whole, is cut; either is told by ``clamped``. Without a single
usable whole there is no usage, and the caller estimates (``fastgw.spend.estimate``). Finding the member in an answer
or a stream is the caller's.

A well-formed block is decoded by one typed pass that also checks the ranges; anything else takes the slow way round.
Shapes: OpenAI API reference (chat, completions, embeddings, responses) and Anthropic Messages, as of 2026-11; the
mapping to units is genai-prices' (its extractors), which a test compares with.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeVar

import msgspec

from fastgw._native.count_scan import CountTable
from fastgw.domain.usage import MAX_COUNT, Usage, reconciled

Source = Literal["reported", "clamped", "none"]
"""Whether the counts are the provider's own, had to be corrected, or are absent."""

_Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]


class _PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: _Count = 0
    cache_write_tokens: _Count = 0
    audio_tokens: _Count = 0
    image_tokens: _Count = 0


class _CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: _Count = 0
    audio_tokens: _Count = 0
    image_tokens: _Count = 0


class _ChatUsage(msgspec.Struct, gc=False):
    prompt_tokens: _Count | None = None
    completion_tokens: _Count | None = None
    total_tokens: _Count = 0
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    cached_tokens: _Count = 0


class _ResponsesUsage(msgspec.Struct, gc=False):
    input_tokens: _Count | None = None
    output_tokens: _Count | None = None
    input_tokens_details: _PromptDetails | None = None
    output_tokens_details: _CompletionDetails | None = None


class _CacheCreation(msgspec.Struct, gc=False):
    ephemeral_5m_input_tokens: _Count = 0
    ephemeral_1h_input_tokens: _Count = 0


class _ServerToolUse(msgspec.Struct, gc=False):
    web_search_requests: _Count = 0


class _ThinkingDetails(msgspec.Struct, gc=False):
    thinking_tokens: _Count = 0


class _MessagesUsage(msgspec.Struct, gc=False):
    input_tokens: _Count | None = None
    output_tokens: _Count | None = None
    cache_read_input_tokens: _Count | None = None
    cache_creation_input_tokens: _Count | None = None
    cache_creation: _CacheCreation | None = None
    server_tool_use: _ServerToolUse | None = None
    output_tokens_details: _ThinkingDetails | None = None


class _Speed(msgspec.Struct, gc=False):
    service_tier: str | None = None
    speed: str | None = None


CHAT_COUNTS: Final = CountTable(
    [
        b"prompt_tokens",
        b"completion_tokens",
        b"total_tokens",
        b"prompt_tokens_details.cached_tokens",
        b"completion_tokens_details.reasoning_tokens",
        b"prompt_tokens_details.cache_write_tokens",
        b"prompt_tokens_details.audio_tokens",
        b"prompt_tokens_details.image_tokens",
        b"completion_tokens_details.audio_tokens",
        b"completion_tokens_details.image_tokens",
        b"cached_tokens",
    ]
)
"""Where a chat answer has its counts; the first five in the order that ``CountTable.fill_row`` wants."""
RESPONSES_COUNTS: Final = CountTable(
    [
        b"input_tokens",
        b"output_tokens",
        b"total_tokens",
        b"input_tokens_details.cached_tokens",
        b"output_tokens_details.reasoning_tokens",
        b"input_tokens_details.cache_write_tokens",
        b"input_tokens_details.audio_tokens",
        b"input_tokens_details.image_tokens",
        b"output_tokens_details.audio_tokens",
        b"output_tokens_details.image_tokens",
    ]
)
"""The same for the responses API."""
_Block = TypeVar("_Block", bound=msgspec.Struct)
_decode_chat = msgspec.json.Decoder(_ChatUsage).decode
_decode_responses = msgspec.json.Decoder(_ResponsesUsage).decode
_decode_messages = msgspec.json.Decoder(_MessagesUsage).decode
_decode_speed = msgspec.json.Decoder(_Speed).decode
_DETAILS: Final[dict[type[msgspec.Struct], dict[str, type[msgspec.Struct]]]] = {
    _ChatUsage: {"prompt_tokens_details": _PromptDetails, "completion_tokens_details": _CompletionDetails},
    _ResponsesUsage: {"input_tokens_details": _PromptDetails, "output_tokens_details": _CompletionDetails},
    _MessagesUsage: {
        "cache_creation": _CacheCreation,
        "server_tool_use": _ServerToolUse,
        "output_tokens_details": _ThinkingDetails,
    },
}
_decode_any = msgspec.json.Decoder().decode
_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)
_NO_PROMPT_DETAILS: Final = _PromptDetails()
_NO_COMPLETION_DETAILS: Final = _CompletionDetails()
_NO_CACHE_CREATION: Final = _CacheCreation()


def read_openai_chat(block: bytes) -> tuple[Usage, Source]:
    """Usage of chat completions, completions and embeddings, of OpenAI and of those who speak like it.

    xAI leaves reasoning out of ``completion_tokens``, which shows in ``total_tokens``: it is then added. Moonshot has
    ``cached_tokens`` outside the details.
    """
    if (counts := CHAT_COUNTS.read(block)) is not None:
        prompt_tokens, output, total, read, reasoning, *rest = counts
        if -1 < prompt_tokens >= read and -1 < output >= reasoning and max(rest) <= 0:
            # Nearly every answer: text alone, perhaps cached, perhaps with reasoning inside its output.
            if reasoning <= 0:
                return Usage(prompt_tokens, output, read if read > 0 else 0), "reported"
            if total != prompt_tokens + output + reasoning:
                return Usage(prompt_tokens, output, max(read, 0), 0, 0, 0, reasoning), "reported"
    clamped = False
    try:
        usage = _decode_chat(block)
    except _UNREADABLE:
        usage, clamped = _salvaged(block, _ChatUsage)
    input_tokens, output_tokens = usage.prompt_tokens, usage.completion_tokens
    completion = usage.completion_tokens_details or _NO_COMPLETION_DETAILS
    reasoning = completion.reasoning_tokens
    if reasoning and usage.total_tokens == (input_tokens or 0) + (output_tokens or 0) + reasoning:
        output_tokens = (output_tokens or 0) + reasoning
    prompt = usage.prompt_tokens_details or _NO_PROMPT_DETAILS
    read = prompt.cached_tokens or usage.cached_tokens
    return _openai(input_tokens, output_tokens, read, prompt, completion, clamped)


def read_openai_responses(block: bytes) -> tuple[Usage, Source]:
    """Usage of the responses API; the ``usage`` of the images API has the same shape."""
    clamped = False
    try:
        usage = _decode_responses(block)
    except _UNREADABLE:
        usage, clamped = _salvaged(block, _ResponsesUsage)
    prompt = usage.input_tokens_details or _NO_PROMPT_DETAILS
    completion = usage.output_tokens_details or _NO_COMPLETION_DETAILS
    return _openai(usage.input_tokens, usage.output_tokens, prompt.cached_tokens, prompt, completion, clamped)


def _openai(
    input_tokens: int | None,
    output_tokens: int | None,
    read: int,
    prompt: _PromptDetails,
    completion: _CompletionDetails,
    clamped: bool,
) -> tuple[Usage, Source]:
    if input_tokens is None:
        if output_tokens is None:
            return Usage(), "none"
        input_tokens, clamped = 0, True
    output_tokens = output_tokens or 0
    write, audio, image = prompt.cache_write_tokens, prompt.audio_tokens, prompt.image_tokens
    reasoning, output_audio, output_image = (
        completion.reasoning_tokens,
        completion.audio_tokens,
        completion.image_tokens,
    )
    usage = Usage(input_tokens, output_tokens, read, write, 0, 0, reasoning, audio, output_audio, image, output_image)
    if (
        read + write + audio + image <= input_tokens
        and reasoning <= output_tokens <= MAX_COUNT
        and output_audio + output_image <= output_tokens
    ):
        return usage, "clamped" if clamped else "reported"
    return _cut(usage, clamped=clamped)


def read_anthropic(block: bytes) -> tuple[Usage, Source]:
    """Usage of one whole message (a stream has :class:`AnthropicStreamUsage`); its ``input_tokens`` lack the cached."""
    try:
        return _anthropic(_decode_messages(block), clamped=False)
    except _UNREADABLE:
        usage, clamped = _salvaged(block, _MessagesUsage)
        return _anthropic(usage, clamped=clamped)


def _anthropic(usage: _MessagesUsage, *, clamped: bool) -> tuple[Usage, Source]:
    if usage.input_tokens is None and usage.output_tokens is None:
        return Usage(), "none"
    clamped |= usage.input_tokens is None
    creation = usage.cache_creation or _NO_CACHE_CREATION
    write_5m, write_1h = creation.ephemeral_5m_input_tokens, creation.ephemeral_1h_input_tokens
    write = usage.cache_creation_input_tokens
    if write is None:
        write = write_5m + write_1h
    read = usage.cache_read_input_tokens or 0
    input_tokens = (usage.input_tokens or 0) + read + write
    output_tokens = usage.output_tokens or 0
    reasoning = usage.output_tokens_details.thinking_tokens if usage.output_tokens_details is not None else 0
    searches = usage.server_tool_use.web_search_requests if usage.server_tool_use is not None else 0
    other = {"web_searches": searches} if searches else None
    found = Usage(input_tokens, output_tokens, read, write, write_5m, write_1h, reasoning, 0, 0, 0, 0, other)
    if write_5m + write_1h <= write and input_tokens <= MAX_COUNT and reasoning <= output_tokens:
        return found, "clamped" if clamped else "reported"
    return _cut(found, clamped=clamped)


def anthropic_tier(block: bytes) -> str | None:
    """The tier in an Anthropic usage block: ``standard``, ``priority``, ``batch``, or ``fast`` by its speed."""
    try:
        said = _decode_speed(block)
    except _UNREADABLE:
        return None
    return "fast" if said.speed == "fast" else said.service_tier


class AnthropicStreamUsage:
    """Usage of a message stream: ``message_start`` has the input, each ``message_delta`` the cumulative output.

    The last usable value of each member wins; a member that a later block lacks keeps its value.
    """

    __slots__ = ("_blocks", "_clamped", "_merged")

    def __init__(self) -> None:
        self._merged = _MessagesUsage()
        self._clamped = False
        self._blocks = 0

    def add(self, block: bytes) -> None:
        """Take the next ``usage`` block; the first is ``message_start``'s."""
        try:
            usage = _decode_messages(block)
        except _UNREADABLE:
            usage, clamped = _salvaged(block, _MessagesUsage)
            self._clamped |= clamped
        self._blocks += 1
        if self._blocks == 1:
            self._merged = usage
            return
        for name in _MessagesUsage.__struct_fields__:
            value = getattr(usage, name)
            if value is not None:
                setattr(self._merged, name, value)

    @property
    def is_output_final(self) -> bool:
        """Whether a ``message_delta`` came; until then the output count is a provider's first guess."""
        return self._blocks > 1

    def result(self) -> tuple[Usage, Source]:
        """What is known by now."""
        return _anthropic(self._merged, clamped=self._clamped)


def _salvaged(block: bytes, shape: type[_Block]) -> tuple[_Block, bool]:
    """The usable counts of a block that is not what it should be, and whether anything had to be corrected."""
    try:
        root: object = _decode_any(block)
    except _UNREADABLE:
        return shape(), True
    counts, corrected = _usable_members(root, shape)
    return msgspec.convert(counts, shape), corrected


def _usable_members(node: object, shape: type[msgspec.Struct]) -> tuple[dict[str, object], bool]:
    if not isinstance(node, dict):
        return {}, True
    counts: dict[str, object] = {}
    corrected = False
    for field in msgspec.structs.fields(shape):
        value = node.get(field.name)
        inner = _DETAILS.get(shape, {}).get(field.name)
        if value is None:
            continue
        if inner is not None:
            counts[field.name], wrong = _usable_members(value, inner)
        else:
            wrong = (count := _usable_count(value)) is None or count > MAX_COUNT
            if count is not None:
                counts[field.name] = min(count, MAX_COUNT)
        corrected |= wrong
    return counts, corrected


def _usable_count(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return None


def _cut(usage: Usage, *, clamped: bool) -> tuple[Usage, Source]:
    possible, cut = reconciled(usage)
    return possible, "clamped" if clamped or cut else "reported"
