"""What the gateway reads of a request, and the few members it changes on the way to a provider of the same dialect.

Invariant: the forwarded body is the caller's, byte for byte, but for the spliced members: the model's name, and in streams of chat
and completions the wish to be told the usage, which is hidden again from a caller who did not ask for it.
"""

from __future__ import annotations

from typing import Final

from fastgw._native.errors import JsonSyntaxError
from fastgw._native.json_scan import (
    ABSENT,
    FALSE,
    NULL,
    OBJECT,
    TRUE,
    MemberSpans,
    MemberTable,
    scan_object,
    splice,
)
from fastgw.domain.errors import GatewayError
from fastgw.domain.operation import Operation

_MODEL: Final = 0
_STREAM: Final = 1
_STREAM_OPTIONS: Final = 2
_USER: Final = 3
_SERVICE_TIER: Final = 4
_MAX_TOKENS: Final = 5
_MAX_COMPLETION_TOKENS: Final = 6
_MAX_OUTPUT_TOKENS: Final = 7
_CHOICES: Final = 8

_TABLE: Final = MemberTable(
    [
        b"model",
        b"stream",
        b"stream_options",
        b"user",
        b"service_tier",
        b"max_tokens",
        b"max_completion_tokens",
        b"max_output_tokens",
        b"n",
    ]
)
_STREAM_BIT: Final = 1 << _STREAM
_SERVICE_TIER_BIT: Final = 1 << _SERVICE_TIER
_CHOICES_BIT: Final = 1 << _CHOICES
MAX_CHOICES: Final = 128
_CAP_BITS: Final = 1 << _MAX_TOKENS | 1 << _MAX_COMPLETION_TOKENS | 1 << _MAX_OUTPUT_TOKENS
_OPTIONS_TABLE: Final = MemberTable([b"include_usage"])

_ASKS_FOR_USAGE: Final = b'"stream_options":{"include_usage":true}'
_USAGE_MEMBER: Final = b'"include_usage":true'

_OUTPUT_CAPS: Final[dict[Operation, tuple[int, ...]]] = {
    "chat": (_MAX_COMPLETION_TOKENS, _MAX_TOKENS),
    "complete": (_MAX_TOKENS,),
    "respond": (_MAX_OUTPUT_TOKENS,),
    "message": (_MAX_TOKENS,),
    "embed": (),
    "count_tokens": (),
}
_STREAMS_USAGE_ON_REQUEST: Final[frozenset[Operation]] = frozenset({"chat", "complete"})
_NEVER_STREAMS: Final[frozenset[Operation]] = frozenset({"embed", "count_tokens"})


