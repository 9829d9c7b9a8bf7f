"""Checks the shape of the tree, which no other linter sees: it reads Cython as well as Python.

Floors (ARCHITECTURE.md, section 3): a package imports only from lower ones, packages of one floor do not import each
other. Besides: 400 lines a file, a mirrored test for each source file and a subject for each unit test, a stub for each native
module, banned file names, no paths of a machine in files that others get, no SQL made by formatting. Prints one line a
finding and exits 1. Standard library only.

python tools/check_tree.py [ROOT]
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

FLOORS = {
    "_native": 0,
    "domain": 1,
    **dict.fromkeys(("identity", "rules", "limits", "cache", "routing", "spend", "dialects"), 2),
    "providers": 3,
    **dict.fromkeys(("telemetry", "storage"), 4),
    **dict.fromkeys(("upstream", "ledger", "alerts", "keystore", "shared_state"), 5),
    "gateway": 6,
    **dict.fromkeys(("front", "admin", "mock_provider", "importers"), 7),
    "config": 8,
    "app": 9,
}
ONLY = {"mock_provider": {"domain"}}
"""Packages that may import less than their floor allows: the mock shares no code with what it tests."""
NEVER = {"front": {"providers", "storage"}, "admin": {"providers", "storage"}}
"""The doors know neither providers nor SQL."""
SANS_IO_FLOORS = range(1, 4)
IO_MODULES = {"asyncio", "logging", "random", "secrets", "socket", "ssl", "subprocess", "threading", "time"}

CODE = {".py", ".pyx", ".pxd", ".pyi"}
MAX_LINES = 400
MAX_SCENARIO_LINES = 700  # tests/wire: a scenario file keeps its gateway and all that is done to it in one place
BANNED_NAMES = {"utils", "helpers", "common", "misc", "manager", "handler", "core", "types"}
UNMIRRORED = {"__init__", "__main__"}
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:" + "|".join(("work", "farm", "root", "home")) + r")/[\w.]")

CYTHON_FROM = re.compile(r"^\s*from\s+(?P<module>[\w.]+)\s+c?import\s+(?P<names>.*)", re.MULTILINE)
CYTHON_IMPORT = re.compile(r"^\s*c?import\s+(?P<modules>[\w., ]+)", re.MULTILINE)
SQL = re.compile(r"\s*(SELECT|INSERT|REPLACE|UPDATE|DELETE|CREATE|DROP|ALTER|WITH|PRAGMA|ATTACH)\s")
SQL_REVIEWED = re.compile(r"#\s*noqa:\s*S608 - \S")
"""The same mark that ruff wants, with a reason: every part that is pasted in is a constant of ours."""

Finding = tuple[str, int, str]


def find_all(root: Path) -> list[Finding]:
    """Every finding, as (path from the root, line, what is wrong), sorted."""
    findings: list[Finding] = []
    paths = files_of(root)
    names = {str(path) for path in paths}
    for path in paths:
        try:
            text = (root / path).read_text("utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue  # data, or deleted and not committed yet
        findings += [(str(path), line, problem) for line, problem in check_paths(text)]
        findings += [(str(path), 1, problem) for problem in check_subject(path, names)]
        if path.suffix in CODE:
            findings += [(str(path), line, problem) for line, problem in check_code(path, text)]
            findings += [(str(path), 1, problem) for problem in check_mirrors(path, names)]
    return sorted(findings)


def files_of(root: Path) -> list[PurePosixPath]:
    """What git would commit; outside a git tree, every file that is not in a hidden or build folder."""
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listing = subprocess.run(command, check=True, capture_output=True).stdout.decode()
        return sorted({PurePosixPath(name) for name in listing.split("\0") if name and not (root / name).is_symlink()})
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    skipped = {"build", "dist", "__pycache__"}
    return sorted(
        PurePosixPath(path.as_posix())
        for path in found
        if not any(part in skipped or part.startswith(".") for part in path.parts[:-1])
    )


def check_paths(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        found = MACHINE_PATH.search(line)
        if found:
            yield number, f"a path of one machine ({found[0]}...) means nothing to others"


def check_code(path: PurePosixPath, text: str) -> Iterator[tuple[int, str]]:
    lines = text.count("\n") + (not text.endswith("\n") and text != "")
    most = MAX_SCENARIO_LINES if path.parts[:2] == ("tests", "wire") else MAX_LINES
    if lines > most:
        yield most + 1, f"{lines} lines; split by concern at {most}"
    stem = path.stem.removeprefix("test_")
    if stem in BANNED_NAMES:
        yield 1, f"the file name `{stem}` says nothing about its concern"
    if path.parts[0] != "fastgw":
        return
    python = path.suffix in {".py", ".pyi"}
    tree = None
    if python:
        try:
            tree = ast.parse(text)
        except SyntaxError as error:
            yield error.lineno or 1, "is not Python"
            return
    imports = python_imports(tree, path) if tree is not None else cython_imports(text, path)
    for line, module in imports:
        yield from ((line, problem) for problem in check_import(path, module))
    if tree is not None:
        yield from check_sql(tree, text.splitlines())


def python_imports(tree: ast.Module, path: PurePosixPath) -> Iterator[tuple[int, str]]:
    """Full names of everything imported, lazily or for types only as well."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute("." * node.level + (node.module or ""), path)
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def cython_imports(text: str, path: PurePosixPath) -> Iterator[tuple[int, str]]:
    for found in CYTHON_FROM.finditer(text):
        base = absolute(found["module"], path)
        names = found["names"].split("#")[0].strip(" ()\\")
        line = text.count("\n", 0, found.start("module")) + 1
        yield from ((line, f"{base}.{name.split()[0]}") for name in names.split(",") if name.strip())
        if not names:
            yield line, base
    for found in CYTHON_IMPORT.finditer(text):
        line = text.count("\n", 0, found.start("modules")) + 1
        yield from ((line, name.split()[0]) for name in found["modules"].split(",") if name.strip())


