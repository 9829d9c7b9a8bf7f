"""HTTP corpora: what a strict gateway must answer to llhttp's request tests and to mutated Transfer-Encoding headers.

Loading rows and judging verdicts is kept apart from how bytes are fed: ``feed`` is any callable from bytes to
:class:`Verdict`. ``feed_parsers`` feeds the native parsers; a wire test passes a callable that talks to a running
gateway.
"""

from __future__ import annotations

import base64
import difflib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fastgw._native.errors import HttpLimitError, HttpSyntaxError
from fastgw._native.http_body import body_reader
from fastgw._native.http_head import parse_request_head


@dataclass
class Verdict:
    """What became of the bytes on one connection: the targets of the requests served in full, and the refusal if one
    came.
    """

    targets: list[bytes] = field(default_factory=list)
    refused_status: int = 0
    reason: str = ""

    @property
    def served(self) -> int:
        return len(self.targets)


Feed = Callable[[bytes], Verdict]


def feed_parsers(data: bytes) -> Verdict:
    """Read requests one behind the other as a connection does, until bytes run out, one is refused or one says
    close.
    """
    verdict, at = Verdict(), 0
    try:
        while (head := parse_request_head(data, at)) is not None:
            reader = body_reader(head)
            at += head.size_bytes
            _, used = reader.feed_bytes(data[at:])
            at += used
            if not reader.done:
                break
            verdict.targets.append(head.target)
            if not head.keep_alive:
                break
    except (HttpSyntaxError, HttpLimitError) as error:
        verdict.refused_status, verdict.reason = error.status, str(error)
    return verdict


