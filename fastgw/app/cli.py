"""The command line: arguments in, exit code out."""

from __future__ import annotations

import argparse
import logging
import os
import sqlite3
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from fastgw import __version__
from fastgw.domain.errors import ConfigError
from fastgw.domain.operation import OPERATIONS
from fastgw.front.config import MAX_WORKERS
from fastgw.ledger.report import spend_report, verify_report

DEFAULT_CONFIG = "fastgw.toml"
DEMO_PORT = 8787
_IMPORT_HELP = "limits, keys and models of another gateway to fastgw.toml: TrueFoundry's manifests, LiteLLM's files"
_UNITS_S = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 0 is success, 1 a refusal or a finding, 2 wrong usage, 3 an import that left something out."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        code: int = arguments.run(arguments)
    except ConfigError as error:
        print(f"fastgw: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 0
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fastgw", description="An LLM gateway: identity, limits, prices and a ledger in front of providers."
    )
    parser.add_argument("--version", action="version", version=f"fastgw {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="run the gateway; SIGHUP or a changed file reloads, SIGTERM drains")
    serve.add_argument(
        "--config",
        type=Path,
        help=f"configuration file (default: $FASTGW_CONFIG, else ./{DEFAULT_CONFIG} if it is there)",
    )
    serve.add_argument(
        "--demo", action="store_true", help="serve a built-in mock provider: no key and no network needed"
    )
    serve.add_argument(
        "--port", type=_port, help=f"of the demo, its admin listener has the next one; 0: any (default {DEMO_PORT})"
    )
    serve.add_argument(
        "--workers", type=_worker_count, help="processes that serve traffic (default: the file's, else 1)"
    )
    serve.set_defaults(run=_serve)

    check = commands.add_parser("check", help="everything `serve` would check, without sockets")
    check.add_argument("file", type=Path)
    check.set_defaults(run=_check)

    explain = commands.add_parser(
        "explain", help="which rules match a call, which govern, what refuses; no call is made"
    )
    explain.add_argument("--config", type=Path, help="configuration file, as for `serve`")
    explain.add_argument("--key", required=True, help="the name of a key")
    explain.add_argument("--model", required=True)
    explain.add_argument("--user", default="", help="the end user, as x-fastgw-user says it")
    explain.add_argument("--metadata", action="append", default=[], metavar="NAME=VALUE")
    explain.add_argument("--operation", default="chat", choices=OPERATIONS)
    explain.set_defaults(run=_explain)

    test = commands.add_parser("test", help="declared cases against the limits of a configuration")
    test.add_argument("file", type=Path, help="[[cases]]: caller, model, metadata, what is used; and what is expected")
    test.add_argument("--config", type=Path, help="configuration file (default: `config` in FILE, else as for `serve`)")
    test.set_defaults(run=_test)

    _add_import(commands.add_parser("import", help=_IMPORT_HELP))

    spend = commands.add_parser("spend", help="the ledger as a table")
    _add_ledger_choice(spend)
    spend.add_argument("--by", default="key,target", help="fields to group by, or metadata.<name>; default %(default)s")
    spend.add_argument("--since", default="30d", help="how far back: 15m, 24h, 7d, 4w or `all`; default %(default)s")
    layout = spend.add_mutually_exclusive_group()
    layout.add_argument("--json", dest="layout", action="store_const", const="json")
    layout.add_argument("--csv", dest="layout", action="store_const", const="csv")
    spend.set_defaults(run=_spend, layout="table")

    ledger = commands.add_parser("ledger", help="operations on the ledger").add_subparsers(
        required=True, metavar="OPERATION"
    )
    verify = ledger.add_parser("verify", help="check the database, its rows and the journal")
    _add_ledger_choice(verify)
    verify.set_defaults(run=_verify)

    mock = commands.add_parser(
        "mock-provider", help="a mock of the OpenAI and Anthropic dialects, with faults on demand", add_help=False
    )
    mock.add_argument("rest", nargs=argparse.REMAINDER)
    mock.set_defaults(run=_mock)
    return parser


def _add_import(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="YAML or JSON; several of one gateway make one"
    )
    command.add_argument("-o", "--output", type=Path, help="where to write (default: standard output)")
    command.add_argument("--force", action="store_true", help="replace a file that is there")
    command.add_argument("--allow-partial", action="store_true", help="exit 0 though something was left out, not 3")
    command.set_defaults(run=_import)


def _add_ledger_choice(command: argparse.ArgumentParser) -> None:
    choice = command.add_mutually_exclusive_group()
    choice.add_argument("--config", type=Path, help="the configuration whose ledger is read")
    choice.add_argument("--ledger", type=Path, metavar="DATABASE", help="the ledger's database itself")


def _worker_count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_WORKERS:
        raise argparse.ArgumentTypeError(f"expected 1 to {MAX_WORKERS}, got {text!r}")
    return int(text)


def _port(text: str) -> int:
    """Below 65,535, because the admin listener takes the next one."""
    if not text.isascii() or not text.isdecimal() or int(text) >= 65_535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65534, got {text!r}")
    return int(text)


def config_path(given: Path | None) -> Path | None:
    """The configuration file: the argument, ``$FASTGW_CONFIG``, or the one in the working directory; None when there is none."""
    if given is not None:
        return given
    if named := os.environ.get("FASTGW_CONFIG"):
        return Path(named)
    default = Path(DEFAULT_CONFIG)
    return default if default.exists() else None


def _serve(arguments: argparse.Namespace) -> int:
    from fastgw.app.serve import serve

    if arguments.demo:
        port = DEMO_PORT if arguments.port is None else arguments.port
        return serve(None, demo_port=port, workers=arguments.workers, env=os.environ)
    if arguments.port is not None:
        print("fastgw: --port goes with --demo; otherwise [server].listen says where", file=sys.stderr)
        return 2
    return serve(config_path(arguments.config), workers=arguments.workers, env=os.environ)


def _check(arguments: argparse.Namespace) -> int:
    from fastgw.app.serve import check

    print(check(arguments.file, os.environ))
    return 0


def _explain(arguments: argparse.Namespace) -> int:
    from fastgw.app.policy import Case, explain

    metadata = dict(pair.partition("=")[::2] for pair in arguments.metadata)
    case = Case(
        key=arguments.key, model=arguments.model, user=arguments.user, metadata=metadata, operation=arguments.operation
    )
    text, is_allowed = explain(config_path(arguments.config), case)
    print(text)
    return 0 if is_allowed else 1


def _test(arguments: argparse.Namespace) -> int:
    from fastgw.app.policy import run_cases

    text, passed = run_cases(arguments.file, arguments.config, config_path(None))
    print(text)
    return 0 if passed else 1


def _import(arguments: argparse.Namespace) -> int:
    from fastgw.app.importing import import_files

    return import_files(arguments.files, arguments.output, force=arguments.force, allow_partial=arguments.allow_partial)


def _database(arguments: argparse.Namespace) -> Path:
    from fastgw.app.serve import database_path

    if arguments.ledger is not None:
        found: Path = arguments.ledger
        return found
    return database_path(config_path(arguments.config))


def _spend(arguments: argparse.Namespace) -> int:
    since = arguments.since
    since_ns = None
    if since != "all":
        unit = _UNITS_S.get(since[-1:])
        if unit is None or not since[:-1].isdigit():
            print(f"fastgw: --since: expected 15m, 24h, 7d, 4w or all, got {since!r}", file=sys.stderr)
            return 2
        since_ns = time.time_ns() - int(since[:-1]) * unit * 1_000_000_000
    fields = [field for field in arguments.by.split(",") if field]
    path = _database(arguments)
    try:
        print(spend_report(path, fields, since_ns, None, arguments.layout))
    except ValueError as error:
        print(f"fastgw: --by: {error}", file=sys.stderr)
        return 2
    except sqlite3.Error as error:
        print(f"fastgw: {path}: {error}", file=sys.stderr)
        return 1
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    path = _database(arguments)
    try:
        text, sound = verify_report(path)
    except sqlite3.Error as error:
        print(f"fastgw: {path}: {error}", file=sys.stderr)
        return 1
    print(text)
    return 0 if sound else 1


def _mock(arguments: argparse.Namespace) -> int:
    from fastgw.mock_provider.server import main as mock_main

    return mock_main(arguments.rest)


if __name__ == "__main__":
    sys.exit(main())