def absolute(module: str, path: PurePosixPath) -> str:
    level = len(module) - len(module.lstrip("."))
    if not level:
        return module
    package = path.parts[:-level]
    return ".".join(part for part in (*package, module[level:]) if part)


def check_import(path: PurePosixPath, module: str) -> Iterator[str]:
    package = package_of(path)
    if package is None:
        return
    floor = FLOORS.get(package)
    if floor is None:
        yield f"the package `{package}` is on no floor"
        return
    parts = module.split(".")
    if floor in SANS_IO_FLOORS and parts[0] in IO_MODULES:
        yield f"`{parts[0]}` on floor {floor}, which has no IO, clock, randomness, log or task"
    if parts[0] != "fastgw":
        return
    target = parts[1] if len(parts) > 1 else ""
    if target == package:
        return
    if target not in FLOORS:
        if floor == 0 or target not in {"", "__version__"}:
            yield f"`{package}` imports `{module}`, which is on no floor"
        return
    allowed = FLOORS[target] < floor and target not in NEVER.get(package, set())
    if not allowed or (package in ONLY and target not in ONLY[package]):
        yield f"`{package}` (floor {floor}) imports `{target}` (floor {FLOORS[target]})"


def package_of(path: PurePosixPath) -> str | None:
    """The package of a file under ``fastgw``; ``None`` for the files of ``fastgw`` itself, which only start it."""
    return path.parts[1] if len(path.parts) > 2 else None


def check_sql(tree: ast.Module, lines: list[str]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.expr) and is_formatted_sql(node):
            last = node.end_lineno or node.lineno
            if not any(SQL_REVIEWED.search(line) for line in lines[node.lineno - 1 : last]):
                yield node.lineno, "SQL made by formatting; bind parameters, or mark a constant part `noqa: S608 - why`"


def is_formatted_sql(node: ast.expr) -> bool:
    if isinstance(node, ast.JoinedStr):
        formatted = any(isinstance(part, ast.FormattedValue) for part in node.values)
        return formatted and is_sql(node.values[0])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return is_sql(node.left)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return is_sql(node.left) and not isinstance(node.right, ast.Constant)
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return node.func.attr in {"format", "format_map"} and is_sql(node.func.value)


def is_sql(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value) is not None


def check_mirrors(path: PurePosixPath, names: set[str]) -> Iterator[str]:
    if path.parts[0] != "fastgw" or path.stem in UNMIRRORED or path.suffix not in {".py", ".pyx"}:
        return
    test = PurePosixPath("tests", "unit", *path.parts[1:-1], f"test_{path.stem}.py")
    if str(test) not in names:
        yield f"no mirrored test {test}"
    if path.suffix == ".pyx" and str(path.with_suffix(".pyi")) not in names:
        yield f"no stub {path.with_suffix('.pyi')}"


def check_subject(path: PurePosixPath, names: set[str]) -> Iterator[str]:
    """A unit test without its subject is a leftover. ``test_a_b.py`` may be the second file of tests of ``a.py``; what is in
    ``tests/unit/bench`` and ``tests/unit/tools`` mirrors those folders, and what is in ``tests/unit`` itself ``tests``."""
    if path.parts[:2] != ("tests", "unit") or not path.name.startswith("test_") or path.suffix != ".py":
        return
    folder = path.parts[2:-1]
    if not folder:
        home = PurePosixPath("fastgw" if path.stem == "test___main__" else "tests")
    elif folder[0] in {"bench", "tools"}:
        home = PurePosixPath(*folder)
    else:
        home = PurePosixPath("fastgw", *folder)
    words = path.stem.removeprefix("test_").split("_")
    stems = ["_".join(words[:count]) for count in range(1, len(words) + 1)]
    subjects = {f"{home}/{stem}{suffix}" for stem in stems for suffix in CODE} | {f"{home}/__{stems[-1]}__.py"}
    if not subjects & names:
        yield f"no subject {home}/{stems[-1]}.py"


def main(arguments: list[str]) -> int:
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    findings = find_all(root)
    for path, line, problem in findings:
        print(f"{path}:{line}: {problem}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
