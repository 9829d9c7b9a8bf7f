"""A provider that answers with exactly the bytes a test gives it: for what no well-meaning mock can say.

The one invariant: it reads a whole request before it plays the reply that belongs to the request's model, and counts what came.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Sequence

import orjson

RESET_ON_CLOSE = b"\x01\x00\x00\x00\x00\x00\x00\x00"
Step = bytes | float | str
"""Bytes to send, seconds to wait, ``close`` or ``reset``. At the end of its steps a connection waits for the next request."""


class ScriptedProvider:
    """Listens on loopback; a thread a connection."""

    def __init__(self) -> None:
        self.replies: dict[str, Sequence[Step]] = {}
        self.seen: list[str] = []
        self.connections = 0
        self._open: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for sock in (self._listening, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received = b""
        try:
            while True:
                while b"\r\n\r\n" not in received:
                    received += self._more(sock)
                head, _, received = received.partition(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                while len(received) < length:
                    received += self._more(sock)
                body, received = received[:length], received[length:]
                model = orjson.loads(body)["model"]
                self.seen.append(model)
                if not self._play(sock, self.replies[model]):
                    return
        except (OSError, EOFError):
            return
        finally:
            sock.close()

    @staticmethod
    def _more(sock: socket.socket) -> bytes:
        data = sock.recv(65536)
        if not data:
            raise EOFError
        return data

    @staticmethod
    def _play(sock: socket.socket, steps: Sequence[Step]) -> bool:
        for step in steps:
            if isinstance(step, bytes):
                sock.sendall(step)
            elif isinstance(step, float):
                time.sleep(step)
            else:
                if step == "reset":
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                return False
        return True


def answer(body: bytes, *, status: str = "200 OK", kind: str = "application/json", length: int | None = None) -> bytes:
    """An answer with a length, which may be a lie."""
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {size}\r\n\r\n".encode() + body
