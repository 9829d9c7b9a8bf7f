"""What was decided about a call, for a caller who asks with ``x-fastgw-explain: 1``.

Invariant: it tells what the caller may know of itself: the target, and the rules that match with their counters. Nothing here is on
the way of a call that does not ask.
"""

from __future__ import annotations

import json
from typing import Any, Final

from fastgw._native.counter_map import CounterMap
from fastgw.domain.money import format_usd
from fastgw.gateway.context import Call
from fastgw.limits.report import limit_rows
from fastgw.telemetry.clock import unix_ns_of

MAX_LINE_BYTES: Final = 4096
"""Of the header; what does not fit is in the body."""


def explanation(call: Call, counter_map: CounterMap) -> bytes:
    """The decision as a JSON object in ASCII, without line breaks."""
    route = call.route
    document: dict[str, Any] = {"target": None if route is None else route.name}
    if route is not None:
        document |= {"region": route.region, "priced": route.price is not None}
    if call.reservation is not None:
        document["reserved_usd"] = format_usd(call.reservation.nano_usd)
    governing = call.governing
    document["rules"] = [] if governing is None else limit_rows(governing, counter_map, unix_ns_of(call.id))
    return json.dumps(document, separators=(",", ":")).encode()


def explanation_line(explained: bytes) -> bytes:
    """The header. Of a decision that is longer than clients take in one, as many rules as fit."""
    document = json.loads(explained)
    left_out = 0
    while len(explained) > MAX_LINE_BYTES and document["rules"]:
        document["rules"].pop()
        left_out += 1
        explained = json.dumps({**document, "rules_left_out": left_out}, separators=(",", ":")).encode()
    return b"x-fastgw-explain: " + explained + b"\r\n"


def explained_body(body: bytes, explained: bytes) -> bytes:
    """A JSON object with the decision as its last member, ``fastgw``; anything else as it is."""
    end = body.rstrip()
    if not end.startswith(b"{") or not end.endswith(b"}"):
        return body
    comma = b"" if end[1:-1].strip() == b"" else b","
    return end[:-1] + comma + b'"fastgw":{"explain":' + explained + b"}}"
