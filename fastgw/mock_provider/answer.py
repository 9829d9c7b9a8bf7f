"""A call as the routes see it, the answer they make, and how the parts of a stream become the events that are sent.

Routes fill a :class:`Script`; :func:`play` orders it and applies the faults that are about *events* (lies of place,
missing end, spoilt event, error event). Faults that are about *bytes* belong to :mod:`fastgw.mock_provider.delivery`.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from fastgw.mock_provider.faults import Directives
from fastgw.mock_provider.refusal import Refusal
from fastgw.mock_provider.usage import NOTHING, Usage

CREATED_S: Final = 1_760_000_000
"""The ``created`` time of every answer: constant, because the same request shall get the same bytes."""
JSON_TYPE: Final = b"application/json"
SSE_TYPE: Final = b"text/event-stream; charset=utf-8"

Piece = tuple[bytes, int]
"""Bytes that are sent together, and how many words they carry."""


class Call(msgspec.Struct):
    """A request whose model, directives and key have been accepted.

    ``number`` makes ids; ``model`` is as the caller wrote it.
    """

    payload: dict[str, Any]
    model: str
    directives: Directives
    number: int

    @property
    def stream(self) -> bool:
        return self.payload.get("stream") is True

    def words(self, *limits: str) -> tuple[int, bool]:
        """How many words to say, and whether a token limit of the request (the first of ``limits`` it has) cut them."""
        asked = self.directives.words
        for name in limits:
            limit = self.payload.get(name)
            if limit is None:
                continue
            if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
                raise Refusal(400, f"Invalid '{name}': expected an integer of at least 1.", param=name)
            return min(asked, limit), limit < asked
        return asked, False


class Answer(msgspec.Struct):
    """What is to be sent. A plain answer is one piece with a length; a stream is many, sent in chunks."""

    pieces: list[Piece]
    usage: Usage = NOTHING
    status: int = 200
    streamed: bool = False
    content_type: bytes = JSON_TYPE
    retry_after_s: int | None = None


class Script(msgspec.Struct):
    """The events of a stream by role. ``usage`` is the event that reports it, ``done`` the one that ends the stream."""

    opening: list[bytes]
    words: list[bytes]
    closing: list[bytes]
    usage: bytes | None
    done: bytes | None
    error: bytes


def answer_plain(body: bytes, usage: Usage, words: int, directives: Directives) -> Answer:
    """A plain answer of JSON, cut in half when ``malformed=json`` asks for it."""
    if directives.malformed == "event" or directives.error_event or directives.no_done:
        raise Refusal(400, "x-mock: malformed=event, error_event and no_done are for streams", param="x-mock")
    if directives.malformed == "json":
        body = body[: len(body) // 2]
    return Answer([(body, words)], usage)


def play(script: Script, usage: Usage, directives: Directives) -> Answer:
    """The answer that sends ``script``, with the event faults of ``directives``."""
    pieces: list[Piece] = [(event, 0) for event in script.opening]
    words = script.words
    if directives.error_event:
        words = words[: len(words) // 2]
        pieces += [(event, 1) for event in words]
        pieces.append((script.error, 0))
        return Answer(pieces, usage, streamed=True, content_type=SSE_TYPE)
    pieces += [(event, 1) for event in words]
    pieces += [(event, 0) for event in script.closing]
    ending = [script.usage, None if directives.no_done else script.done]
    if directives.no_done and script.done is None:
        ending[0] = None
    if directives.usage == "twice":
        ending.insert(1, script.usage)
    elif directives.usage == "after_done":
        if script.done is None:
            raise Refusal(400, "x-mock: nothing follows the event with the usage in this dialect", param="x-mock")
        ending.reverse()
    pieces += [(event, 0) for event in ending if event is not None]
    if directives.malformed in ("json", "event"):
        middle = len(pieces) // 2
        pieces[middle] = (spoil(pieces[middle][0], directives.malformed), pieces[middle][1])
    return Answer(pieces, usage, streamed=True, content_type=SSE_TYPE)


def spoil(event: bytes, how: str) -> bytes:
    """``event`` with its JSON cut in half (``json``), or with bytes that are neither UTF-8 nor SSE (``event``)."""
    if how == "json":
        text = event.rstrip(b"\n")
        data = text.rindex(b"data: ") + len(b"data: ")
        return text[: data + (len(text) - data) // 2] + b"\n\n"
    return b"\xff\xfe{not an event\n" + event.replace(b'"', b'\xff"', 1)
