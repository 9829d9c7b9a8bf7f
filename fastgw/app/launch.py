"""What the processes of one gateway have in common: the source of its configuration and what the supervisor hands down.

All of it is made before the first fork, so a worker that is started again finds the same sockets, counters and clock base.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import msgspec

from fastgw._native.counter_map import CounterMap
from fastgw.config.load import load
from fastgw.config.root import Settings
from fastgw.domain.errors import ConfigError
from fastgw.telemetry.stats_page import StatsPage

SUPERVISOR_ROW = 0
BOOKKEEPER_ROW = 1
WORKER_ROWS = 2
"""Rows of the statistics page; worker N has row ``WORKER_ROWS + N``."""


@dataclass(frozen=True)
class Source:
    """Where the configuration comes from: a file, or a text that was made up at start. ``env`` resolves its secrets, ``workers``
    is what the command line says instead of the text."""

    path: Path | None
    text: str
    env: Mapping[str, str] = field(repr=False)
    base_dir: Path
    workers: int | None = None

    def settings(self, text: str) -> Settings:
        """Read and check a text of this source.

        Raises:
            ConfigError: it is refused whole.
        """
        return self.overridden(load(text, self.env, self.base_dir))

    def overridden(self, settings: Settings) -> Settings:
        """Settings as the command line wants them."""
        if self.workers is None:
            return settings
        server = msgspec.structs.replace(settings.server, workers=self.workers)
        return msgspec.structs.replace(settings, server=server)


@dataclass
class Inheritance:
    """Handed from the supervisor to each child at the fork."""

    source: Source
    settings: Settings
    text: str
    listening: list[socket.socket]
    stats: StatsPage
    counters: CounterMap
    id_base_ns: int = 0
    admin_token: str = field(default="", repr=False)


class Control:
    """One end of the line between the supervisor and a child: JSON messages, one a line, at most 64 MiB."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._received = b""

    @staticmethod
    def pair() -> tuple[Control, Control]:
        """Supervisor's end and child's end."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        return Control(ours), Control(theirs)

    def send(self, **message: object) -> None:
        """Send a message; a line that is broken is not an error, its loss is noticed elsewhere."""
        self.sock.settimeout(5)
        try:
            self.sock.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            return

    def take(self, data: bytes) -> list[dict[str, object]]:
        """The complete messages in what was received so far."""
        *lines, self._received = (self._received + data).split(b"\n")
        return [json.loads(line) for line in lines if line]

    def receive(self, timeout_s: float) -> list[dict[str, object]] | None:
        """Wait for messages; None when the other side is gone."""
        self.sock.settimeout(timeout_s)
        try:
            data = self.sock.recv(1 << 16)
        except (TimeoutError, BlockingIOError):
            return []
        except OSError:
            return None
        return self.take(data) if data else None

    def close(self) -> None:
        """Hang up."""
        self.sock.close()


def text_digest(text: str) -> int:
    """What tells one configuration from another, in 62 bits; never 0."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) >> 2 | 1


def read_text(path: Path) -> str:
    """The file's text.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), f"expected a readable UTF-8 file: {error}") from None


def listen(settings: Settings, count: int) -> list[socket.socket]:
    """A listening socket for each worker, on one port. They stay open in the supervisor, so that connections that wait in the
    queue of a worker that died are served by its successor.

    Raises:
        ConfigError: the address cannot be bound.
    """
    address = settings.server.address
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sockets: list[socket.socket] = []
    port = address.port
    try:
        # Without SO_REUSEPORT first: two gateways that silently share a port would each see half of the calls.
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address.host, port))
            port = probe.getsockname()[1]
        for _ in range(count):
            sock = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.bind((address.host, port))
            sock.listen(4096)
    except OSError as error:
        for sock in sockets:
            sock.close()
        raise ConfigError(
            "server.listen",
            f"expected an address that can be bound, got {settings.server.listen}: {os.strerror(error.errno or 0)}",
        ) from None
    return sockets
