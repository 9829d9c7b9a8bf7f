"""What a figure was measured on: interpreter, kernel, processor, compilers. A figure without it is no figure."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def cpu_model(cpuinfo: str) -> str:
    """The model name in the text of ``/proc/cpuinfo``; the machine's architecture when it names none."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def pgo_state() -> str:
    """Whether this interpreter was built with profile-guided optimisation, as far as its build record tells.

    Debian builds its python3 with ``make profile-opt`` without the configure switch, so there the record is silent.
    """
    if "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or ""):
        return "PGO"
    if Path(sys.executable).resolve().is_relative_to("/usr/bin"):
        return "distribution build, PGO not recorded (Debian's is PGO)"
    return "no PGO recorded: slower than a PGO build, make the virtual environment from one"


def tool_version(*argv: str) -> str:
    """The first line a tool prints about itself, or ``none`` when it is not installed."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
    except FileNotFoundError:
        return "none"
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0] if lines else "unknown"


def package_version(name: str) -> str:
    """The installed version of a Python package, or ``none``."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def describe() -> dict[str, str]:
    """Everything the head of a report names."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})",
        "build": pgo_state(),
        "uvloop": package_version("uvloop"),
        "aiohttp": package_version("aiohttp"),
        "nginx": tool_version("nginx", "-v"),
        "wrk": tool_version("wrk", "-v").partition(" [")[0],
        "kernel": f"{platform.system()} {platform.release()}",
        "cpu": f"{cpu_model(Path('/proc/cpuinfo').read_text())}, {os.cpu_count()} cores",
        "load": Path("/proc/loadavg").read_text().rsplit(" ", 2)[0],
    }


def count_environment() -> dict[str, str]:
    """What an instruction count depends on: two equal ones may be compared exactly."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "cython": package_version("cython"),
        "gcc": tool_version("gcc", "--version"),
        "valgrind": tool_version("valgrind", "--version"),
        "cpu": cpu_model(Path("/proc/cpuinfo").read_text()),
    }
