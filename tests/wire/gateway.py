"""A gateway as real processes, in front of a mock provider: started from a configuration, its ledger read, stopped.

The one invariant: a gateway that was started here is gone when its block is left, after an orderly stop.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import sqlite3
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fastgw.domain.entry import LedgerEntry
from fastgw.ledger.schema import entry_of
from fastgw.mock_provider.bill import demo_prices
from tests.wire.processes import MockProvider, Process, ask, free_port, running

KEY = "fgw_wire_4yTb0qPz7mNcK2"
OTHER_KEY = "fgw_wire_other_9sVx1Lr8Qd"
NARROW_KEY = "fgw_wire_narrow_1aGh5Jk3Ty"
CREDENTIAL = "sk-upstream-canary-Zw8Rk2Vn"
SECRETS = {"FGW_KEY": KEY, "FGW_OTHER": OTHER_KEY, "FGW_NARROW": NARROW_KEY, "FGW_CREDENTIAL": CREDENTIAL}
"""What the configurations made here refer to. None of the values may ever be seen in a log or an answer."""

ROW_S = 10.0
STOP_S = 20.0


def server_section(**settings: float) -> str:
    """``[server]`` on a port of the system's choice."""
    lines = [f"{name} = {value}" for name, value in settings.items()]
    return "\n".join(['[server]\nlisten = "127.0.0.1:0"', *lines]) + "\n"


def provider_section(name: str, kind: str, base_url: str, **settings: float | str) -> str:
    """``[providers.NAME]`` with the canary credential."""
    lines = [f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}" for key, value in settings.items()]
    head = f'[providers.{name}]\nkind = "{kind}"\nbase_url = "{base_url}"\napi_key = "env:FGW_CREDENTIAL"\n'
    return head + "\n".join(lines) + "\n"


def mock_providers(mock: MockProvider, **settings: float) -> str:
    """Both dialects of ``mock`` as ``mock-openai`` and ``mock-anthropic``."""
    return provider_section("mock-openai", "openai", f"{mock.url}/v1", **settings) + provider_section(
        "mock-anthropic", "anthropic", mock.url, **settings
    )


def mock_prices(*providers: str) -> str:
    """The mock's own price list for each of ``providers``."""
    rows = []
    for provider in providers or ("mock-openai", "mock-anthropic"):
        for model, rates in demo_prices().items():
            prices = "".join(f'{unit} = "{usd}"\n' for unit, usd in rates.items())
            rows.append(f'[[prices]]\nprovider = "{provider}"\nmodels = ["{model}", "{model}+*"]\n{prices}')
    return "\n".join(rows)


KEYS = """
[[keys]]
name = "wire"
team = "testers"
secret = "env:FGW_KEY"
metadata = { suite = "wire" }

[[keys]]
name = "other"
secret = "env:FGW_OTHER"

[[keys]]
name = "narrow"
secret = "env:FGW_NARROW"
models = ["mock-large"]
"""

MODELS = """
[[models]]
name = "chat"
targets = [{ target = "mock-openai/mock-small" }]

[[models]]
name = "claude"
targets = [{ target = "mock-anthropic/mock-small" }]
"""


