"""The line between processes, the listening sockets, and where settings come from."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from fastgw.app.launch import Control, Source, listen, read_text
from fastgw.config.root import Settings
from fastgw.domain.errors import ConfigError
from tests.unit.app.settings_text import ENV, PROVIDER_AND_KEY

TEXT = (
    """
[server]
listen = "{address}"
workers = 2
"""
    + PROVIDER_AND_KEY
)


def settings_at(address: str) -> Settings:
    return Source(None, "", ENV, Path()).settings(TEXT.format(address=address))


def test_messages_arrive_whole_whatever_the_pieces() -> None:
    control, other = Control.pair()
    with control.sock, other.sock:
        assert control.receive(0) == []
        data = b'{"ready":true,"last_id":5}\n{"reload":"a\\nb"}\n'
        for place in range(len(data)):
            other.sock.sendall(data[place : place + 1])
            found = control.receive(5)
            if place == data.index(b"\n"):
                assert found == [{"ready": True, "last_id": 5}]
            elif place == len(data) - 1:
                assert found == [{"reload": "a\nb"}]
            else:
                assert found == []


def test_what_is_sent_is_received_and_a_hang_up_is_told() -> None:
    control, other = Control.pair()
    control.send(reload="x" * 100_000)
    text = ""
    while not text:
        text = "".join(str(message["reload"]) for message in other.receive(5) or ())
    assert text == "x" * 100_000
    control.close()
    assert other.receive(5) is None
    other.send(ready=True)  # to nobody: not an error
    other.close()


def test_a_file_is_read_or_named(tmp_path: Path) -> None:
    path = tmp_path / "fastgw.toml"
    with pytest.raises(ConfigError, match="expected a readable UTF-8 file"):
        read_text(path)
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"fastgw\.toml"):
        read_text(path)
    path.write_text("# é", encoding="utf-8")
    assert read_text(path) == "# é"


def test_the_command_line_outlives_a_reload() -> None:
    text = TEXT.format(address="127.0.0.1:0")
    assert Source(None, text, ENV, Path()).settings(text).server.workers == 2
    source = Source(None, text, ENV, Path(), workers=5)
    assert source.settings(text).server.workers == 5
    assert source.settings(text.replace("workers = 2", "drain_s = 3")).server.workers == 5
    with pytest.raises(ConfigError):
        source.settings(text.replace("workers = 2", "workers = 0"))


def test_the_environment_is_not_shown() -> None:
    assert ENV["K"] not in repr(Source(None, "", ENV, Path()))


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_every_worker_has_a_socket_on_the_one_port(host: str) -> None:
    sockets = listen(settings_at(f"{host}:0"), 3)
    try:
        (port,) = {sock.getsockname()[1] for sock in sockets}
        assert len({sock.fileno() for sock in sockets}) == 3
        for _ in range(20):
            with socket.create_connection((host.strip("[]"), port), timeout=5):
                pass
    finally:
        for sock in sockets:
            sock.close()


def test_a_port_is_not_shared_with_another_gateway() -> None:
    sockets = listen(settings_at("127.0.0.1:0"), 1)
    before = len(os.listdir("/proc/self/fd"))
    try:
        address = f"127.0.0.1:{sockets[0].getsockname()[1]}"
        with pytest.raises(ConfigError, match=rf"server\.listen.*{address}: Address already in use"):
            listen(settings_at(address), 2)
        assert len(os.listdir("/proc/self/fd")) == before
    finally:
        sockets[0].close()


def test_connections_wait_for_the_successor_of_a_worker() -> None:
    (sock,) = listen(settings_at("127.0.0.1:0"), 1)
    with sock, socket.create_connection(sock.getsockname(), timeout=5) as client:
        client.sendall(b"hello")
        pid = os.fork()  # the successor: nobody accepted before it was there
        if pid == 0:
            connection, _ = sock.accept()
            connection.sendall(connection.recv(16).upper())
            os._exit(0)
        assert client.recv(16) == b"HELLO"
        assert os.waitpid(pid, 0)[1] == 0
