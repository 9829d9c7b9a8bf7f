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

from typing import Annotated, Any, Final, Literal

import msgspec

from fastgw.domain.usage import MAX_COUNT, Usage, reconciled, usage_of

Source = Literal["reported", "clamped", "none"]
"""Whether the counts are the provider's own, had to be corrected, or are absent."""

_Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]
_Path = tuple[str, ...]


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
    prompt_tokens: _Count
    completion_tokens: _Count = 0
    total_tokens: _Count = 0
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    cached_tokens: _Count = 0


class _ResponsesUsage(msgspec.Struct, gc=False):
    input_tokens: _Count
    output_tokens: _Count = 0
    total_tokens: _Count = 0
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
    input_tokens: _Count
    output_tokens: _Count = 0
    cache_read_input_tokens: _Count | None = None
    cache_creation_input_tokens: _Count | None = None
    cache_creation: _CacheCreation | None = None
    server_tool_use: _ServerToolUse | None = None
    output_tokens_details: _ThinkingDetails | None = None


class _Speed(msgspec.Struct, gc=False):
    service_tier: str | None = None
    speed: str | None = None


_decode_chat = msgspec.json.Decoder(_ChatUsage).decode
_decode_responses = msgspec.json.Decoder(_ResponsesUsage).decode
_decode_messages = msgspec.json.Decoder(_MessagesUsage).decode
_decode_speed = msgspec.json.Decoder(_Speed).decode
_decode_any = msgspec.json.Decoder().decode
_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)
_NO_PROMPT_DETAILS: Final = _PromptDetails()
_NO_COMPLETION_DETAILS: Final = _CompletionDetails()
_NO_CACHE_CREATION: Final = _CacheCreation()

_CHAT: Final[tuple[tuple[_Path, str], ...]] = (
    (("prompt_tokens",), "input_tokens"),
    (("completion_tokens",), "output_tokens"),
    (("prompt_tokens_details", "cached_tokens"), "cache_read_tokens"),
    (("prompt_tokens_details", "cache_write_tokens"), "cache_write_tokens"),
    (("prompt_tokens_details", "audio_tokens"), "input_audio_tokens"),
    (("prompt_tokens_details", "image_tokens"), "input_image_tokens"),
    (("completion_tokens_details", "reasoning_tokens"), "output_reasoning_tokens"),
    (("completion_tokens_details", "audio_tokens"), "output_audio_tokens"),
    (("completion_tokens_details", "image_tokens"), "output_image_tokens"),
)
_RESPONSES: Final[tuple[tuple[_Path, str], ...]] = (
    (("input_tokens",), "input_tokens"),
    (("output_tokens",), "output_tokens"),
    (("input_tokens_details", "cached_tokens"), "cache_read_tokens"),
    (("input_tokens_details", "cache_write_tokens"), "cache_write_tokens"),
    (("input_tokens_details", "audio_tokens"), "input_audio_tokens"),
    (("input_tokens_details", "image_tokens"), "input_image_tokens"),
    (("output_tokens_details", "reasoning_tokens"), "output_reasoning_tokens"),
    (("output_tokens_details", "audio_tokens"), "output_audio_tokens"),
    (("output_tokens_details", "image_tokens"), "output_image_tokens"),
)
_MESSAGES: Final[tuple[tuple[_Path, str], ...]] = (
    (("input_tokens",), "input_tokens"),
    (("output_tokens",), "output_tokens"),
    (("cache_read_input_tokens",), "cache_read_tokens"),
    (("cache_creation_input_tokens",), "cache_write_tokens"),
    (("cache_creation", "ephemeral_5m_input_tokens"), "cache_write_5m_tokens"),
    (("cache_creation", "ephemeral_1h_input_tokens"), "cache_write_1h_tokens"),
    (("server_tool_use", "web_search_requests"), "web_searches"),
    (("output_tokens_details", "thinking_tokens"), "output_reasoning_tokens"),
)


def read_openai_chat(block: bytes) -> tuple[Usage, Source]:
    """Usage of chat completions, completions and embeddings, of OpenAI and of those who speak like it.

    xAI leaves reasoning out of ``completion_tokens``, which shows in ``total_tokens``: it is then added. Moonshot has
    ``cached_tokens`` outside the details.
    """
    try:
        usage = _decode_chat(block)
    except _UNREADABLE:
        return _read_loosely(block, _CHAT)
    prompt = usage.prompt_tokens_details or _NO_PROMPT_DETAILS
    completion = usage.completion_tokens_details or _NO_COMPLETION_DETAILS
    output_tokens = usage.completion_tokens
    reasoning_tokens = completion.reasoning_tokens
    if reasoning_tokens and usage.total_tokens == usage.prompt_tokens + output_tokens + reasoning_tokens:
        output_tokens += reasoning_tokens
    return _openai(usage.prompt_tokens, output_tokens, prompt, completion, usage.cached_tokens)


def read_openai_responses(block: bytes) -> tuple[Usage, Source]:
    """Usage of the responses API; the ``usage`` of the images API has the same shape."""
    try:
        usage = _decode_responses(block)
    except _UNREADABLE:
        return _read_loosely(block, _RESPONSES)
    prompt = usage.input_tokens_details or _NO_PROMPT_DETAILS
    return _openai(
        usage.input_tokens, usage.output_tokens, prompt, usage.output_tokens_details or _NO_COMPLETION_DETAILS, 0
    )


