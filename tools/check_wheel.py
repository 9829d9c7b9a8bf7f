"""Does the wheel work where there is nothing but Python? Looks into it, installs it aside, serves a request, reads the ledger.

    python tools/check_wheel.py dist/fastgw-*.whl

No compiler is on PATH, dependencies come as wheels, and the source tree is neither the working folder nor importable.
Prints what it did; ends with 1 at the first thing that is wrong.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
from pathlib import Path, PurePosixPath

WANTED = {
    "fastgw/spend/data/prices.json",
    "fastgw/spend/data/regions.toml",
    "fastgw/py.typed",
    "fastgw/_native/http_head.pyi",
}
KINDS = {".py", ".pyi", ".pxd", ".so", ".json", ".toml", ".sql"}
READY_S = 30
BODY = {"model": "mock-small", "messages": [{"role": "user", "content": "hello"}]}


def main(wheel: Path) -> int:
    check_content(wheel)
    with tempfile.TemporaryDirectory(prefix="fastgw-wheel-") as folder:
        aside = Path(folder)
        env = install(wheel, aside)
        run([str(aside / "venv/bin/fastgw"), "--version"], aside, env)
        where = run([str(aside / "venv/bin/python"), "-c", "import fastgw; print(fastgw.__file__)"], aside, env)
        if not where.startswith(str(aside)):
            raise SystemExit(f"wheel-check: fastgw was imported from {where}")
        round_trip(aside, env)
    print("wheel-check: good")
    return 0


def check_content(wheel: Path) -> None:
    """Only files of the package, of kinds that it needs, and none of them missing."""
    names = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")}
    inside = {name for name in names if name.startswith("fastgw/")}
    strange = sorted(name for name in names - inside if ".dist-info/" not in name)
    strange += sorted(
        name for name in inside if PurePosixPath(name).suffix not in KINDS and not name.endswith("/py.typed")
    )
    missing = sorted(WANTED - inside)
    if strange or missing:
        raise SystemExit(f"wheel-check: does not belong in the wheel: {strange}; is missing: {missing}")
    native = sum(name.endswith(".so") for name in inside)
    print(f"{wheel.name}: {len(inside)} files, {native} native modules, {wheel.stat().st_size:,} bytes")


def install(wheel: Path, aside: Path) -> dict[str, str]:
    """A new environment with the wheel in it; returns what its programs see of ours."""
    copy = Path(shutil.copy(wheel, aside))
    subprocess.run([sys.executable, "-m", "venv", str(aside / "venv")], check=True)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "FASTGW"))}
    env["PATH"] = str(aside / "venv/bin")
    pip = [str(aside / "venv/bin/python"), "-m", "pip", "install", "-q", "--only-binary", ":all:", str(copy)]
    subprocess.run(pip, check=True, cwd=aside, env=env)
    return env


def run(command: list[str], aside: Path, env: dict[str, str]) -> str:
    out = subprocess.run(command, check=True, cwd=aside, env=env, capture_output=True, text=True).stdout.strip()
    print(f"$ {Path(command[0]).name} {' '.join(command[1:])[:60]}\n{out}")
    return out


def round_trip(aside: Path, env: dict[str, str]) -> None:
    """One request through the demo, found again in its ledger."""
    fastgw = str(aside / "venv/bin/fastgw")
    command = [fastgw, "serve", "--demo", "--port", "0"]
    with subprocess.Popen(
        command, cwd=aside, env={**env, "TMPDIR": str(aside)}, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            url, key, ledger = read_banner(server)
            request = urllib.request.Request(
                f"{url}/v1/chat/completions",
                json.dumps(BODY).encode(),
                {"authorization": f"Bearer {key}", "content-type": "application/json"},
            )
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=READY_S) as answer:
                print(f"answered {answer.status}, cost {answer.headers['x-fastgw-cost-usd']} USD")
            ends_s = time.monotonic() + READY_S
            while not json.loads(run([fastgw, "spend", "--ledger", ledger, "--json"], aside, env)):
                if time.monotonic() > ends_s:
                    raise SystemExit("wheel-check: the call is not in the ledger")
                time.sleep(0.2)
        finally:
            server.terminate()
    if server.returncode != 0:
        raise SystemExit(f"wheel-check: the gateway ended with {server.returncode}")


def read_banner(server: subprocess.Popen[str]) -> tuple[str, str, str]:
    assert server.stdout is not None
    text = ""
    for line in server.stdout:
        text += line
        if "/v1/messages" in line:
            found = re.search(r"serves on (http\S+)[\s\S]*ledger: (.+)\n[\s\S]*gateway key: (\S+)", text)
            if found:
                return found[1], found[3], found[2]
    raise SystemExit(f"wheel-check: the gateway did not start:\n{text}")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
