"""Mutation fuzzer for the native HTTP parsers and writer: only declared errors, and no split changes an answer.

Run it under the sanitiser build, with libasan preloaded: ``python tests/fuzz/fuzz_http.py --seconds 60``. Every round
is a function of (seed, round number), both printed when a round fails.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

from fastgw._native.errors import HttpLimitError, HttpSyntaxError
from fastgw._native.http_body import BodyReader, body_reader
from fastgw._native.http_head import MessageHead, parse_request_head, parse_response_head
from fastgw._native.http_write import HeaderFilter, header_line, write_chunk, write_request, write_response

LENGTH = 40
ASKED, ANSWERED = b" HTTP/1.1\r\nHost: api.example:443\r\n", b"HTTP/1.1 200 OK\r\nServer: x\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
SEEDS = [
    b"POST /v1/x?a=b" + ASKED + b"Content-Length: 5\r\nConnection: x-a, close\r\nX-A: b\r\n\r\nhello",
    b"POST /v1/x" + ASKED + b"Expect: 100-continue\r\nX-Obs: \xff\r\nContent-Length: 0\r\n\r\n",
    b"PUT /" + ASKED + CHUNKED + b'\r\n5;a=b;c="d\\""\r\nhello\r\n0\r\nVary: x\r\n\r\n',
    b"\r\nOPTIONS * HTTP/1.0\r\nHost: [::1]:80\r\nConnection: keep-alive\r\nX-Empty:\r\n\r\n",
    ANSWERED + CHUNKED + b"Content-Type: text/event-stream\r\n\r\n1\r\nx\r\nA\r\n0123456789\r\n0\r\n\r\n",
    b"HTTP/1.1 429 Too Many\xff\r\nRetry-After: 1\r\nContent-Length: 12\r\nSet-Cookie: a\r\n\r\nrate limited",
    b"HTTP/1.0 200\r\nServer: x\r\n\r\nuntil the end",
    b"HTTP/1.1 204 None\r\nContent-Length: 0\r\n\r\n",
]
PIECES = [
    *(
        b"\r\n",
        b"\r",
        b"\n",
        b"\x00",
        b" ",
        b"\t",
        b":",
        b",",
        b";",
        b"=",
        b'"',
        b"\\",
        b"#",
        b"_",
        b"\x7f",
        b"\xff",
        b"0",
        b"f",
        b"8",
    ),
    *(
        b"Content-Length: 1\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"Host: a\r\n",
        b"chunked",
        b"HTTP/1.1",
    ),
    *(
        b"9223372036854775807",
        b"7fffffffffffffff",
        b"X: " + b"y" * 300 + b"\r\n",
        b"a:b\r\n" * 40,
        b"1;" + b"a" * 600 + b"\r\n",
    ),
]
DROP = HeaderFilter([b"x-obs", b"server"], [b"x-e"])


def mutate(rng: random.Random, text: bytes) -> bytes:
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(text) + 1)
        kind = rng.randrange(5)
        if kind == 0:
            text = text[:at] + rng.choice(PIECES) + text[at:]
        elif kind == 1:
            text = text[:at] + text[at + rng.randrange(1, 4) :]
        elif kind == 2:
            text = text[:at] + bytes([rng.randrange(256)]) + text[at + 1 :]
        elif kind == 3:
            source = rng.choice(SEEDS)
            begin = rng.randrange(len(source))
            text = text[:at] + source[begin : begin + LENGTH] + text[at:]
        else:
            text = text[:at]
    return text


def read_body(reader: BodyReader, pieces: list[bytes]) -> tuple[bytes, int, bool] | tuple[str, int]:
    payload, consumed = b"", 0
    try:
        for piece in pieces:
            data, used = reader.feed_bytes(piece)
            assert used == len(piece) or reader.done, "bytes left over in an open body"
            assert len(data) <= used <= len(piece), "more payload than was consumed"
            payload += data
            consumed += used
    except (HttpSyntaxError, HttpLimitError) as error:
        return str(error), error.status
    assert reader.received_bytes == len(payload), "received_bytes is not the payload"
    return payload, consumed, reader.done


def pieces_of(rng: random.Random, text: bytes) -> list[bytes]:
    places = sorted(rng.randrange(len(text) + 1) for _ in range(rng.randrange(6)))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


def parse(text: bytes, *, answer: bool, limit: int, headers: int = 20) -> MessageHead | tuple[str, int] | None:
    try:
        if answer:
            return parse_response_head(text, 0, limit, headers)
        return parse_request_head(text, 0, limit, headers)
    except (HttpSyntaxError, HttpLimitError) as error:
        return str(error), error.status


def same(first: MessageHead | tuple[str, int] | None, second: MessageHead | tuple[str, int] | None) -> bool:
    if isinstance(first, MessageHead) and isinstance(second, MessageHead):
        return first.header_items() == second.header_items() and first.size_bytes == second.size_bytes
    return first == second


def check_written(head: MessageHead, body: bytes, *, answer: bool) -> None:
    """A forwarded head is read back, with one framing header at most."""
    if answer:
        again = parse(
            write_response(200, head, DROP, b"", len(body), False, True, body), answer=True, limit=99999, headers=99
        )
    else:
        fixed = header_line(b"host", b"a")
        again = parse(write_request(b"POST", b"/", fixed, head, DROP, body), answer=False, limit=99999, headers=99)
    assert isinstance(again, MessageHead), f"a written head is refused: {again}"
    assert again.content_length == len(body), "a written length is read differently"


def play(seed: int, number: int) -> None:
    rng = random.Random(f"{seed}/{number}")
    text = mutate(rng, rng.choice(SEEDS))
    answer = text.startswith(b"HTTP/") if rng.random() < 0.95 else rng.random() < 0.5
    limit = rng.choice((65536, 100))
    whole = parse(text, answer=answer, limit=limit)
    cuts = (
        range(len(text) + 1)
        if rng.random() < 0.2
        else sorted({rng.randrange(len(text) + 1) for _ in range(4)} | {len(text)})
    )
    first = next((found for cut in cuts if (found := parse(text[:cut], answer=answer, limit=limit)) is not None), None)
    assert same(first, whole), "a split changes the verdict on the head"
    if not isinstance(whole, MessageHead):
        return
    rest = text[whole.size_bytes :]
    write_chunk(rest)
    check_written(whole, rest, answer=answer)
    most = rng.choice((1 << 20, 7))
    try:
        results = [read_body(body_reader(whole, False, most), split) for split in ([rest], pieces_of(rng, rest))]
    except HttpLimitError:
        return
    assert results[0] == results[1], "a split changes the body"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--round", type=int, help="play only this one")
    options = parser.parse_args()
    if options.round is not None:
        play(options.seed, options.round)
        return
    end, number = time.monotonic() + options.seconds, 0
    while time.monotonic() < end:
        try:
            play(options.seed, number)
        except BaseException:
            sys.stderr.write(f"failed: --seed {options.seed} --round {number}\n")
            raise
        number += 1
    sys.stdout.write(f"{number} rounds, seed {options.seed}: clean\n")


if __name__ == "__main__":
    main()