def _rows(path: Path) -> Iterator[dict[str, object]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


# What llhttp refuses and we serve, by title of the row, each with the reason.
WIDER = {
    "Invalid method": "any token is a method; unknown ones are answered 405 by the router",
    "HTTP protocol and ANNOUNCE method": "any token is a method; unknown ones are answered 405 by the router",
    "Setting a flag and pausing": "an offer to upgrade is ignored (RFC 9110 7.8); the request is an ordinary one",
}

# What llhttp serves and we refuse, by our reason.
NARROWER = {
    "missing Host": "RFC 9112 3.2 demands 400; llhttp leaves it to its user",
    "malformed Host": "a host with sub-delims ('=') is no DNS name and is read differently by routers",
    "malformed Content-Length": "leading zeros are read as octal by some parsers",
    "the target must be a path, or * for OPTIONS": "absolute and authority form name a second host",
    "fragment in the target": "a fragment is never sent (RFC 9112 3.2); parsers cut it differently",
    "malformed HTTP version": "HTTP/0.9, RTSP and ICE are not spoken",
    "invalid byte in the target": "HTTP/0.9, a request line without a version, is not spoken",
    "a trailer that must not be one": "Content-Type says how to read content: RFC 9110 6.5.1 forbids it as a trailer",
}


def variants(data: bytes) -> list[bytes]:
    """The row, the row completed (the file lost empty lines at the end of rows), and both with a Host if it has
    none.
    """
    hosted = data
    if b"host:" not in data.lower():
        hosted = re.sub(rb"^((?:\r\n)?[^\r\n]* HTTP/1\.\d\r\n)", rb"\1Host: a\r\n", data)
        hosted = re.sub(rb"(\r\n\r\n[A-Z]+ [^\r\n]* HTTP/1\.\d\r\n)", rb"\1Host: a\r\n", hosted)
    return [text + ending for text in (data, hosted) for ending in (b"", b"\r\n", b"\r\n\r\n")]


def is_wider(row: dict[str, object]) -> bool:
    """Whether llhttp refuses the row and we serve its first request, for a known reason."""
    return str(row["title"]) in WIDER or str(row["llhttp_error"]).startswith("Data after")


def judge_llhttp(row: dict[str, object], feed: Feed) -> str | None:
    """A complaint, or None. What llhttp refuses we refuse or leave incomplete; what it serves we serve or refuse
    with a reason.
    """
    verdicts = [feed(text) for text in variants(base64.b64decode(str(row["b64"])))]
    complete = int(str(row["messages_complete"]))
    if row["llhttp_error"] is not None:
        if is_wider(row):
            return None if all(verdict.served <= max(complete, 1) for verdict in verdicts) else "served more than one"
        if any(verdict.served > complete for verdict in verdicts):
            return f"served, but llhttp says: {row['llhttp_error']}"
        return None if all(verdict.refused_status for verdict in verdicts[2::3]) else "completed, but never refused"
    if any(verdict.served >= complete for verdict in verdicts) or str(row["title"]) in HARNESS:
        return None
    reasons = {verdict.reason for verdict in verdicts[3:] if verdict.refused_status}
    unknown = reasons - NARROWER.keys()
    return f"refused without a known reason: {sorted(unknown)}" if unknown or not reasons else None


# What llhttp's test counts as served although the bytes of the body are not there, by title.
HARNESS = {"Content-Length reset when no body is received": "the test's callback skips the bodies; we wait for them"}

CANARY = b"GET /canary HTTP/1.1\r\nHost: a\r\n\r\n"


def mutated_requests(line: bytes) -> list[bytes]:
    """Content-Length plus the line, so that the two ways of framing end at different bytes, a canary between them."""
    hidden = (
        b"0\r\n\r\n" + CANARY
    )  # a reader that honours chunked sees the canary as a request, one that counts does not
    shown = b"%x\r\n%b\r\n0\r\n\r\n" % (len(CANARY), CANARY)  # and here the other way round
    head = b"POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n%b\r\n\r\n%b"
    return [head % (len(hidden), line, hidden), head % (shown.index(b"\r\n") + 2, line, shown)]


def is_plainly_another_header(line: bytes) -> bool:
    """Whether no parser, however lenient, could take any part of the line for Transfer-Encoding.

    A lenient parser may end a line at any control byte but the tab (or at NEL) and may read over anything that is no
    letter in a name; none begins a new header behind a blank inside a value.
    """
    for part in re.split(rb"[\x00-\x08\x0a-\x1f\x7f\x85]+", line):
        name = re.sub(rb"[^a-z]", b"", part.partition(b":")[0].lower())
        likeness = difflib.SequenceMatcher(None, name, b"transferencoding", autojunk=False).ratio()
        if likeness > 0.85 or b"transferencoding" in name:
            return False
    return True


def judge_mutation(line: bytes, feed: Feed) -> str | None:
    """A complaint, or None: nothing is served unless the line is plainly another header, and then the count decides."""
    for text, canary_is_next in zip(mutated_requests(line), (False, True), strict=True):
        verdict = feed(text)
        if not verdict.served:
            if not verdict.refused_status:
                return "neither served nor refused"
        elif not is_plainly_another_header(line):
            return "served, but a lenient parser could read Transfer-Encoding"
        elif (b"/canary" in verdict.targets) != canary_is_next:
            return "the boundary is not where Content-Length puts it"
    return None


def check(folder: Path, feed: Feed = feed_parsers) -> list[str]:
    """Judge every strict llhttp row and every mutation under ``folder``; the complaints, empty when all is well."""
    complaints, counts = [], {"llhttp": 0, "mutations": 0, "mutations served": 0}
    for row in _rows(folder / "http-framing" / "llhttp-requests.jsonl"):
        if not row["lenient"]:
            counts["llhttp"] += 1
            if complaint := judge_llhttp(row, feed):
                complaints.append(f"llhttp {row['file']} {row['title']!r}: {complaint}")
    for row in _rows(folder / "http-framing" / "te-header-mutations.jsonl"):
        line = base64.b64decode(str(row["header_b64"]))
        counts["mutations"] += 1
        counts["mutations served"] += is_plainly_another_header(line) and feed(mutated_requests(line)[0]).served > 0
        if complaint := judge_mutation(line, feed):
            complaints.append(f"mutation {row['name']} {line!r}: {complaint}")
    print("http:", ", ".join(f"{name} {count}" for name, count in counts.items()), f"- complaints {len(complaints)}")
    return complaints
