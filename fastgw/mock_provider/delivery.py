"""Puts an answer on the wire, byte by byte where a fault or a pace asks for it.

It writes to the connection's transport itself: aiohttp would refuse to send most faults. Its one invariant: the
:class:`Delivered` it keeps is true at every moment, also when the task is cancelled because the client went away, so
the bill can be written from it in a ``finally``.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from typing import Final, Literal

import msgspec
from aiohttp.abc import AbstractStreamWriter

from fastgw.mock_provider.answer import Answer
from fastgw.mock_provider.faults import Directives
from fastgw.mock_provider.raw_faults import BAD_CHUNK, GARBAGE, LAST_CHUNK, break_head, make_head

RST_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""``struct linger``: on, 0 seconds. Closing then sends RST (socket(7))."""
FLUSH_TURNS: Final = 500
FLUSH_TURN_S: Final = 0.002
SETTLE_S: Final = 0.02
"""How long sent bytes are given to be read before a RST, which may make the peer's kernel throw them away."""


class Delivered(msgspec.Struct):
    """How far an answer got.

    ``head_sent``: a well-formed head is out. ``whole``: everything is, and nothing was broken. ``paced_ns``: when the latest word
    became due, by ``perf_counter_ns``; it had not been sent before.
    """

    head_sent: bool = False
    words_sent: int = 0
    paced_ns: int = 0
    whole: bool = False
    keep_alive: bool = False


class Break(msgspec.Struct, frozen=True):
    """Where the body breaks off and how."""

    after_bytes: int
    how: Literal["cut", "stall", "reset"]


def find_break(directives: Directives) -> Break | None:
    """The earliest break the directives ask for."""
    breaks: list[Break] = []
    if directives.cut_after_bytes is not None:
        breaks.append(Break(directives.cut_after_bytes, "cut"))
    if directives.stall_after_bytes is not None:
        breaks.append(Break(directives.stall_after_bytes, "stall"))
    if directives.reset_after_bytes is not None:
        breaks.append(Break(directives.reset_after_bytes, "reset"))
    if directives.reset == "after_head":
        breaks.append(Break(0, "reset"))
    return min(breaks, key=lambda one: one.after_bytes) if breaks else None


class Delivery:
    """Sends one answer. ``http_1_0`` callers get no chunks; ``keep_alive`` is what the caller's request allows."""

    def __init__(
        self, writer: AbstractStreamWriter, transport: asyncio.Transport, *, http_1_0: bool, keep_alive: bool
    ) -> None:
        self.delivered = Delivered()
        self._writer = writer
        self._transport = transport
        self._http_1_0 = http_1_0
        self._keep_alive = keep_alive

    async def send(self, answer: Answer, fields: bytes, directives: Directives) -> None:
        """Send ``answer`` with the header lines ``fields`` under ``directives``.

        Ends early, without error, where a fault ends it.
        """
        if directives.slow_head_ms:
            await asyncio.sleep(directives.slow_head_ms / 1000)
        if directives.garbage:
            self._transport.write(GARBAGE)
            self._transport.close()
            return
        if directives.reset == "before_head":
            await self._reset()
            return
        self._pace_start_s = asyncio.get_running_loop().time() + directives.ttft_ms / 1000
        await self._send_once(answer, fields, directives)
        if directives.twice and self.delivered.whole:
            self.delivered.whole = False
            words_sent = self.delivered.words_sent
            await self._send_once(answer, fields, directives)
            self.delivered.words_sent = words_sent

    async def _send_once(self, answer: Answer, fields: bytes, directives: Directives) -> None:
        if not answer.streamed:
            await self._wait_for_word(sum(words for _, words in answer.pieces), directives)
        chunked = (answer.streamed or directives.malformed == "chunk") and not self._http_1_0
        length = None if answer.streamed or chunked else sum(len(data) for data, _ in answer.pieces)
        keep_alive = self._keep_alive and directives.close != "header" and (chunked or length is not None)
        head = make_head(answer.status, fields, length, chunked=chunked, close=not keep_alive)
        broken = find_break(directives)
        if length is not None and broken is None and not directives.chunk_bytes and directives.malformed is None:
            # The common case is one write: half of a load test's cost would be system calls.
            self._transport.write(head + b"".join(data for data, _ in answer.pieces))
            self.delivered.head_sent = True
            self.delivered.words_sent = sum(words for _, words in answer.pieces)
            self._finish(keep_alive=keep_alive and directives.close is None)
            return
        if directives.malformed is not None and directives.malformed.startswith("head"):
            self._transport.write(break_head(head, directives.malformed))
        else:
            self._transport.write(head)
            self.delivered.head_sent = True
        if broken is not None and length is not None:
            broken = Break(min(broken.after_bytes, max(0, length - 1)), broken.how)
        if await self._send_body(answer, directives, broken, chunked=chunked):
            if chunked:
                self._transport.write(LAST_CHUNK)
            self._finish(keep_alive=keep_alive and directives.close is None)

    async def _send_body(self, answer: Answer, directives: Directives, broken: Break | None, *, chunked: bool) -> bool:
        """Send the pieces; ``False`` when a break ended the answer."""
        sent_bytes = 0
        said = 0
        for data, words in answer.pieces:
            if answer.streamed:
                said += words
                await self._wait_for_word(said, directives)
            if broken is not None and sent_bytes + len(data) > broken.after_bytes:
                await self._send_piece(data[: broken.after_bytes - sent_bytes], directives, chunked=chunked)
                await self._break_off(broken, directives)
                return False
            await self._send_piece(data, directives, chunked=chunked)
            sent_bytes += len(data)
            self.delivered.words_sent += words
            if directives.malformed == "chunk":
                self._transport.write(BAD_CHUNK)
                self._transport.close()
                return False
        if broken is not None:
            await self._break_off(broken, directives)
        return broken is None

    async def _wait_for_word(self, word: int, directives: Directives) -> None:
        """Sleep until ``word`` words may have been said.

        Deadlines are absolute, so a late word does not delay the rest.
        """
        if directives.ttft_ms or directives.tps is not None:
            due_s = self._pace_start_s + (max(0, word - 1) / directives.tps if directives.tps else 0.0)
            delay_s = due_s - asyncio.get_running_loop().time()
            if delay_s > 0:
                await asyncio.sleep(delay_s)
        self.delivered.paced_ns = time.perf_counter_ns()

    async def _send_piece(self, data: bytes, directives: Directives, *, chunked: bool) -> None:
        """Write ``data`` framed, then let the loop turn so that it is a segment of its own (unless ``burst``)."""
        size = directives.chunk_bytes or len(data)
        for start in range(0, len(data), size or 1):
            part = data[start : start + size]
            self._transport.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
            if not directives.burst:
                await asyncio.sleep(0)
        await self._writer.drain()

    async def _break_off(self, broken: Break, directives: Directives) -> None:
        if broken.how == "reset":
            await self._reset()
            return
        if broken.how == "stall":
            await asyncio.sleep(directives.stall_ms / 1000)
        self._transport.close()

    async def _reset(self) -> None:
        """Close with RST after what was written has left this process."""
        for _ in range(FLUSH_TURNS):
            if not self._transport.get_write_buffer_size():
                break
            await asyncio.sleep(FLUSH_TURN_S)
        await asyncio.sleep(SETTLE_S)
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
        self._transport.abort()

    def _finish(self, *, keep_alive: bool) -> None:
        self.delivered.whole = True
        self.delivered.keep_alive = keep_alive
