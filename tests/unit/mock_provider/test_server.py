from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from fastgw.mock_provider.server import RunningMock, main, parse_listen, parse_rows, start
from fastgw.mock_provider.service import Options
from tests.unit.mock_provider.talk import CHAT, HELLO, encode_request, post, with_mock


def test_port_and_url_are_the_real_ones() -> None:
    async def talk(mock: RunningMock) -> tuple[str, int, int]:
        return mock.url, mock.port, (await post(mock, CHAT, HELLO)).status

    url, port, status = with_mock(talk)
    assert url == f"http://127.0.0.1:{port}"
    assert status == 200


def test_stop_cuts_what_does_not_end() -> None:
    async def run() -> tuple[bytes, str]:
        mock = await start("127.0.0.1", 0, Options())
        reader, writer = await asyncio.open_connection("127.0.0.1", mock.port)
        writer.write(
            encode_request(CHAT, {**HELLO, "stream": True}, {"x-mock": "stall_after_bytes=10,stall_ms=600000"})
        )
        received = await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(20):
            await mock.stop()
            received += await reader.read()
        writer.close()
        return received, mock.bill.rows()[0].state

    received, state = asyncio.run(run())
    assert received.endswith(b'\r\ndata: {"id\r\n')
    assert state == "cut"


def test_port_in_use_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["--listen", f"127.0.0.1:{taken.getsockname()[1]}"]) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_command_ends_with_0_on_a_signal(number: signal.Signals) -> None:
    argv = [sys.executable, "-m", "fastgw.mock_provider.server", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline().startswith("mock provider listening on http://127.0.0.1:")
        child.send_signal(number)
        out, err = child.communicate(timeout=20)
    assert (child.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize(
    "argv",
    [["--listen", "9000"], ["--listen", "h:99999"], ["--rows", "0"], ["--tls-cert", "only.pem"], ["--nothing"]],
)
def test_bad_arguments_leave_with_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_listen_and_rows_are_read() -> None:
    assert parse_listen("127.0.0.1:9000") == ("127.0.0.1", 9000)
    assert parse_listen("[::1]:0") == ("::1", 0)
    assert parse_rows("5") == 5
    with pytest.raises(argparse.ArgumentTypeError):
        parse_rows("-5")


def make_certificate(folder: Path) -> tuple[str, str]:
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(["openssl", *kind, *names, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


def test_tls(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    trust = ssl.create_default_context(cafile=cert)

    async def talk(mock: RunningMock) -> tuple[str, bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", mock.port, ssl=trust)
        writer.write(encode_request(CHAT, HELLO))
        answer = await reader.read()
        writer.close()
        return mock.url, answer

    url, answer = with_mock(talk, Options(tls_cert=cert, tls_key=key))
    assert url.startswith("https://")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_command_that_cannot_read_its_certificate_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--listen", "127.0.0.1:0", "--tls-cert", "/nowhere/cert", "--tls-key", "/nowhere/key"]) == 1
    assert "cannot listen" in capsys.readouterr().err
