"""Mutation fuzzer of the event-stream splitter and filter: `python tests/fuzz/fuzz_sse.py --seconds 60 --seed 1`.

Looks for: errors other than the declared one, lost or doubled bytes, results that depend on the cuts, and differences
from the slow model. Standard library only.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from fastgw._native.errors import SseLimitError
from fastgw._native.sse_split import SseSplitter, SseTap, event_name, event_payload
from tests.model import sse_model

SEEDS = [
    b'data: {"choices":[{"delta":"a"}],"usage":null}\n\ndata: {"choices":[],"usage":{"a":1}}\n\ndata: [DONE]\n\n',
    b'event: message_start\r\ndata: {"message":{"usage":{"input_tokens":1}}}\r\n\r\nevent: ping\r\ndata: {}\r\n\r\n',
    b"\xef\xbb\xbf: hello\r\rdata: a\rdata:b\r\r\nid: 1\nretry: 5\n\ndata\n\n",
    b'data: {"choices":[{}],\ndata: "usage": {"a":\ndata: 1} , "x":0}\n\n',
]
TOKENS = [
    b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n", b"data: ", b"data:", b"data", b"event: x", b":", b"\xef\xbb\xbf",
    b"[DONE]", b'"usage":null',
    b'"usage":{"a":1}', b'"choices":[]', b",", b"{", b"}", b"[", b"]", b'"', b"\x00", b"\xff", b" ",
]  # fmt: skip
NEEDLES = [b'"usage":{', b"message_start"]


def mutate(random_: random.Random, data: bytes) -> bytes:
    stream = bytearray(data)
    for _ in range(random_.randint(0, 5)):
        at = random_.randint(0, len(stream))
        kind = random_.randrange(4)
        if kind == 0:
            stream[at:at] = random_.choice(TOKENS)
        elif kind == 1:
            del stream[at : at + random_.randint(1, 6)]
        elif kind == 2:
            stream[at:at] = stream[at : at + random_.randint(1, 60)] * 2
        else:
            stream[at : at + 1] = random_.choice(TOKENS)
    return bytes(stream[:1500])


def ways(random_: random.Random, stream: bytes) -> list[list[bytes]]:
    cut = random_.randint(0, len(stream))
    return [[stream], [stream[:cut], stream[cut:]], [stream[i : i + 1] for i in range(len(stream))]]


def check_splitter(random_: random.Random, stream: bytes, max_bytes: int) -> None:
    events, pending = sse_model.split(stream)
    over = [len(event) > max_bytes for event in [*events, pending]]
    expected = events[: over.index(True)] if True in over else events
    for way in ways(random_, stream):
        splitter, found, failed = SseSplitter(max_bytes), [], False
        try:
            for piece in [*way, b""]:
                found += splitter.feed(piece)
        except SseLimitError:
            failed = True
        assert (found, failed) == (expected, True in over)
        assert failed or b"".join(found) + splitter.take_pending() == stream
    for event in events:
        assert (event_name(event), event_payload(event)) == (sse_model.name(event), sse_model.payload(event))


def check_tap(random_: random.Random, stream: bytes, max_bytes: int, *, hide_usage: bool) -> None:
    expected = sse_model.relay(stream, NEEDLES, hide_usage=hide_usage, max_event_bytes=max_bytes)
    for way in ways(random_, stream):
        tap = SseTap(NEEDLES, hide_usage, max_bytes)
        forwarded = b"".join([tap.feed(piece) for piece in way]) + tap.finish()
        assert forwarded == expected.forwarded
        assert (tap.events, tap.data_bytes, tap.seen_done) == (expected.events, expected.data_bytes, expected.seen_done)
        captured = tap.take_captured()
        assert captured == expected.captured[len(expected.captured) - len(captured) :]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    random_ = random.Random(arguments.seed)
    end = time.monotonic() + arguments.seconds
    corpus, runs = list(SEEDS), 0
    while time.monotonic() < end:
        stream = mutate(random_, random_.choice(corpus))
        max_bytes = random_.choice([10, 60, 1 << 18])
        try:
            check_splitter(random_, stream, max_bytes)
            check_tap(random_, stream, max_bytes, hide_usage=False)
            check_tap(random_, stream, max_bytes, hide_usage=True)
        except BaseException:
            sys.stderr.write(f"seed {arguments.seed}, run {runs}, bound {max_bytes}: {stream!r}\n")
            raise
        if random_.randrange(50) == 0:
            corpus[len(SEEDS) :] = [*corpus[len(SEEDS) :], stream][-200:]
        runs += 1
    sys.stdout.write(f"fuzz_sse: {runs} streams, seed {arguments.seed}, no fault\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
