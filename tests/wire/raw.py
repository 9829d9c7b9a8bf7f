"""A client that says exactly the bytes it is given and tells how an answer ended.

It reads answers by RFC 9112 in the plainest way and shares nothing with the gateway's parsers.
"""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

Ending = Literal["whole", "closed", "cut", "reset", "open"]
READ_S = 15.0


@dataclass
class Answer:
    """One answer.

    ``ending``: ``whole`` by its own framing, ``closed`` when only the end of the connection said so, ``cut`` when the
    connection ended before the framing did, ``reset`` when by RST, ``open`` when nothing more came in time.
    """

    status: int = 0
    reason: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    ending: Ending = "open"
    interim: list[int] = field(default_factory=list)

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The machine-readable code of an error, of either dialect."""
        error = self.json()["error"]
        found: str = error["details"]["error_code"] if "details" in error else error["code"]
        return found


class Wire:
    """One connection."""

    def __init__(self, host: str, port: int, *, receive_buffer_bytes: int = 0) -> None:
        self.sock = socket.socket()
        if receive_buffer_bytes:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.sock.settimeout(READ_S)
        try:
            self.sock.connect((host, port))
        except OSError:
            self.sock.close()
            raise
        self.received = b""
        self.ended: Literal["", "eof", "reset"] = ""

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        """Send; a peer that has closed already is no error here, its answer will tell."""
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return

    def end_writing(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Go away without a word: RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.sock.close()

    def more(self) -> bool:
        """Read what comes next; ``False`` at the end of the connection. Raises :class:`TimeoutError`."""
        if self.ended:
            return False
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            self.ended = "reset"
            return False
        if not data:
            self.ended = "eof"
            return False
        self.received += data
        return True

    def until(self, mark: bytes) -> bytes:
        """Everything up to and with ``mark``, which is left unread. Raises :class:`AssertionError` when it does not come."""
        while mark not in self.received:
            assert self.more(), (mark, self.received, self.ended)
        return self.received[: self.received.index(mark) + len(mark)]

    def rest(self, within_s: float = READ_S) -> bytes:
        """Everything until the connection ends."""
        ends_s = time.monotonic() + within_s
        while time.monotonic() < ends_s and self.more():
            pass
        return self.received

    def answer(self, *, to_head: bool = False) -> Answer:
        """The next final answer; ``to_head``: to a HEAD request, which has no body."""
        answer = Answer()
        try:
            while not self._head(answer):
                pass
            if to_head or answer.status in (204, 304):
                answer.ending = "whole"
            elif answer.headers.get("transfer-encoding") == "chunked":
                self._chunks(answer)
            elif "content-length" in answer.headers:
                self._sized(answer, int(answer.headers["content-length"]))
            else:
                self.rest()
                answer.body, self.received = self.received, b""
                answer.ending = "closed" if self.ended == "eof" else "reset"
        except TimeoutError:
            answer.ending = "open"
        except EOFError:
            answer.ending = "reset" if self.ended == "reset" else "cut"
        return answer

    def _line(self) -> str:
        while b"\r\n" not in self.received:
            if not self.more():
                raise EOFError
        line, _, self.received = self.received.partition(b"\r\n")
        return line.decode("latin-1")

    def _head(self, answer: Answer) -> bool:
        version, status, answer.reason = self._line().split(" ", 2)
        assert version in ("HTTP/1.1", "HTTP/1.0"), version
        answer.status = int(status)
        answer.headers = {}
        while line := self._line():
            name, colon, value = line.partition(": ")
            assert colon, line
            assert name.lower() not in answer.headers, line
            answer.headers[name.lower()] = value
        if answer.status < 200:
            answer.interim.append(answer.status)
            return False
        return True

    def _take(self, size: int, answer: Answer) -> None:
        while len(self.received) < size:
            if not self.more():
                answer.body += self.received
                raise EOFError
        answer.body += self.received[:size]
        self.received = self.received[size:]

    def _sized(self, answer: Answer, size: int) -> None:
        self._take(size, answer)
        answer.ending = "whole"

    def _chunks(self, answer: Answer) -> None:
        while size := int(self._line(), 16):
            self._take(size, answer)
            assert self._line() == ""
        while self._line():
            pass
        answer.ending = "whole"


def request(
    body: bytes | dict[str, Any],
    *,
    path: str = "/v1/chat/completions",
    key: str = "",
    headers: dict[str, str] | None = None,
    version: str = "1.1",
    method: str = "POST",
) -> bytes:
    """A request with a length. A header given in ``headers`` takes the place of the default one."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    fields = {"host": "wire.test", "content-type": "application/json", "content-length": str(len(data))}
    if key:
        fields["authorization"] = f"Bearer {key}"
    fields.update(headers or {})
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    return f"{method} {path} HTTP/{version}\r\n{lines}\r\n".encode("latin-1") + data


def chat(model: str = "mock-small", **members: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "hello there"}], **members}


def message(model: str = "mock-small", **members: Any) -> dict[str, Any]:
    return {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "hello there"}], **members}
