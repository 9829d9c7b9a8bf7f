"""The page of errors has every code that the code can raise, no other, and with its status."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| `([a-z_]+)` \| (.+?) \| (client|policy|upstream|internal) \| .+ \|$", re.MULTILINE)
CODE = re.compile(r"[a-z]+(_[a-z]+)*")
# A function that makes an error, and at which of its positions the code stands.
MAKERS = {"GatewayError": 0, "_refuse": 0, "_problem": 1, "abandoned": 3, "_give_up": 2}


def texts(node: ast.AST | None) -> Iterator[str]:
    for each in ast.walk(node) if node is not None else ():
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and CODE.fullmatch(each.value):
            yield each.value


def name_of(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def assigned(node: ast.Assign) -> Iterator[str]:
    """Texts that become a variable ``code`` or an attribute ``error_code``, alone or in a tuple."""
    for target in node.targets:
        pairs = [(target, node.value)]
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = list(zip(target.elts, node.value.elts, strict=True))
        for name, value in pairs:
            if name_of(name) in {"code", "error_code"}:
                yield from texts(value)


def named(node: ast.AST, folder: str) -> Iterator[tuple[str, str]]:
    """Codes at this place of the code, each with the status that stands beside it, or with none."""
    if isinstance(node, ast.Call):
        position = MAKERS.get(name_of(node.func), len(node.args))
        status = [
            str(each.value.value)
            for each in node.keywords
            if isinstance(each.value, ast.Constant) and each.arg == "status"
        ]
        for code in texts(node.args[position]) if position < len(node.args) else ():
            yield code, status[0] if status else ""
    elif isinstance(node, ast.Assign):
        yield from ((code, "") for code in assigned(node))
    elif isinstance(node, ast.Dict) and folder == "front":
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, int):
                yield from ((code, str(key.value)) for code in texts(value))


def raised() -> dict[str, set[str]]:
    """Codes, each with the statuses that stand beside it. The mock provider speaks for others: its codes are theirs."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in (ROOT / "fastgw").rglob("*.py"):
        if path.parent.name != "mock_provider":
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                for code, status in named(node, path.parent.name):
                    found[code] |= {status} - {""}
    return found


def test_every_code_is_documented_and_no_other() -> None:
    rows = ROW.findall((ROOT / "docs" / "errors.md").read_text("utf-8"))

    assert sorted(code for code, _, _ in rows) == sorted(raised())


def test_a_code_is_documented_with_its_statuses() -> None:
    rows = {code: set(status.split(", ")) for code, status, _ in ROW.findall((ROOT / "docs" / "errors.md").read_text())}

    wrong = {code: statuses for code, statuses in raised().items() if not statuses <= rows[code]}

    assert not wrong
