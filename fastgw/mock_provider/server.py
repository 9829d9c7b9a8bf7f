"""Starts and stops the mock: as a command, or inside a process that needs one.

It owns the listening socket and the signal handlers; what is served is :class:`fastgw.mock_provider.service.Service`.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import ssl
import sys
from collections.abc import Callable
from typing import Any, Final

import uvloop
from aiohttp import web

from fastgw.mock_provider.bill import Bill
from fastgw.mock_provider.service import Options, Service

MAX_BODY_BYTES: Final = 64 * 1024 * 1024
STOP_S: Final = 1.0
"""How long open answers may take to end once the mock is told to stop; then they are cut."""


class RunningMock:
    """A mock that listens. ``port`` is the real one when 0 was asked for."""

    def __init__(self, runner: web.ServerRunner, service: Service, url: str, port: int) -> None:
        self.url = url
        self.port = port
        self.service = service
        self._runner = runner

    @property
    def bill(self) -> Bill:
        return self.service.bill

    async def stop(self) -> None:
        """Stop listening, give open answers :data:`STOP_S` seconds, cut the rest."""
        await self._runner.cleanup()


def make_request(
    message: Any, payload: Any, protocol: Any, writer: Any, task: asyncio.Task[None], *, loop: asyncio.AbstractEventLoop
) -> web.BaseRequest:
    """aiohttp's request with our bound on the body; its own of 1 MiB is less than an image."""
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY_BYTES)


async def start(host: str, port: int, options: Options) -> RunningMock:
    """Listen on ``host:port`` (0: any free port). Raises :class:`OSError` when that is not possible."""
    service = Service(options)
    loop = asyncio.get_running_loop()

    def request_factory(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        return make_request(message, payload, protocol, writer, task, loop=loop)

    server = web.Server(
        service.handle,
        request_factory=request_factory,
        handler_cancellation=True,
        access_log=None,
        keepalive_timeout=600.0,
    )
    runner = web.ServerRunner(server, shutdown_timeout=STOP_S)
    await runner.setup()
    tls: ssl.SSLContext | None = None
    if options.tls_cert is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(options.tls_cert, options.tls_key)
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls, backlog=4096).start()
    except OSError:
        await runner.cleanup()
        raise
    listening = runner.addresses[0][1]
    shown = f"[{host}]" if ":" in host else host
    return RunningMock(runner, service, f"{'https' if tls else 'http'}://{shown}:{listening}", listening)


async def serve_until_signal(host: str, port: int, options: Options, say: Callable[[str], object]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    mock = await start(host, port, options)
    say(f"mock provider listening on {mock.url}\n")
    await stopping.wait()
    await mock.stop()


def parse_listen(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"expected HOST:PORT, got {text!r}")
    return host.strip("[]"), int(port)


def parse_rows(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, got {text!r}")
    return int(text)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fastgw mock-provider", description="A mock LLM provider (OpenAI, Anthropic)."
    )
    parser.add_argument("--listen", type=parse_listen, default=("127.0.0.1", 9000), metavar="HOST:PORT")
    parser.add_argument(
        "--require-key", action="append", default=[], metavar="KEY", help="serve this key only; repeatable"
    )
    parser.add_argument("--record", action="store_true", help="keep bodies and headers for GET /mock/requests")
    parser.add_argument("--rows", type=parse_rows, default=10_000, help="rows of the bill that are kept")
    parser.add_argument("--tls-cert", metavar="FILE")
    parser.add_argument("--tls-key", metavar="FILE")
    return parser


def main(argv: list[str]) -> int:
    """Run the command. 0 after SIGTERM or SIGINT, 1 when it cannot listen; bad arguments leave with argparse's 2."""
    parser = make_parser()
    arguments = parser.parse_args(argv)
    if (arguments.tls_cert is None) != (arguments.tls_key is None):
        parser.error("--tls-cert and --tls-key are given together or not at all")
    options = Options(
        require_keys=tuple(arguments.require_key),
        record=arguments.record,
        rows=arguments.rows,
        tls_cert=arguments.tls_cert,
        tls_key=arguments.tls_key,
    )
    host, port = arguments.listen

    def say(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve_until_signal(host, port, options, say))
    except (OSError, ssl.SSLError) as error:
        sys.stderr.write(f"mock provider: cannot listen on {host}:{port}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
