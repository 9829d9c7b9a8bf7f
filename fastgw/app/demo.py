"""``fastgw serve --demo``: a gateway on a built-in mock provider, so that everything works without a key and without a network."""

from __future__ import annotations

import asyncio
import socket

from fastgw.app.launch import Control, Inheritance
from fastgw.app.process import run
from fastgw.app.supervisor import ChildMain
from fastgw.domain.errors import ConfigError
from fastgw.mock_provider.bill import demo_prices
from fastgw.mock_provider.server import RunningMock, start
from fastgw.mock_provider.service import Options


def demo_text(port: int, listen: str, admin_listen: str, ledger_url: str, workers: int) -> str:
    """The demo's configuration: the mock's two dialects as two providers, at the mock's own prices."""
    parts = [
        f'[server]\nlisten = "{listen}"\nworkers = {workers}\n',
        f'[admin]\nlisten = "{admin_listen}"\n',
        f'[ledger]\nurl = "{ledger_url}"\n',
        f'[providers.demo-openai]\nkind = "openai"\nbase_url = "http://127.0.0.1:{port}/v1"\n',
        f'[providers.demo-anthropic]\nkind = "anthropic"\nbase_url = "http://127.0.0.1:{port}"\n',
        '[[teams]]\nname = "demo"\n',
        '[[keys]]\nname = "demo-key"\nteam = "demo"\nsecret = "env:FASTGW_DEMO_KEY"\n',
    ]
    for provider in ("demo-openai", "demo-anthropic"):
        for model, rates in demo_prices().items():
            rows = "".join(f'{unit} = "{usd}"\n' for unit, usd in rates.items())
            parts.append(f'[[prices]]\nprovider = "{provider}"\nmodels = ["{model}", "{model}+*"]\n{rows}')
    return "\n".join(parts)


def free_port() -> int:
    """A port of the loopback interface that is free now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def mock_main(port: int) -> ChildMain:
    """The main function of the child process that runs the mock provider on ``port``."""

    def main(inheritance: Inheritance, control: Control, slot: int) -> int:
        return run(lambda: _MockRole(port), control)

    return main


class _MockRole:
    """Implements ``process.Role``."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._mock: RunningMock | None = None

    async def start(self) -> dict[str, object]:
        """Listen."""
        try:
            self._mock = await start("127.0.0.1", self._port, Options())
        except OSError as error:
            raise ConfigError("demo", f"the mock provider cannot listen: {error.strerror}") from None
        return {}

    def reload(self, text: str) -> None:
        """The mock has no configuration."""

    async def stop(self) -> None:
        """End."""
        if self._mock is not None:
            async with asyncio.timeout(5):
                await self._mock.stop()