class Gateway:
    """A running gateway: where it is, what it wrote, and its processes."""

    def __init__(self, process: Process, folder: Path, config: Path, admin_port: int) -> None:
        self.process = process
        self.folder = folder
        self.config = config
        self.admin_port = admin_port
        found = process.wait_for(r"fastgw serves on http://127\.0\.0\.1:(\d+) ")
        self.host, self.port = "127.0.0.1", int(found.group(1))
        self.url = f"http://{self.host}:{self.port}"
        self.ledger = folder / "ledger.db"

    @property
    def output(self) -> str:
        return self.process.output

    def query(self, statement: str, *parameters: object) -> list[tuple[object, ...]]:
        """Rows of the ledger, read from outside while the gateway writes it."""
        with contextlib.closing(sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True, timeout=5)) as connection:
            return connection.execute(statement, parameters).fetchall()

    def entries(self, request_id: str) -> list[LedgerEntry]:
        """What is in the ledger now for calls that carried this ``x-request-id``."""
        columns = ", ".join(LedgerEntry.__struct_fields__)
        return [entry_of(row) for row in self.query(f"SELECT {columns} FROM entries WHERE request_id = ?", request_id)]

    def entry(self, request_id: str) -> LedgerEntry:
        """The one row of a call. Raises :class:`AssertionError` when there is none in time, or a second."""
        deadline_s = time.monotonic() + ROW_S
        while not (found := self.entries(request_id)):
            assert time.monotonic() < deadline_s, f"no row for {request_id}; output:\n{self.output}"
            time.sleep(0.02)
        assert len(found) == 1, found
        return found[0]

    def metrics(self) -> dict[str, float]:
        """The operators' page, added up by name."""
        _, page = ask(self.host, self.admin_port, "GET", "/metrics", self._admin())
        sums: dict[str, float] = {}
        for name, value in re.findall(r"^(\w+)(?:\{[^\n]*\})? (\S+)$", page.decode(), re.MULTILINE):
            sums[name] = sums.get(name, 0.0) + float(value)
        return sums

    def admin_json(self, path: str) -> Any:
        """What operators are told."""
        status, body = ask(self.host, self.admin_port, "GET", path, self._admin())
        assert status == 200, body
        return json.loads(body)

    def _admin(self) -> dict[str, str]:
        token = self.process.wait_for(r"admin token \(this run\): (\S+)\n").group(1)
        return {"authorization": f"Bearer {token}"}

    def stop(self) -> int:
        """Tell the first process to stop, as an operator would; its exit code."""
        if self.process.returncode is None:
            self.process.signal(signal.SIGTERM)
        return self.process.wait(STOP_S)


def gateway_argv(config: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "fastgw.app.cli", "serve", "--config", str(config), *options]


def write_config(folder: Path, text: str, admin_port: int) -> Path:
    """``text`` with a ledger and an operators' door of its own, as a file in ``folder``."""
    ledger = f'[ledger]\nurl = "sqlite:{folder}/ledger.db"\ndrain_interval_ms = 20\nsync = "os"\n'
    admin = f'[admin]\nlisten = "127.0.0.1:{admin_port}"\n'
    path = folder / "fastgw.toml"
    path.write_text(f"{text}\n{ledger}\n{admin}")
    return path


@contextlib.contextmanager
def running_gateway(folder: Path, text: str, *options: str, env: Mapping[str, str] | None = None) -> Iterator[Gateway]:
    """A gateway with the configuration ``text``; its ledger and file are in ``folder``."""
    admin_port = free_port()
    config = write_config(folder, text, admin_port)
    with running(gateway_argv(config, *options), {**SECRETS, **(env or {})}) as process:
        gateway = Gateway(process, folder, config, admin_port)
        yield gateway
        gateway.stop()


def check_books(gateway: Gateway) -> None:
    """What must hold after any traffic: each call settled once, nothing lost, nothing crashed, no secret shown."""
    deadline_s = time.monotonic() + ROW_S
    while True:
        metrics = gateway.metrics()
        ((rows,),) = gateway.query("SELECT count(*) FROM entries")
        if metrics["fastgw_in_flight"] == 0 and metrics.get("fastgw_calls_total", 0) == rows:
            break
        assert time.monotonic() < deadline_s, (metrics, rows)
        time.sleep(0.1)
    assert metrics["fastgw_internal_error_total"] == 0, gateway.output
    assert metrics["fastgw_journal_lost_total"] == 0
    assert gateway.query("SELECT request_id FROM entries WHERE outcome <> 'settled'") == []
    assert gateway.query("SELECT request_id FROM entries GROUP BY request_id HAVING count(*) > 1") == []
    assert gateway.stop() == 0, gateway.output
    assert "Traceback" not in gateway.output, gateway.output
    for name, secret in SECRETS.items():
        assert secret not in gateway.output, name


def fresh_id() -> str:
    """A request id by which a test finds its own rows."""
    return f"wire-{uuid.uuid4().hex[:16]}"
