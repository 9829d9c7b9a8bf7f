"""Counts instructions of every operation in ``bench/count/ops_*.py`` and compares with ``baseline.json``.

An operations file has ``OPERATIONS``: a name to a function that sets up and returns the callable to count. Each runs
under ``valgrind --tool=callgrind`` at two loop counts; the difference, divided, is the instructions of one call with
start-up, imports and warm-up gone. Where the baseline was recorded on the same interpreter, compilers and processor
model, more than 3 % above it fails; elsewhere the comparison is only shown.

    python -m bench.count [--only entry.encode] [--update]
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from bench.environment import count_environment
from bench.report import Verdict

FOLDER = Path(__file__).parent
BASELINE = FOLDER / "baseline.json"
LOOPS = (200, 1200)
LIMIT_RATIO = 1.03
_TOTALS = re.compile(r"^(?:summary|totals):\s*(\d+)", re.MULTILINE)


def find_operations(pattern: str) -> dict[str, str]:
    """The operations whose name matches a glob, and the module of each. Raises ``ValueError`` on a name twice."""
    found: dict[str, str] = {}
    for path in sorted(FOLDER.glob("ops_*.py")):
        module = f"bench.count.{path.stem}"
        for operation in importlib.import_module(module).OPERATIONS:
            if operation in found:
                raise ValueError(f"{operation}: in {found[operation]} and in {module}")
            found[operation] = module
    return {operation: module for operation, module in found.items() if fnmatchcase(operation, pattern)}


def parse_instructions(text: str) -> int:
    """The total of a callgrind file. Raises ``ValueError`` when it has none."""
    match = _TOTALS.search(text)
    if match is None:
        raise ValueError("no total in callgrind's output")
    return int(match[1])


def count_run(module: str, operation: str, loops: int, folder: Path) -> int:
    """Instructions of one whole run of the interpreter with ``loops`` calls."""
    output = folder / "callgrind.out"
    argv = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}", sys.executable]
    done = subprocess.run(
        [*argv, "-m", "bench.count.run_op", module, operation, str(loops)],
        env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{operation}: ended with {done.returncode}\n{done.stderr[-2000:]}")
    return parse_instructions(output.read_text())


def count_operation(module: str, operation: str) -> int:
    """Instructions of one call."""
    with tempfile.TemporaryDirectory(prefix="fastgw-count-") as name:
        few, many = (count_run(module, operation, loops, Path(name)) for loops in LOOPS)
    return round((many - few) / (LOOPS[1] - LOOPS[0]))


def compare(counts: Mapping[str, int], baseline: Mapping[str, int], *, gates: bool, complete: bool) -> list[Verdict]:
    """A line an operation. One without baseline fails, as does, in a ``complete`` run, a baseline without operation."""
    found = []
    for operation, count in counts.items():
        before = baseline.get(operation)
        if before is None:
            found.append(Verdict(f"{operation}: {count:,}, not in the baseline", False if gates else None))
            continue
        text = f"{operation}: {count:,}, baseline {before:,}, {count / before - 1:+.1%}"
        found.append(Verdict(text, count <= before * LIMIT_RATIO if gates else None))
    if complete:
        found += [
            Verdict(f"{operation}: in the baseline, but gone", False if gates else None)
            for operation in baseline
            if operation not in counts
        ]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="instructions of single operations, against a baseline")
    parser.add_argument("--only", default="*", help="a name or glob")
    parser.add_argument("--update", action="store_true", help="write the counts to the baseline")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("bench.count needs: apt-get install --no-install-recommends valgrind", file=sys.stderr)
        return 2
    operations = find_operations(options.only)
    if not operations:
        parser.error(f"--only: no operation is called {options.only!r}")
    environment = count_environment()
    recorded = json.loads(BASELINE.read_text()) if BASELINE.exists() else {"environment": {}, "instructions": {}}
    gates = recorded["environment"] == environment
    complete = options.only == "*"
    print("\n".join(f"{name}: {value}" for name, value in environment.items()))
    print("the baseline's environment: gating at +3 %" if gates else "not the baseline's environment: reporting only")
    counts = {}
    for operation, module in operations.items():
        counts[operation] = count_operation(module, operation)
        shown = {operation: counts[operation]}
        print(*compare(shown, recorded["instructions"], gates=gates, complete=False), sep="\n", flush=True)
    if options.update:
        kept = recorded["instructions"] if gates and not complete else {}
        instructions = dict(sorted({**kept, **counts}.items()))
        BASELINE.write_text(json.dumps({"environment": environment, "instructions": instructions}, indent=2) + "\n")
        return 0
    lines = compare(counts, recorded["instructions"], gates=gates, complete=complete)
    print(*lines[len(counts) :], sep="\n")
    return int(any(line.is_met is False for line in lines))


if __name__ == "__main__":
    sys.exit(main())
