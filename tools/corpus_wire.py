"""Feeds public corpora to a running gateway over raw sockets: ``python tools/corpus_wire.py DIR``.

``DIR`` holds ``http-framing/`` and ``json-parsing/`` as ``tools/corpus_http.py`` and ``tools/corpus_json.py`` read them; it stays
outside the project. A gateway and a mock provider are started for it. Prints the counts and each finding, and exits 1 when there is
one: a desync (a request served that the framing rules do not have), a server error, a refused JSON text that was forwarded, an
accepted one that was not, a body that arrived changed, an answer out of shape, a worker that died.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import re
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.wire import raw
from tests.wire.gateway import (
    KEY,
    KEYS,
    Gateway,
    check_books,
    mock_prices,
    mock_providers,
    provider_section,
    running_gateway,
    server_section,
)
from tests.wire.processes import MockProvider, running_mock_provider
from tests.wire.scripted import ScriptedProvider, Step, answer
from tools import corpus_http, corpus_json

SIDE_BY_SIDE = 16
PATIENCE_S = 0.2
"""How long an answer to what may be half a request is waited for."""
FAST, SLOW = b"POST /v1/chat/completions HTTP/1.1", b"POST /first HTTP/1.1"


@dataclass
class Findings:
    """What was fed and what was found. ``counts`` has every kind, also those of which there was none."""

    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("fed", "desync", "crash", "5xx", "forwarded rejects", "other"), 0)
    )
    texts: list[str] = field(default_factory=list)

    def add(self, kind: str, text: str) -> None:
        self.counts[kind] += 1
        self.texts.append(f"{kind}: {text}")


@dataclass
class Stand:
    """The gateway under test and what stands behind it."""

    gateway: Gateway
    mock: MockProvider
    scripted: ScriptedProvider

    def answers(self, data: bytes, expected: int = 1) -> list[raw.Answer]:
        """All answers to the bytes on one connection, which is ended once as many as expected are here, or none comes."""
        found: list[raw.Answer] = []
        to_head = data.lstrip().startswith(b"HEAD ")
        with raw.Wire(self.gateway.host, self.gateway.port) as wire:
            wire.send(data)
            wire.sock.settimeout(PATIENCE_S)
            while len(found) < expected and (next_one := wire.answer(to_head=to_head)).status:
                found.append(next_one)
            wire.sock.settimeout(raw.READ_S)
            with contextlib.suppress(OSError):
                wire.end_writing()
            wire.rest()
            if wire.ended != "eof":
                raise ConnectionError(f"ended by {wire.ended or 'time'} after {wire.received!r}")
            while wire.received:
                found.append(wire.answer(to_head=to_head))
                if found[-1].ending != "whole":
                    raise ConnectionError(f"no answer, or a part of one: {found[-1]}, {wire.received!r}")
        return found


@contextlib.contextmanager
def standing() -> Iterator[Stand]:
    """A gateway in front of a recording mock and of a provider that answers what it is told."""
    with running_mock_provider("--record") as mock, tempfile.TemporaryDirectory(prefix="fastgw-corpus-") as folder:
        scripted = ScriptedProvider()
        text = server_section() + mock_providers(mock) + mock_prices() + KEYS
        text += provider_section("scripted", "openai", f"{scripted.url}/v1")
        try:
            with running_gateway(Path(folder), text) as gateway:
                yield Stand(gateway, mock, scripted)
        finally:
            scripted.close()


def is_served(found: raw.Answer) -> bool:
    """Whether an answer is to a request that was read in full; all others are to bytes that did not become one."""
    if found.status < 400 or found.headers.get("connection") != "close" or "server" in found.headers:
        return True
    if not found.body:  # none: to HEAD
        return False
    return found.code not in ("invalid_request", "head_too_large", "body_too_large")


def feed_http(stand: Stand, name: str, data: bytes, findings: Findings, expected: int = 1) -> list[raw.Answer]:
    """The answers to one text, with what is wrong about any text noted."""
    findings.counts["fed"] += 1
    try:
        found = stand.answers(data, expected)
    except (OSError, ConnectionError, AssertionError, ValueError) as error:
        findings.add("crash", f"{name}: {error!r}")
        return []
    for each in found:
        if each.status >= 500:
            findings.add("5xx", f"{name}: {each}")
        if each.ending != "whole":
            findings.add("other", f"{name}: an answer ends {each.ending}")
    return found


def check_llhttp(stand: Stand, rows: list[dict[str, Any]], findings: Findings) -> None:
    """Never more requests served than the reference parser completes; connections are fed side by side, for many of them wait."""
    texts = [text for row in rows if not row["lenient"] for text in llhttp_texts(row)]

    def feed(item: tuple[str, bytes, int]) -> None:
        name, text, allowed = item
        served = sum(map(is_served, feed_http(stand, name, text, findings)))
        if served > allowed:
            findings.add("desync", f"{name}: served {served}, the reference {allowed}: {text!r}")

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        list(pool.map(feed, texts))


def llhttp_texts(row: dict[str, Any]) -> Iterator[tuple[str, bytes, int]]:
    """What a row is fed as: name, bytes, and how many requests may be served of it.

    The slow lane answers from the head alone and closes, so there the first one counts as soon as its head is whole; with a
    body each row also goes to the fast lane, which reads it first. What the reference does not refuse, our endings complete.
    """
    complete = int(row["messages_complete"])
    at_most = complete if row["llhttp_error"] is not None and not corpus_http.is_wider(row) else max(complete, 1)
    name = f"llhttp {row['file']} {row['title']!r}"
    for data in corpus_http.variants(base64.b64decode(str(row["b64"]))):
        yield name, data, max(complete, 1)
        fast, changed = re.subn(rb"\A((?:\r\n)?)(?:POST|PUT) [^ ]* HTTP/1.1\r\n", rb"\1" + to_fast_lane(), data)
        if changed:
            yield name, fast, at_most


def to_fast_lane() -> bytes:
    return FAST + b"\r\nAuthorization: Bearer " + KEY.encode() + b"\r\n"


def check_mutations(stand: Stand, lines: list[tuple[str, bytes]], findings: Findings) -> None:
    """Nothing behind a body is ever taken for a request, nor the other way round, on either lane."""
    for name, line in lines:
        for place, text in enumerate(corpus_http.mutated_requests(line)):
            for lane in (FAST, SLOW):
                canary_is_next = place == 1 and lane is FAST and corpus_http.is_plainly_another_header(line)
                data = text.replace(SLOW + b"\r\n", to_fast_lane(), 1) if lane is FAST else text
                found = feed_http(stand, f"mutation {name}", data, findings, 2 if canary_is_next else 1)
                if complaint := judge_mutation(line, found, canary_is_next=canary_is_next):
                    findings.add("desync", f"mutation {name} {line!r} {lane[5:10]!r}: {complaint}")


def judge_mutation(line: bytes, found: list[raw.Answer], *, canary_is_next: bool) -> str | None:
    """A complaint, or None. ``canary_is_next``: where Content-Length counts, the canary is the next request and is answered."""
    canaries = found[1:]
    if not found:
        return "no answer"
    if not corpus_http.is_plainly_another_header(line):
        if is_served(found[0]):
            return "served, but a lenient parser could read Transfer-Encoding"
        return "the canary was served behind a refusal" if canaries else None
    if is_served(found[0]) and bool(canaries) != canary_is_next:
        return "the boundary is not where Content-Length puts it"
    return None


def check_json_requests(stand: Stand, rows: list[corpus_json.Row], findings: Findings) -> None:
    """What is no JSON is refused in the dialect's shape and not forwarded; what is JSON arrives byte for byte."""
    for case in corpus_json.cases(rows):
        before = stand.mock.last_seq()
        (found,) = feed_http(stand, case.name, raw.request(case.body, key=KEY), findings) or (raw.Answer(),)
        forwarded = stand.mock.last_seq() - before
        if case.must_accept is False:
            if forwarded:
                findings.add("forwarded rejects", f"{case.name}: {case.body[:80]!r}")
            if not 400 <= found.status < 500 or set(found.json()) != {"error"}:
                findings.add("other", f"{case.name}: {found}")
        elif case.must_accept and case.name.endswith("embedded"):
            (arrived,) = stand.mock.requests(before) or ({"body": ""},)
            if base64.b64decode(arrived["body"]) != case.body:
                findings.add("other", f"{case.name}: arrived changed or not at all: {case.body[:80]!r}")


