"""The slow, obvious reading of HTTP/1.1 heads and chunked bodies: the oracle of the native parsers.

It works by lines and regular expressions where the native code steps through bytes, so a slip in one is unlikely in the
other. It answers what should happen to all bytes seen so far: a message, a refusal with its status, or nothing yet. The
bounds on chunk framing and trailers are not modelled; tests of their own cover them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
TARGET = rb"[\x21\x22\x24-\x7e]"
VALUE = rb"[\t\x20-\x7e\x80-\xff]"
MAX_OPTIONS = 32
FORBIDDEN_TRAILERS = {
    *b"api-key authorization connection content-encoding content-length content-range content-type cookie".split(),
    *b"expect host proxy-authorization set-cookie te trailer transfer-encoding upgrade x-api-key".split(),
    b"x-goog-api-key",
}


class Refused(Exception):  # noqa: N818 - a verdict, not a failure
    """The bytes can never become right; ``status`` is the answer to give."""

    def __init__(self, status: int = 400) -> None:
        super().__init__(status)
        self.status = status


@dataclass
class Head:
    """What a complete head says. ``start_line`` is (method, target) or (status, reason)."""

    start_line: tuple[bytes | int, bytes]
    minor: int
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    content_length: int = -1
    chunked: bool = False
    options: list[bytes] = field(default_factory=list)
    expect: bool = False
    size_bytes: int = 0
    bodiless: bool = False

    @property
    def keep_alive(self) -> bool:
        runs_until_close = isinstance(self.start_line[0], int) and not (
            self.bodiless or self.chunked or self.content_length >= 0
        )
        wanted = self.minor == 1 or b"keep-alive" in self.options
        return wanted and b"close" not in self.options and not runs_until_close and self.start_line[0] != 101


def _in_order(*pieces: bytes) -> bytes:
    """A pattern for every beginning of the pieces in order."""
    pattern = b""
    for piece in reversed(pieces):
        pattern = b"(?:" + piece + pattern + b")?"
    return pattern


_VERSION = [bytes([byte]) for byte in b"HTTP/"] + [rb"\d", rb"\.", rb"\d"]
_REQUEST = [TOKEN + b"+", b" ", b"/" + TARGET + b"*", b" ", *_VERSION, b"\r", b"\n"]
_OPTIONS = [*(bytes([byte]) for byte in b"OPTIONS "), rb"\*", b" ", *_VERSION, b"\r", b"\n"]
_STATUS = [*_VERSION, b" ", b"[1-5]", rb"\d", rb"\d", b"(?: " + VALUE + b"*)?", b"\r", b"\n"]
_HEADER = [TOKEN + b"+", b":", VALUE + b"*", b"\r", b"\n"]


def _take_line(data: bytes, at: int, *shapes: list[bytes]) -> bytes | None:
    """The line at ``at`` with its CR LF if it has one of the shapes; None while it may still get one."""
    end = data.find(b"\r\n", at)
    if end < 0:
        if any(re.fullmatch(_in_order(*shape), data[at:]) for shape in shapes):
            return None
        raise Refused
    line = data[at : end + 2]
    if any(re.fullmatch(b"".join(shape), line) for shape in shapes):
        return line
    raise Refused


def _check_version(before: bytes, data: bytes) -> int:
    found = re.match(before + rb"HTTP/(\d\.\d)", data)
    if found and found[1] not in (b"1.0", b"1.1"):
        raise Refused
    return int(found[1][2:]) if found else -1


def _note(head: Head, name: bytes, value: bytes, *, request: bool) -> None:
    folded = re.sub(rb"[^0-9a-z]", b"-", name)
    names = [key.lower() for key, _ in head.headers[:-1]]
    if folded in (b"content-length", b"transfer-encoding"):
        if folded != name or b"content-length" in names or b"transfer-encoding" in names:
            raise Refused
        if name == b"content-length":
            if not re.fullmatch(rb"0|[1-9]\d{0,18}", value) or int(value) >= 2**63:
                raise Refused
            head.content_length = int(value)
        else:
            _note_coding(head, value.lower())
    elif name == b"connection":
        _note_connection(head, value.lower())
    elif request and name == b"host":
        host = rb"(?:[A-Za-z0-9\-._~]+|\[[A-Za-z0-9\-._~:]+\])(?::\d{1,5})?"
        if b"host" in names or not re.fullmatch(host, value):
            raise Refused
    elif request and name == b"expect" and head.minor == 1:
        if head.expect or value.lower() != b"100-continue":
            raise Refused(417)
        head.expect = True


def _note_connection(head: Head, value: bytes) -> None:
    for option in (text.strip(b" \t") for text in value.split(b",")):
        if option and not re.fullmatch(TOKEN + b"+", option):
            raise Refused
        head.options += [option] if option else []
        if len(head.options) > MAX_OPTIONS:
            raise Refused(431)


def _note_coding(head: Head, value: bytes) -> None:
    if head.minor == 0:
        raise Refused
    if value != b"chunked":
        raise Refused
    head.chunked = True


def _read_fields(head: Head, data: bytes, at: int, max_headers: int, *, request: bool) -> Head | None:
    while data[at : at + 2] != b"\r\n":
        if data[at:] in (b"", b"\r"):
            return None
        if len(head.headers) == max_headers and re.match(TOKEN, data[at:]):
            raise Refused(431)
        line = _take_line(data, at, _HEADER)
        if line is None:
            return None
        name, _, value = line.partition(b":")
        head.headers.append((name, value[:-2].strip(b" \t")))
        _note(head, name.lower(), head.headers[-1][1], request=request)
        at += len(line)
    head.size_bytes = at + 2
    return head


def _request(data: bytes, max_headers: int) -> Head | None:
    at = 2 if data[:2] == b"\r\n" else 0
    if data == b"\r":
        return None
    minor = _check_version(b"(?:\r\n)?(?:" + TOKEN + b"+ /" + TARGET + rb"*|OPTIONS \*) ", data)
    line = _take_line(data, at, _REQUEST, _OPTIONS)
    if line is None:
        return None
    method, target, _ = line.split(b" ", 2)
    if method == b"CONNECT":
        raise Refused
    head = _read_fields(Head((method, target), minor), data, at + len(line), max_headers, request=True)
    if head and minor == 1 and not any(name.lower() == b"host" for name, _ in head.headers):
        raise Refused
    return head


def _response(data: bytes, max_headers: int, *, answers_head: bool) -> Head | None:
    minor = _check_version(b"", data)
    line = _take_line(data, 0, _STATUS)
    if line is None:
        return None
    status = int(line[9:12])
    start = Head((status, line[13:-2]), minor)
    head = _read_fields(start, data, len(line), max_headers, request=False)
    if head:
        none = status < 200 or status == 204
        if none and (head.chunked or head.content_length > 0):
            raise Refused
        head.bodiless = none or answers_head or status == 304
    return head


def read_request(data: bytes, max_head_bytes: int = 65536, max_headers: int = 128) -> Head | None:
    head = _request(data[:max_head_bytes], max_headers)
    if head is None and len(data) >= max_head_bytes:
        raise Refused(431)
    return head


def read_response(
    data: bytes, max_head_bytes: int = 65536, max_headers: int = 128, *, answers_head: bool = False
) -> Head | None:
    head = _response(data[:max_head_bytes], max_headers, answers_head=answers_head)
    if head is None and len(data) >= max_head_bytes:
        raise Refused(431)
    return head


_SIZE = rb"[0-9A-Fa-f]"
_QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\' + VALUE + rb")*"
_EXTENSIONS = b"(?:;" + TOKEN + b"+(?:=(?:" + TOKEN + b"+|" + _QUOTED + b'"))?)*'
_OPEN_EXTENSION = b"(?:;(?:" + TOKEN + b"+(?:=(?:" + TOKEN + b"+|" + _QUOTED + rb"\\?)?)?)?)?"
_SIZE_LINE = [_SIZE + b"{1,16}" + _EXTENSIONS, b"\r", b"\n"]
_OPEN_SIZE_LINE = [_SIZE + b"{1,16}" + _EXTENSIONS + _OPEN_EXTENSION]


def read_chunked(data: bytes, max_body_bytes: int) -> tuple[bytes, int | None]:
    """The payload in a chunked body and where it ends; None as the end while more must come."""
    payload, at = b"", 0
    while True:
        digits = re.match(_SIZE + b"{0,16}", data[at:])
        if digits and digits[0] and int(digits[0], 16) >= 2**63:
            raise Refused
        line = _take_line(data, at, _SIZE_LINE, _OPEN_SIZE_LINE)
        if line is None:
            return payload, None
        if not line.endswith(b"\r\n") or not digits:
            raise Refused
        at += len(line)
        size = int(digits[0], 16)
        if size > max_body_bytes - len(payload):
            raise Refused(413)
        if size == 0:
            return payload, _read_trailers(data, at)
        payload += data[at : at + size]
        ending = data[at + size : at + size + 2]
        at += size + 2
        if not b"\r\n".startswith(ending):
            raise Refused
        if ending != b"\r\n":
            return payload, None


def _read_trailers(data: bytes, at: int) -> int | None:
    while data[at : at + 2] != b"\r\n":
        if data[at:] in (b"", b"\r"):
            return None
        line = _take_line(data, at, _HEADER)
        name, colon, _ = (line or data[at:]).partition(b":")
        if colon and re.sub(rb"[^0-9a-z]", b"-", name.lower()) in FORBIDDEN_TRAILERS:
            raise Refused
        if line is None:
            return None
        at += len(line)
    return at + 2
