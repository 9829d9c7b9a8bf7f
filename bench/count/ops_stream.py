"""One event of a streamed answer on its way through."""

from __future__ import annotations

from collections.abc import Callable

from bench.payloads import stream_events
from fastgw._native.sse_split import SseSplitter, SseTap

NEEDLES = (b'"usage"', b'data: {"error"')
TEXTS = (b"content", b"reasoning_content", b"reasoning", b"refusal", b"arguments")
"""As the gateway has them for chat: what an answer's tokens are estimated from."""
EVENT = stream_events()[5]


def split_event() -> Callable[[], object]:
    splitter = SseSplitter()
    return lambda: splitter.feed(EVENT)


def tap_event() -> Callable[[], object]:
    tap = SseTap(NEEDLES, texts=TEXTS)
    return lambda: tap.feed(EVENT)


def tap_hidden_usage() -> Callable[[], object]:
    tap = SseTap(NEEDLES, True, texts=TEXTS)
    return lambda: tap.feed(EVENT)


OPERATIONS = {"stream.split_event": split_event, "stream.tap_event": tap_event, "stream.tap_hiding": tap_hidden_usage}
