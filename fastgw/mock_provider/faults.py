"""What a client may ask the mock to do, by header or by model name.

``x-mock: ttft_ms=50,tps=200`` and the model name ``mock-small+ttft_ms=50+tps=200`` say the same; the header wins member
by member. An unknown directive, or a value out of range, is refused with 400: a test with a misspelt fault must not
pass. This module only reads directives and counts ``fail_first``; :mod:`fastgw.mock_provider.delivery` acts on them.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from typing import Annotated, Final, Literal

import msgspec

from fastgw.mock_provider.refusal import Refusal

MAX_FAILING_CALLERS: Final = 10_000
"""Callers whose ``fail_first`` count is remembered; the least recently seen is forgotten first."""

Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=600_000)]
Tokens = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
Position = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
MalformedHead = Literal["head", "head_length_twice", "head_length_and_chunked", "head_bare_lf", "head_huge"]


class Directives(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One call's pace, counts and faults. Positions (``*_after_bytes``) count bytes of the body, without chunk framing.

    Pace: ``slow_head_ms`` before the head; ``ttft_ms`` before the first event of a stream or the head of a plain
    answer; ``tps`` words a second (without it, as fast as the socket takes them); ``burst`` sends a stream in one write
    instead of one write an event; ``chunk_bytes`` cuts every write into pieces of that size, one turn of the loop each.

    Breaks: ``cut_after_bytes`` closes, ``reset_after_bytes`` sends RST, ``stall_after_bytes`` falls silent for
    ``stall_ms`` and then closes. None of them ever lets the answer end well, however long it is. ``reset=after_head``
    is ``reset_after_bytes=0``. ``close=header`` announces the close after a whole answer, ``close=silent`` does not.

    Lies: ``malformed=json|event`` spoils the middle event of a stream (``json`` also a plain body), ``chunk`` the chunk
    framing, ``head*`` the head; ``garbage`` answers with no HTTP at all; ``twice`` sends the whole answer twice;
    ``no_done`` leaves out the closing event; ``error_event`` ends a stream half-way with the vendor's error event;
    ``usage`` makes the reported usage absent or wrong (the bill keeps the true one).

    ``fail_first=N``: the faults apply to the first N calls of the same ``x-mock-id`` (or model name), later calls are
    clean. Without any other fault they fail with 503.
    """

    words: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 16
    ttft_ms: Milliseconds = 0
    tps: Annotated[float, msgspec.Meta(gt=0, le=1_000_000)] | None = None
    slow_head_ms: Milliseconds = 0
    burst: bool = False
    chunk_bytes: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0

    cached: Tokens = 0
    cache_write_5m: Tokens = 0
    cache_write_1h: Tokens = 0
    audio_in: Tokens = 0
    audio_out: Tokens = 0
    reasoning: Tokens = 0

    status: Annotated[int, msgspec.Meta(ge=400, le=599)] | None = None
    code: str = ""
    retry_after: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None = None
    cut_after_bytes: Position | None = None
    stall_after_bytes: Position | None = None
    stall_ms: Milliseconds = 60_000
    reset: Literal["before_head", "after_head"] | None = None
    reset_after_bytes: Position | None = None
    malformed: MalformedHead | Literal["json", "chunk", "event"] | None = None
    usage: Literal["absent", "negative", "huge", "string", "twice", "after_done"] | None = None
    no_done: bool = False
    error_event: bool = False
    twice: bool = False
    garbage: bool = False
    close: Literal["header", "silent"] | None = None
    fail_first: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0


CLEAN: Final = Directives()
FAULT_NAMES: Final = (
    "status",
    "code",
    "retry_after",
    "cut_after_bytes",
    "stall_after_bytes",
    "reset",
    "reset_after_bytes",
    "malformed",
    "usage",
    "no_done",
    "error_event",
    "twice",
    "garbage",
    "close",
)


@functools.lru_cache(maxsize=1024)
def read_directives(model: str, header: str) -> tuple[str, Directives]:
    """The priced name and the directives in ``model`` (``name+key=value+...``) and ``header`` (``key=value,...``).

    Raises :class:`Refusal` (400) for what it does not know.
    """
    name, *suffixes = model.split("+")
    if not suffixes and not header:
        return name, CLEAN
    asked: dict[str, str] = {}
    for item in (*suffixes, *header.split(",")):
        if not item.strip():
            continue
        key, equals, value = item.partition("=")
        if not equals:
            raise Refusal(400, f"x-mock: expected key=value, got {item!r}", param="x-mock")
        asked[key.strip()] = value.strip()
    try:
        return name, msgspec.convert(asked, Directives, strict=False)
    except msgspec.ValidationError as error:
        raise Refusal(400, f"x-mock: {error}", param="x-mock") from error


class FailingCallers:
    """Counts calls a caller for ``fail_first``. Bounded; not a rate limit."""

    def __init__(self) -> None:
        self._calls: OrderedDict[str, int] = OrderedDict()

    def arm(self, caller: str, directives: Directives) -> Directives:
        """``directives`` as they are for the caller's first ``fail_first`` calls, without their faults after that."""
        if not directives.fail_first:
            return directives
        calls = self._calls.pop(caller, 0) + 1
        self._calls[caller] = calls
        if len(self._calls) > MAX_FAILING_CALLERS:
            self._calls.popitem(last=False)
        if calls > directives.fail_first:
            return msgspec.structs.replace(directives, **{name: getattr(CLEAN, name) for name in FAULT_NAMES})
        if all(
            getattr(directives, name) == getattr(CLEAN, name)
            for name in FAULT_NAMES
            if name not in ("code", "retry_after")
        ):
            return msgspec.structs.replace(directives, status=503)
        return directives

    def clear(self) -> None:
        self._calls.clear()
