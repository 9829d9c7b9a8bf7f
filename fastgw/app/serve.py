"""Starting a gateway: find the configuration, check it, make what all processes share, and hand over to the supervisor."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections import UserDict
from collections.abc import Mapping
from pathlib import Path

import msgspec
import orjson

from fastgw.app import bookkeeper, worker
from fastgw.app.build import Pricing, price_book
from fastgw.app.counters import open_counters
from fastgw.app.demo import demo_text, free_port, mock_main
from fastgw.app.launch import WORKER_ROWS, Inheritance, Source, listen, read_text
from fastgw.app.supervisor import ChildMain, Supervisor
from fastgw.config.load import discover, load
from fastgw.config.root import Settings
from fastgw.domain.errors import ConfigError
from fastgw.identity.config import KeyRow
from fastgw.identity.secret import SecretText, new_secret
from fastgw.ledger.config import LedgerConfig
from fastgw.telemetry.stats_page import StatsPage

KEY_FILE = "fastgw.key"


def serve(path: Path | None, *, demo_port: int | None = None, workers: int | None, env: Mapping[str, str]) -> int:
    """Run a gateway until it is told to stop; returns the exit code. With ``demo_port`` it is the demo.

    Raises:
        ConfigError: it cannot be started as configured.
    """
    extra: dict[str, ChildMain] = {}
    shown_key = ""
    if demo_port is not None:
        source, shown_key, port = _demo_source(demo_port, workers or 1, env)
        extra["mock provider"] = mock_main(port)
        text, settings = source.text, source.settings(source.text)
    elif path is not None:
        text = read_text(path)
        source = Source(path.resolve(), text, env, path.resolve().parent, workers)
        settings = source.settings(text)
    else:
        text, settings = "", discover(env)
        source = Source(None, "", env, Path(), workers)
        shown_key = _own_key(settings.ledger.database_path.parent / KEY_FILE)
        own_keys = (KeyRow(name="default", secret=SecretText(shown_key, f"file:{KEY_FILE}")),)
        settings = source.overridden(msgspec.structs.replace(settings, keys=own_keys))
    check_prices(settings)
    token = settings.admin.token.reveal() if settings.admin.token is not None else secrets.token_urlsafe(24)
    inheritance = Inheritance(
        source=source,
        settings=settings,
        text=text,
        listening=listen(settings, settings.server.workers),
        stats=StatsPage(WORKER_ROWS + settings.server.workers),
        admin_token=token,
        counters=open_counters(settings),
    )

    def on_ready() -> None:
        print(_banner(inheritance, shown_key, demo=demo_port is not None), flush=True)

    return Supervisor(inheritance, bookkeeper.main, worker.main, extra).run(on_ready)


def check(path: Path, env: Mapping[str, str]) -> str:
    """What ``serve`` would say of a file, without opening a socket.

    Raises:
        ConfigError: it would be refused.
    """
    settings = load(path, env)
    check_prices(settings)
    return (
        f"{path}: good. {len(settings.providers)} providers, {len(settings.models)} models, {len(settings.keys)} keys; "
        f"serves on {settings.server.listen} with {settings.server.workers} workers"
    )


def check_prices(settings: Settings) -> None:
    """Compile all prices once, as every worker will.

    Raises:
        ConfigError: one cannot be used.
    """
    price_book()
    Pricing(settings)


def database_path(path: Path | None) -> Path:
    """The ledger of a configuration, read without its secrets.

    Raises:
        ConfigError: the file cannot be read.
    """
    if path is None:
        return LedgerConfig().database_path
    return load(path, AnySecret(os.environ)).ledger.database_path


class AnySecret(UserDict[str, str]):
    """An environment in which every name is set: looking at a ledger must not need the providers' keys. What it says can
    be a key as well as an address."""

    def __missing__(self, name: str) -> str:
        return f"https://unset.invalid/{name}-{secrets.token_hex(8)}"

    def __contains__(self, name: object) -> bool:  # type: ignore[explicit-override] # typing.override is Python 3.12's
        return True


def _demo_source(port: int, workers: int, env: Mapping[str, str]) -> tuple[Source, str, int]:
    mock_port = free_port()
    listen, admin_listen = f"127.0.0.1:{port}", f"127.0.0.1:{port + 1 if port else free_port()}"
    key = new_secret(secrets.token_bytes(24))
    folder = Path(tempfile.mkdtemp(prefix="fastgw-demo-"))
    text = demo_text(mock_port, listen, admin_listen, f"sqlite:{folder}/fastgw.db", workers)
    return Source(None, text, {**env, "FASTGW_DEMO_KEY": key}, folder), key, mock_port


def _own_key(path: Path) -> str:
    """The one key of a gateway without a configuration: made once, kept in a file that only its owner reads."""
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        key = new_secret(secrets.token_bytes(24))
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(key + "\n")
    except OSError as error:
        raise ConfigError(str(path), f"the gateway's key cannot be kept there: {error.strerror}") from None
    return key


def _banner(inheritance: Inheritance, key: str, *, demo: bool) -> str:
    settings = inheritance.settings
    host, port = inheritance.listening[0].getsockname()[:2]
    url = f"http://{host if ':' not in host else f'[{host}]'}:{port}"
    lines = [
        f"fastgw serves on {url} with {settings.server.workers} worker(s); providers: {', '.join(settings.providers)}"
    ]
    lines.append(f"admin on http://{settings.admin.address.host}:{settings.admin.address.port}")
    if settings.admin.token is None:
        lines.append(f"admin token (this run): {inheritance.admin_token}")
    lines.append(f"ledger: {settings.ledger.database_path}")
    if key:
        chat, message = ("mock-small", "mock-small") if demo else ("gpt-4o-mini", "claude-haiku-4-5")
        lines += [
            f"gateway key: {key}",
            "try it:",
            _curl(f"{url}/v1/chat/completions", f"authorization: Bearer {key}", chat),
            _curl(f"{url}/v1/messages", f"x-api-key: {key}", message, max_tokens=64),
        ]
    return "\n".join(lines)


def _curl(url: str, credential: str, model: str, **members: int) -> str:
    document = {"model": model, **members, "messages": [{"role": "user", "content": "hello"}]}
    return f"  curl {url} -H '{credential}' -H 'content-type: application/json' -d '{orjson.dumps(document).decode()}'"
