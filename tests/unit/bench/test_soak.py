"""The soak's requests and its judgement."""

from __future__ import annotations

import json

import pytest

from bench.framing import MessageReader
from bench.measure import Footprint
from bench.soak import footprint_table, growth_verdicts, make_request

WORKER = Footprint(10, "python -m fastgw", 50_000_000, 40_000_000, 40, 4)
WRITER = Footprint(11, "python -m fastgw", 50_000_000, 40_000_000, 20, 2)


def test_requests_differ_as_promised() -> None:
    make = make_request("sk-1")
    messages = [MessageReader().feed(make(number))[0] for number in range(100, 120)]
    documents = [json.loads(message.body) for message in messages]
    assert [bool(document.get("stream")) for document in documents] == ([True] + [False] * 9) * 2
    assert [documents[1]["model"], documents[11]["model"]] == ["up/model-000000101", "up/model-000000111"]
    assert {document["model"] for document in (documents[0], *documents[2:10])} == {"up/gpt-4o-mini"}
    assert b"\r\nx-fastgw-user: user-102\r\n" in messages[2].head
    assert b'\r\nx-fastgw-metadata: {"run":"103"}\r\n' in messages[3].head
    assert all(b"\r\nx-request-id: soak-%d\r\n" % number in messages[number - 100].head for number in range(100, 120))


@pytest.mark.parametrize(("rss_bytes", "is_met"), [(52_000_000, True), (52_100_000, False), (40_000_000, True)])
def test_growth_counts_the_whole_tree(rss_bytes: int, is_met: bool) -> None:
    lines = growth_verdicts([WORKER, WRITER], [WORKER._replace(rss_bytes=rss_bytes), WRITER])
    assert [line.is_met for line in lines] == [is_met, True, True]


def test_a_leak_in_one_process_is_not_hidden_by_another() -> None:
    after = [WORKER._replace(descriptors=41, threads=3), WRITER._replace(descriptors=10, threads=3)]
    assert [line.is_met for line in growth_verdicts([WORKER, WRITER], after)] == [True, False, False]


def test_fewer_descriptors_than_before_are_fine() -> None:
    lines = growth_verdicts([WORKER], [WORKER._replace(descriptors=12, threads=1)])
    assert [line.is_met for line in lines] == [True, True, True]


def test_a_restarted_process_fails() -> None:
    (line,) = growth_verdicts([WORKER], [WORKER._replace(pid=12)])
    assert line.is_met is False


def test_footprint_table() -> None:
    lines = footprint_table([WORKER]).splitlines()
    assert lines[1].split()[-4:] == ["50.0", "40.0", "40", "4"]