def _openai(
    input_tokens: int, output_tokens: int, prompt: _PromptDetails, completion: _CompletionDetails, cached_tokens: int
) -> tuple[Usage, Source]:
    read = prompt.cached_tokens or cached_tokens
    audio, image = prompt.audio_tokens, prompt.image_tokens
    reasoning, output_audio, output_image = (
        completion.reasoning_tokens,
        completion.audio_tokens,
        completion.image_tokens,
    )
    write = prompt.cache_write_tokens
    usage = Usage(input_tokens, output_tokens, read, write, 0, 0, reasoning, audio, output_audio, image, output_image)
    if (
        read + write + audio + image <= input_tokens <= MAX_COUNT
        and reasoning <= output_tokens <= MAX_COUNT
        and output_audio + output_image <= output_tokens
    ):
        return usage, "reported"
    return _cut(usage, clamped=False)


def read_anthropic(block: bytes) -> tuple[Usage, Source]:
    """Usage of one whole message; for a stream see :class:`AnthropicStreamUsage`. ``input_tokens`` comes without the
    cached ones.
    """
    try:
        usage = _decode_messages(block)
    except _UNREADABLE:
        return _read_loosely(block, _MESSAGES)
    creation = usage.cache_creation or _NO_CACHE_CREATION
    write_5m, write_1h = creation.ephemeral_5m_input_tokens, creation.ephemeral_1h_input_tokens
    write = usage.cache_creation_input_tokens
    if write is None:
        write = write_5m + write_1h
    read = usage.cache_read_input_tokens or 0
    input_tokens = usage.input_tokens + read + write
    output_tokens = usage.output_tokens
    reasoning = usage.output_tokens_details.thinking_tokens if usage.output_tokens_details is not None else 0
    searches = usage.server_tool_use.web_search_requests if usage.server_tool_use is not None else 0
    other = {"web_searches": searches} if searches else None
    found = Usage(input_tokens, output_tokens, read, write, write_5m, write_1h, reasoning, 0, 0, 0, 0, other)
    if write_5m + write_1h <= write and input_tokens <= MAX_COUNT and reasoning <= output_tokens:
        return found, "reported"
    return _cut(found, clamped=False)


def anthropic_tier(block: bytes) -> str | None:
    """The service tier of an Anthropic usage block: ``standard``, ``priority``, ``batch``, or ``fast`` where the
    speed says so.
    """
    try:
        said = _decode_speed(block)
    except _UNREADABLE:
        return None
    return "fast" if said.speed == "fast" else said.service_tier


class AnthropicStreamUsage:
    """Usage of a message stream: ``message_start`` has the input, each ``message_delta`` the cumulative output.

    The last usable value of each member wins; a member that a later block lacks keeps its value.
    """

    __slots__ = ("_clamped", "_counts", "deltas")

    def __init__(self) -> None:
        self._counts: dict[_Path, int] = {}
        self._clamped = False
        self.deltas = -1

    def add(self, block: bytes) -> None:
        """Take the next ``usage`` block; the first is ``message_start``'s."""
        self.deltas += 1
        counts, clamped = _scan(block, _MESSAGES)
        self._counts.update(counts)
        self._clamped |= clamped

    @property
    def is_output_final(self) -> bool:
        """Whether a ``message_delta`` came; until then the output count is a provider's first guess."""
        return self.deltas > 0

    def result(self) -> tuple[Usage, Source]:
        """What is known by now."""
        return _total(self._counts, _MESSAGES, clamped=self._clamped)


def _read_loosely(block: bytes, members: tuple[tuple[_Path, str], ...]) -> tuple[Usage, Source]:
    counts, clamped = _scan(block, members)
    return _total(counts, members, clamped=clamped)


def _scan(block: bytes, members: tuple[tuple[_Path, str], ...]) -> tuple[dict[_Path, int], bool]:
    """The usable counts by path, and whether a member was there that is not one. ``null`` is absent."""
    try:
        root: Any = _decode_any(block)
    except _UNREADABLE:
        return {}, True
    counts: dict[_Path, int] = {}
    clamped = False
    for path in (*(path for path, _ in members), ("total_tokens",), ("cached_tokens",)):
        node = root
        for step in path:
            clamped |= node is not None and not isinstance(node, dict)
            node = node.get(step) if isinstance(node, dict) else None
        if node is None:
            continue
        count = _usable(node)
        if count is not None:
            counts[path] = min(count, MAX_COUNT)
        clamped |= count is None or count > MAX_COUNT
    return counts, clamped


def _usable(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return None


def _total(counts: dict[_Path, int], members: tuple[tuple[_Path, str], ...], *, clamped: bool) -> tuple[Usage, Source]:
    found = {unit: counts[path] for path, unit in members if path in counts}
    if "input_tokens" not in found and "output_tokens" not in found:
        return Usage(), "none"
    if members is _MESSAGES:
        written = found.get("cache_write_5m_tokens", 0) + found.get("cache_write_1h_tokens", 0)
        found.setdefault("cache_write_tokens", written)
        cached = found["cache_write_tokens"] + found.get("cache_read_tokens", 0)
        found["input_tokens"] = found.get("input_tokens", 0) + cached
    else:
        found["cache_read_tokens"] = found.get("cache_read_tokens") or counts.get(("cached_tokens",), 0)
        reasoning, output = found.get("output_reasoning_tokens", 0), found.get("output_tokens", 0)
        if reasoning and counts.get(("total_tokens",)) == found.get("input_tokens", 0) + output + reasoning:
            found["output_tokens"] = output + reasoning
    # An input that nobody could read is not an input of zero: only a correction, which the caller may fill from bytes.
    return _cut(usage_of(found), clamped=clamped or not found.get("input_tokens"))


def _cut(usage: Usage, *, clamped: bool) -> tuple[Usage, Source]:
    possible, cut = reconciled(usage)
    return possible, "clamped" if clamped or cut else "reported"
