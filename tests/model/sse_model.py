"""The slow, obvious event stream: whole input, a line at a time, as WHATWG HTML section 9.2 has it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tests.model.json_model import ModelError, scan

_LINE = re.compile(rb"([^\r\n]*)(\r\n|\r|\n)")
_MARK = b"\xef\xbb\xbf"


def lines(data: bytes) -> list[tuple[bytes, bytes]]:
    """(line, its end); the last one may have no end."""
    found = [(match[1], match[2]) for match in _LINE.finditer(data)]
    rest = data[sum(len(line) + len(end) for line, end in found) :]
    return [*found, (rest, b"")] if rest else found


def split(data: bytes) -> tuple[list[bytes], bytes]:
    """(events, pending). A blank line that ends in CR at the very end of the data is not complete yet."""
    events, begun = [], b""
    left = len(data)
    for number, (line, end) in enumerate(lines(data)):
        begun += line + end
        left -= len(line) + len(end)
        blank = line in ((b"", _MARK) if number == 0 else (b"",))
        if blank and (end in (b"\n", b"\r\n") or (end == b"\r" and left)):
            events.append(begun)
            begun = b""
    return events, begun


def fields(event: bytes) -> list[tuple[bytes, bytes]]:
    """(name, value) of the lines of one event."""
    found = []
    for line, _ in lines(event.removeprefix(_MARK)):
        name, _, value = line.partition(b":")
        found.append((name, value.removeprefix(b" ")))
    return found


def payload(event: bytes) -> bytes | None:
    values = [value for name, value in fields(event) if name == b"data"]
    return b"\n".join(values) if values else None


def name(event: bytes) -> bytes:
    return ([b""] + [value for name, value in fields(event) if name == b"event"])[-1]


@dataclass
class Relayed:
    """What the filter must have done at the end of a stream."""

    forwarded: bytes = b""
    captured: list[tuple[bytes, bytes]] = field(default_factory=list)
    seen_done: bool = False
    events: int = 0
    data_bytes: int = 0


def hide(event: bytes) -> tuple[bytes, bool]:
    """The event without its usage, and whether that was an object."""
    text = payload(event)
    if b'"usage"' not in event or text is None:
        return event, False
    try:
        found, _, _ = scan(text, ["usage", "choices"])
    except ModelError:
        return event, False
    if "usage" not in found:
        return event, False
    kind = found["usage"].kind
    if kind != "null" and "choices" in found and found["choices"].kind == "array":
        start, end = found["choices"].span
        if not text[start + 1 : end - 1].strip():
            return b"", kind == "object"
    first, last = found["usage"].member_span
    kept = [byte for offset, byte in enumerate(text) if not first <= offset < last or byte == 0x0A]
    pieces = iter(bytes(kept).split(b"\n"))
    result = b""
    for number, (line, line_end) in enumerate(lines(event)):
        body = line if number else line.removeprefix(_MARK)
        if body.partition(b":")[0] == b"data":
            value = body.partition(b":")[2].removeprefix(b" ")
            line = line[: len(line) - len(value)] + next(pieces)  # noqa: PLW2901 - the edited line
        result += line + line_end
    return result, kind == "object"


def relay(data: bytes, needles: list[bytes], *, hide_usage: bool, max_event_bytes: int) -> Relayed:
    """The whole stream through the filter, with its end."""
    result = Relayed()
    events, pending = split(data)
    for number, event in enumerate([*events, pending] if pending else events):
        strict = event if number == 0 or not event.startswith(_MARK) else b"x" + event
        text = payload(strict)
        result.events += text is not None
        result.seen_done |= text == b"[DONE]"
        result.data_bytes += sum(len(value) for field_name, value in fields(strict) if field_name == b"data")
        if len(event) > max_event_bytes:
            result.forwarded += event
            continue
        visible, had_usage = hide(event) if hide_usage else (event, False)
        result.forwarded += visible
        text = payload(event)
        if text is not None and (had_usage or any(needle in event for needle in needles)):
            result.captured.append((name(event), text))
    return result