def check_json_answers(stand: Stand, rows: list[corpus_json.Row], findings: Findings) -> None:
    """Whatever a provider answers, the client gets an answer and the gateway lives."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
    for number, row in enumerate(rows):
        event = b"data: " + row.text.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n\n"
        usage = b'{"usage":' + row.text + b"}"
        ways: tuple[tuple[bool, list[Step]], ...] = (
            (False, [answer(row.text)]),
            (False, [answer(usage)]),
            (True, [head + event + b"data: " + usage.replace(b"\n", b" ") + b"\n\ndata: [DONE]\n\n", "close"]),
        )
        for way, (streamed, steps) in enumerate(ways):
            findings.counts["fed"] += 1
            model = f"{number}-{way}"
            stand.scripted.replies[model] = steps
            with raw.Wire(stand.gateway.host, stand.gateway.port) as wire:
                wire.send(raw.request(raw.chat(f"scripted/{model}", stream=streamed), key=KEY))
                found = wire.answer()
            if found.status not in (200, 502) or found.ending != "whole":
                findings.add("crash", f"answer {row.name}: {found}")


def check(folder: Path, stand: Stand) -> Findings:
    """Everything under ``folder``; ends with the gateway's own books, which show a crash that no answer showed."""
    findings = Findings()
    workers = processes(stand)
    check_llhttp(stand, read_rows(folder / "http-framing" / "llhttp-requests.jsonl"), findings)
    lines = read_rows(folder / "http-framing" / "te-header-mutations.jsonl")
    check_mutations(stand, [(row["name"], base64.b64decode(row["header_b64"])) for row in lines], findings)
    rows = corpus_json.load_rows(folder)
    check_json_requests(stand, rows, findings)
    check_json_answers(stand, rows, findings)
    finish(stand, workers, findings)
    return findings


def finish(stand: Stand, workers: str, findings: Findings) -> None:
    """Compare the processes with those at the start, close the books, stop the gateway."""
    if processes(stand) != workers:
        findings.add("crash", f"a process was replaced:\n{stand.gateway.output}")
    try:
        check_books(stand.gateway)
    except AssertionError as error:
        findings.add("crash", f"the books: {error}")


def processes(stand: Stand) -> str:
    pid = stand.gateway.process.pid
    return Path(f"/proc/{pid}/task/{pid}/children").read_text()


def read_rows(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines() if line]


def complaints(folder: Path) -> list[str]:
    """Start a gateway, feed it everything, print the counts; the findings, empty when all is well."""
    with standing() as stand:
        findings = check(folder, stand)
    print("wire:", ", ".join(f"{name} {count}" for name, count in findings.counts.items()))
    return findings.texts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dir", type=Path)
    texts = complaints(parser.parse_args().dir)
    print("\n".join(texts), end="\n" if texts else "")
    return 1 if texts else 0


if __name__ == "__main__":
    sys.exit(main())
