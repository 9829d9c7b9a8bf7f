"""Starting a gateway: with a file, without one, as a demo; and what is refused before anything is opened."""

from __future__ import annotations

import os
import re
import signal
import stat
import sys
from pathlib import Path

import httpx
import pytest

from fastgw.app import serve as serving
from fastgw.domain.errors import ConfigError
from tests.wire.processes import ROOT, Process, running

KEY = "sk-fgw-" + "s" * 40
TEXT = """
[server]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:{admin}"
[ledger]
url = "sqlite:{folder}/ledger.db"
[providers.up]
kind = "openai"
base_url = "http://127.0.0.1:9/v1"
{provider}
[[keys]]
name = "k"
secret = "env:K"
"""

SCRIPT = """
import os, sys
from pathlib import Path
import msgspec
from fastgw.app import demo, serve
from fastgw.app.cli import main
# Only the addresses differ from the real ones: this machine may serve something there.
discover = serve.discover
def discover_elsewhere(env):
    found = discover(env)
    server = msgspec.structs.replace(found.server, listen="127.0.0.1:0")
    admin = msgspec.structs.replace(found.admin, listen=f"127.0.0.1:{demo.free_port()}")
    return msgspec.structs.replace(found, server=server, admin=admin)
serve.discover = discover_elsewhere
os.chdir(sys.argv[1])
sys.exit(main(sys.argv[2:]))
"""


def write(folder: Path, provider: str = "", admin: int = 1) -> Path:
    path = folder / "fastgw.toml"
    path.write_text(TEXT.format(folder=folder, provider=provider, admin=admin))
    return path


def begin(folder: Path, *arguments: str, **env: str) -> list[object]:
    return [[sys.executable, "-c", SCRIPT, str(folder), *arguments], {"PYTHONPATH": str(ROOT), **env}]


def end(process: Process) -> None:
    process.signal(signal.SIGTERM)
    assert process.wait() == 0


def test_the_demo_serves_its_own_provider(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", SCRIPT, str(tmp_path), "serve", "--demo", "--port", "0", "--workers", "2"]
    with running(argv, {"TMPDIR": str(tmp_path)}) as process:
        url = process.wait_for(
            r"fastgw serves on (http\S+) with 2 worker\(s\); providers: demo-openai, demo-anthropic"
        ).group(1)
        lines = process.wait_for(r"try it:\n  curl (.*)\n  curl (.*)\n")
        assert re.search(rf"ledger: {tmp_path}/fastgw-demo-\w+/fastgw.db\n", process.output)
        assert re.search(r"admin token \(this run\): \S{32}", process.output)
        for line in lines.groups():
            address, credential, kind, body = re.fullmatch(r"(\S+) -H '(.*)' -H '(.*)' -d '(.*)'", line).groups()  # type: ignore[union-attr]
            assert address.startswith(url)
            headers = dict(pair.split(": ", 1) for pair in (credential, kind))
            answer = httpx.post(address, content=body, headers=headers, trust_env=False, timeout=10)
            assert answer.status_code == 200
            assert float(answer.headers["x-fastgw-cost-usd"]) > 0
        end(process)


def test_without_a_file_it_finds_providers_and_keeps_one_key(tmp_path: Path) -> None:
    keys = []
    for _ in range(2):
        argv = [sys.executable, "-c", SCRIPT, str(tmp_path), "serve"]
        with running(
            argv, {"OPENAI_API_KEY": "sk-" + "o" * 40, "ANTHROPIC_API_KEY": "", "FASTGW_CONFIG": ""}
        ) as process:
            process.wait_for(r"providers: openai\n")
            keys.append(process.wait_for(r"gateway key: (\S+)\n").group(1))
            end(process)
    assert keys[0] == keys[1] == (tmp_path / "fastgw.key").read_text().strip()
    assert stat.S_IMODE((tmp_path / "fastgw.key").stat().st_mode) == 0o600


def test_a_folder_that_takes_no_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the gateway's key cannot be kept there"):
        serving._own_key(tmp_path / "none" / "fastgw.key")


def test_check_says_what_would_be_served(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert serving.check(path, {"K": KEY}) == (
        f"{path}: good. 1 providers, 0 models, 1 keys; serves on 127.0.0.1:0 with 1 workers"
    )
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("provider", ['price_source = "nobody"', "max_idle_connections = 0.5", "price = { input = 1 }"])
def test_what_cannot_be_priced_or_read_is_refused_by_both(tmp_path: Path, provider: str) -> None:
    path = write(tmp_path, provider)
    with pytest.raises(ConfigError) as checked:
        serving.check(path, {"K": KEY})
    with pytest.raises(ConfigError) as served:
        serving.serve(path, workers=None, env={"K": KEY})
    assert str(checked.value) == str(served.value)
    assert list(tmp_path.iterdir()) == [path]


def test_a_ledger_is_found_without_the_secrets(tmp_path: Path) -> None:
    path = write(tmp_path, 'api_key = "env:NOT_SET_HERE"')
    assert "NOT_SET_HERE" not in os.environ
    assert serving.database_path(path) == tmp_path / "ledger.db"
    assert serving.database_path(None) == Path("fastgw.db")
    with pytest.raises(ConfigError):
        serving.database_path(tmp_path / "none.toml")