class RequestFacts:
    """What was read. ``alias`` is the model's name as the caller wrote it; ``output_cap_tokens`` is 0 when the request sets none,
    and counts all of its ``choices``; ``body`` is what was scanned; ``text_bytes`` is the size of all its string values, a measure
    of the prompt."""

    __slots__ = (
        "_spans",
        "alias",
        "body",
        "choices",
        "output_cap_tokens",
        "service_tier",
        "streaming",
        "text_bytes",
        "wants_usage",
    )

    def __init__(self, operation: Operation, body: bytes) -> None:
        """Scan a body.

        Raises:
            GatewayError: 400, not one JSON object, or a member we act on is missing, repeated or of another type.
        """
        try:
            spans = scan_object(body, _TABLE)
            alias = spans.text(_MODEL)
            present = spans.present
            self.service_tier = spans.text(_SERVICE_TIER) if present & _SERVICE_TIER_BIT else None
        except JsonSyntaxError as error:
            problem = f"the body is not a JSON object that can be forwarded: {error} (byte {error.offset})"
            raise _refuse("invalid_json", problem) from None
        if not alias:
            code = "invalid_model" if present & 1 else "missing_model"
            raise _refuse(code, "`model` must be a non-empty string", "model")
        self.alias = alias
        self.body = body
        self._spans: MemberSpans = spans
        self.text_bytes = spans.text_bytes
        self.streaming = bool(present & _STREAM_BIT) and _streaming(operation, spans)
        self.choices = _choices(spans) if present & _CHOICES_BIT else 1
        self.output_cap_tokens = _output_cap(operation, spans) * self.choices if present & _CAP_BITS else 0
        self.wants_usage = (
            not self.streaming or operation not in _STREAMS_USAGE_ON_REQUEST or self._options_kind() == TRUE
        )

    def _options_kind(self) -> int:
        if self._spans.kind(_STREAM_OPTIONS) != OBJECT:
            return ABSENT
        return self._options().kind(0)

    def _options(self) -> MemberSpans:
        start, end = self._spans.span(_STREAM_OPTIONS)
        try:
            return scan_object(self.body, _OPTIONS_TABLE, start, end)
        except JsonSyntaxError as error:
            raise _refuse("invalid_json", f"{error} (byte {error.offset})", "stream_options") from None

    def upstream_body(
        self, model: str, model_json: bytes, operation: Operation = "chat", cap_tokens: int = 0, cap_member: bytes = b""
    ) -> bytes:
        """The body for the provider. ``model_json`` is ``model`` as a JSON string. The very same object when nothing changes.

        ``cap_tokens``, if not 0, becomes the cap on the output of all choices; ``cap_member`` is the member to say it in where the
        request names none.
        """
        if self.wants_usage and model == self.alias and not cap_tokens:
            return self.body
        edits: list[tuple[int, int, bytes]] = []
        if model != self.alias:
            edits.append((*self._spans.span(_MODEL), model_json))
        if not self.wants_usage:
            edits.append(self._usage_edit())
        if cap_tokens:
            edits += self._cap_edits(operation, str(max(cap_tokens // self.choices, 1)).encode(), cap_member)
        edits.sort()
        return splice(self.body, edits)

    def _cap_edits(self, operation: Operation, cap: bytes, member: bytes) -> list[tuple[int, int, bytes]]:
        named = [index for index in _OUTPUT_CAPS[operation] if self._spans.kind(index) != ABSENT]
        if named:
            return [(*self._spans.span(index), cap) for index in named]
        at = self._spans.insert_at
        return [(at, at, b'"%b":%b,' % (member, cap))]

    def _usage_edit(self) -> tuple[int, int, bytes]:
        kind = self._spans.kind(_STREAM_OPTIONS)
        if kind == ABSENT:
            at = self._spans.insert_at
            return at, at, _ASKS_FOR_USAGE + b","
        if kind == NULL:
            return *self._spans.span(_STREAM_OPTIONS), b'{"include_usage":true}'
        if kind != OBJECT:
            raise _refuse("invalid_stream_options", "`stream_options` must be an object", "stream_options")
        options = self._options()
        if options.kind(0) == ABSENT:
            at = options.insert_at
            return at, at, _USAGE_MEMBER if options.is_empty else _USAGE_MEMBER + b","
        return *options.span(0), b"true"


def _streaming(operation: Operation, spans: MemberSpans) -> bool:
    kind = spans.kind(_STREAM)
    if kind in (ABSENT, FALSE, NULL) or operation in _NEVER_STREAMS:
        return False
    if kind != TRUE:
        raise _refuse("invalid_stream", "`stream` must be true or false", "stream")
    return True


def _output_cap(operation: Operation, spans: MemberSpans) -> int:
    for index in _OUTPUT_CAPS[operation]:
        cap = spans.integer(index) or 0
        if cap > 0:
            return cap
    return 0


def _choices(spans: MemberSpans) -> int:
    return min(max(spans.integer(_CHOICES) or 1, 1), MAX_CHOICES)


def _refuse(code: str, message: str, param: str | None = None) -> GatewayError:
    return GatewayError(code, message, status=400, source="client", param=param)
