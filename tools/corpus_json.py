"""Feeds a public corpus of JSON texts to the request scanner: `python -m tools.corpus_json DIR`.

DIR holds `json-parsing/jsontestsuite.jsonl` (nst/JSONTestSuite, MIT), which stays outside of the project: one row a
text, with `name`, `expect` (accept, reject, either) and `b64`. Each text is sent as the body and as a member of a chat
body. The feeding is a callable from body to accepted or not, so that the same rows can go to a running gateway.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fastgw._native.errors import JsonSyntaxError
from fastgw._native.json_scan import MemberTable, scan_object

ROWS_FILE = Path("json-parsing") / "jsontestsuite.jsonl"
TABLE = MemberTable([b"model", b"messages", b"stream", b"max_tokens"])

Feed = Callable[[bytes], bool]


@dataclass(frozen=True)
class Row:
    """One text of the corpus."""

    name: str
    expect: str
    text: bytes


@dataclass(frozen=True)
class Case:
    """One body made of a row; `must_accept` None: either is right, if nothing crashes."""

    name: str
    body: bytes
    must_accept: bool | None


def load_rows(directory: Path) -> list[Row]:
    lines = (directory / ROWS_FILE).read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines if line]
    return [Row(f"{row['set']}/{row['name']}", row["expect"], base64.b64decode(row["b64"])) for row in rows]


def cases(rows: list[Row]) -> Iterator[Case]:
    """Both bodies of every row. A bare text that is not an object is no chat body, so acceptance is not asked of it."""
    verdicts = {"accept": True, "reject": False, "either": None}
    for row in rows:
        verdict = verdicts[row.expect]
        yield Case(f"{row.name} embedded", b'{"model":"m","messages":[],"x": %s}' % row.text, verdict)
        is_object = row.text.lstrip(b" \t\r\n").startswith(b"{")
        yield Case(f"{row.name} bare", row.text, verdict if is_object or verdict is False else None)


def scanned(body: bytes) -> bool:
    """The feed for this process: the scanner, with every error but its own let through."""
    try:
        scan_object(body, TABLE)
    except JsonSyntaxError:
        return False
    return True


def check(directory: Path, feed: Feed = scanned) -> list[str]:
    """One line a body that was accepted or refused wrongly."""
    failures = []
    for case in cases(load_rows(directory)):
        accepted = feed(case.body)
        if case.must_accept is not None and accepted != case.must_accept:
            failures.append(f"{case.name}: {'accepted' if accepted else 'refused'} {case.body[:80]!r}")
    return failures


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__)
        return 2
    directory = Path(arguments[0])
    failures = check(directory)
    print("\n".join(failures))
    print(f"json corpus: {2 * len(load_rows(directory))} bodies, {len(failures)} wrong")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
