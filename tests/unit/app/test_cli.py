"""Arguments in, exit code out: which file, which ledger, and what a wrong argument says."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fastgw import __version__
from fastgw.app import serve as serve_module
from fastgw.app.cli import DEMO_PORT, config_path, main
from fastgw.domain.errors import ConfigError
from fastgw.ledger.writer import LedgerWriter
from tests.unit.app.settings_text import PROVIDER_AND_KEY


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No configuration of the machine takes part, and the log stays as it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FASTGW_CONFIG", raising=False)
    before = logging.getLogger().handlers[:], logging.getLogger().level
    yield
    logging.getLogger().handlers[:], logging.getLogger().level = before


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What ``serve`` was asked to do; it does nothing."""
    calls: list[dict[str, Any]] = []

    def fake(path: Path | None, **options: Any) -> int:
        calls.append({"path": path, **{name: value for name, value in options.items() if name != "env"}})
        return 0

    monkeypatch.setattr(serve_module, "serve", fake)
    return calls


def make_ledger(path: Path) -> Path:
    writer = LedgerWriter(path)
    writer.close()
    return path


def test_the_configuration_is_the_argument_then_the_variable_then_the_file_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert config_path(None) is None
    (tmp_path / "fastgw.toml").touch()
    assert config_path(None) == Path("fastgw.toml")
    monkeypatch.setenv("FASTGW_CONFIG", "named.toml")
    assert config_path(None) == Path("named.toml")
    assert config_path(Path("given.toml")) == Path("given.toml")


def test_limits_are_explained_and_tested(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "limits.toml"
    budget = '[[budgets]]\nid = "b"\nlimit_usd = 0\nwindow = "day"\nwhen = { metadata = { env = "dev" } }\n'
    config.write_text(PROVIDER_AND_KEY + budget)
    asked = ["explain", "--config", str(config), "--key", "k", "--model", "up/gpt-4o"]
    assert main(asked) == 0
    assert main([*asked, "--metadata", "env=dev"]) == 0  # it costs nothing: nobody knows its price
    assert "rule      b: governs" in capsys.readouterr().out
    assert main(["explain", "--config", str(config), "--key", "nobody", "--model", "m"]) == 1
    cases = tmp_path / "cases.toml"
    cases.write_text('config = "limits.toml"\n[[cases]]\nkey = "k"\nmodel = "up/x"\n')
    assert main(["test", str(cases)]) == 0
    cases.write_text('[[cases]]\nkey = "k"\nmodel = "up/x"\nexpect = "b"\n')
    assert main(["test", str(cases), "--config", str(config)]) == 1
    assert "FAIL  case 0" in capsys.readouterr().out


def test_serve_takes_its_file_and_workers(served: list[dict[str, Any]]) -> None:
    assert main(["serve", "--config", "a.toml", "--workers", "3"]) == 0
    assert served == [{"path": Path("a.toml"), "workers": 3}]


@pytest.mark.parametrize(("arguments", "port"), [([], DEMO_PORT), (["--port", "0"], 0), (["--port", "9000"], 9000)])
def test_the_demo_passes_every_configuration_by(
    served: list[dict[str, Any]], tmp_path: Path, arguments: list[str], port: int
) -> None:
    (tmp_path / "fastgw.toml").touch()
    assert main(["serve", "--demo", *arguments]) == 0
    assert served == [{"path": None, "demo_port": port, "workers": None}]


def test_a_port_without_the_demo_is_wrong_usage(
    served: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--port", "9000"]) == 2
    assert "--demo" in capsys.readouterr().err
    assert not served


@pytest.mark.parametrize("port", ["-1", "65535", "x", "٣"])
def test_a_port_out_of_range_is_wrong_usage(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--demo", f"--port={port}"])
    assert ended.value.code == 2
    assert "from 0 to 65534" in capsys.readouterr().err


def test_a_refused_configuration_is_one_line_and_exit_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any, **__: Any) -> int:
        raise ConfigError("server.listen", "expected an address")

    monkeypatch.setattr(serve_module, "serve", refuse)
    assert main(["serve"]) == 1
    assert capsys.readouterr().err == "fastgw: server.listen: expected an address\n"


def test_check_says_that_a_file_is_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ok.toml").write_text('[providers.p]\nkind = "openai"\nbase_url = "http://127.0.0.1:1/v1"\n')
    assert main(["check", "ok.toml"]) == 0
    assert "ok.toml: good. 1 providers" in capsys.readouterr().out
    (tmp_path / "ok.toml").write_text("[servr]\n")
    assert main(["check", "ok.toml"]) == 1
    assert "servr" in capsys.readouterr().err


def test_another_gateways_limits_are_imported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rule = "{id: a, limit_to: 5, unit: cost_per_day, colour: red}"
    (tmp_path / "theirs.yaml").write_text(f"type: gateway-budget-config\nrules: [{rule}]\n")
    assert main(["import", "theirs.yaml"]) == 3
    assert "[[budgets]]" in capsys.readouterr().out
    assert main(["import", "theirs.yaml", "-o", "ours.toml", "--allow-partial"]) == 0
    assert "left out: rules[0].colour" in capsys.readouterr().err
    assert main(["import", "theirs.yaml", "-o", "ours.toml"]) == 1
    assert "--force" in capsys.readouterr().err
    assert main(["import", "theirs.yaml", "-o", "ours.toml", "--force"]) == 3


def test_spend_reads_the_named_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = make_ledger(tmp_path / "x.db")
    assert main(["spend", "--ledger", str(ledger), "--json", "--since", "all"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["spend", "--ledger", str(tmp_path / "none.db")]) == 1
    assert "none.db" in capsys.readouterr().err


def test_spend_reads_the_ledger_of_a_configuration_without_its_secrets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_ledger(tmp_path / "mine.db")
    (tmp_path / "c.toml").write_text(
        f'[ledger]\nurl = "sqlite:{tmp_path}/mine.db"\n[providers.p]\nkind = "openai"\napi_key = "env:NOT_SET_HERE"\n'
    )
    assert main(["spend", "--config", "c.toml", "--csv"]) == 0
    assert capsys.readouterr().out.startswith("key,target,calls,")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["--since", "yesterday"], "--since"), (["--since", "d"], "--since"), (["--by", "x"], "--by")],
)
def test_a_question_that_makes_no_sense_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    ledger = make_ledger(tmp_path / "x.db")
    assert main(["spend", "--ledger", str(ledger), *arguments]) == 2
    assert named in capsys.readouterr().err


def test_verify_says_whether_the_ledger_is_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = make_ledger(tmp_path / "x.db")
    assert main(["ledger", "verify", "--ledger", str(ledger)]) == 0
    assert capsys.readouterr().out
    ledger.write_bytes(b"not a database" * 1000)
    assert main(["ledger", "verify", "--ledger", str(ledger)]) == 1


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"fastgw {__version__}\n"
