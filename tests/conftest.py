"""What every test run says about itself first, and how long property tests run."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

import pytest
from hypothesis import settings

from tests.crash_sentinel import begin_run, end_run, sentinel_folder

settings.register_profile("small", deadline=None, derandomize=False, max_examples=50)
settings.register_profile("long", deadline=None, derandomize=False, max_examples=2_000)
settings.load_profile(os.environ.get("FASTGW_HYPOTHESIS", "small"))

CRASHED = pytest.StashKey[list[int]]()


def stale_modules(root: Path) -> list[str]:
    """Compiled modules that are older than their source, which they hide."""
    found = []
    for compiled in root.glob("fastgw/*/*.so"):
        name = compiled.name.partition(".")[0]
        sources = [compiled.with_name(name + suffix) for suffix in (".py", ".pyx", ".pxd")]
        if any(source.exists() and source.stat().st_mtime > compiled.stat().st_mtime for source in sources):
            found.append(f"{compiled.parent.name}/{name}")
    return sorted(found)


def pytest_configure(config: pytest.Config) -> None:
    if stale := stale_modules(config.rootpath):
        pytest.exit(f"compiled before their source changed: {', '.join(stale)}; run `make build`", returncode=4)
    config.stash[CRASHED] = begin_run(sentinel_folder(config.rootpath), os.getpid())


def pytest_unconfigure(config: pytest.Config) -> None:
    end_run(sentinel_folder(config.rootpath), os.getpid())


def describe_crash(config: pytest.Config) -> str | None:
    crashed = config.stash[CRASHED]
    if not crashed:
        return None
    pids = ", ".join(map(str, crashed))
    return f"!!! AN EARLIER TEST RUN DID NOT END (pid {pids}): native code crashed, or the run was killed"


def pytest_report_header(config: pytest.Config) -> list[str]:
    build = f"native build: {os.environ.get('FASTGW_BUILD', 'release')}, compiler: {sysconfig.get_config_var('CC')}"
    crash = describe_crash(config)
    return [build] if crash is None else [build, crash]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    crash = describe_crash(config)
    if crash is not None:
        terminalreporter.write_line(crash, red=True, bold=True)
