"""Each rule of the tree is broken once in a small tree, and found with its file and line."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "tools" / "check_tree.py"


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_tree", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CHECK = load_script()
MACHINE = "/" + "work/main/x"


def findings(root: Path, files: dict[str, str]) -> list[str]:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        parts = Path(name).parts
        if parts[0] == "fastgw":  # what is not under test is in order
            mirror = root.joinpath("tests", "unit", *parts[1:-1], f"test_{Path(name).stem}.py")
            mirror.parent.mkdir(parents=True, exist_ok=True)
            mirror.touch()
    return [f"{path}:{line}: {problem}" for path, line, problem in CHECK.find_all(root)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("fastgw/domain/a.py", "import fastgw.routing.table"),
        ("fastgw/domain/a.py", "def f():\n    from fastgw.routing import table"),
        ("fastgw/domain/a.py", "from fastgw import routing"),
        ("fastgw/domain/a.py", "from ..routing import table"),
        ("fastgw/domain/a.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import fastgw.app.cli"),
        ("fastgw/domain/a.pyi", "from fastgw.routing.table import AliasTable"),
        ("fastgw/routing/a.py", "from fastgw.identity.table import KeyTable"),
        ("fastgw/front/a.py", "from fastgw.admin.config import AdminConfig"),
        ("fastgw/front/a.py", "import fastgw.providers.base"),
        ("fastgw/admin/a.py", "import fastgw.storage.sqlite"),
        ("fastgw/mock_provider/a.py", "from fastgw.dialects.openai_errors import error_body"),
        ("fastgw/mock_provider/a.py", "from fastgw._native import http_head"),
        ("fastgw/_native/a.py", "from fastgw.domain import errors"),
        ("fastgw/_native/a.py", "import fastgw"),
        ("fastgw/_native/a.pxd", "from fastgw.domain.errors cimport x"),
        ("fastgw/_native/a.pxd", "cimport fastgw.domain.errors as e"),
        ("fastgw/_native/a.pxd", "from fastgw.domain cimport (\n    a,\n)"),
        ("fastgw/_native/a.pxd", "    import fastgw.domain"),
        ("fastgw/_native/a.pxd", "from ..domain cimport errors"),
        ("fastgw/domain/a.py", "import fastgw.cellar"),
        ("fastgw/cellar/a.py", "import os"),
        ("fastgw/routing/a.py", "import time"),
        ("fastgw/providers/a.py", "from asyncio import Task"),
        ("fastgw/spend/a.py", "import logging.handlers"),
    ],
)
def test_imports_that_go_up_or_sideways(tmp_path: Path, name: str, text: str) -> None:
    found = findings(tmp_path, {name: text})

    assert len(found) == 1
    assert found[0].startswith(f"{name}:{text.count(chr(10), 0, text.rfind('import ')) + 1}:")
    assert "floor" in found[0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("fastgw/routing/a.py", "from fastgw.domain.errors import GatewayError\nfrom fastgw._native import errors"),
        ("fastgw/routing/a.py", "from fastgw.routing.table import AliasTable\nfrom . import table"),
        ("fastgw/app/a.py", "import time\nimport fastgw.config.load\nfrom fastgw import __version__"),
        ("fastgw/telemetry/a.py", "import time, logging, asyncio"),
        ("fastgw/mock_provider/a.py", "from fastgw.domain.money import NanoUsd\nimport asyncio"),
        (
            "fastgw/_native/a.pxd",
            "from fastgw._native.bytebuf cimport ByteBuf, x as y\nfrom libc.string cimport memcpy",
        ),
        ("fastgw/__main__.py", "from fastgw.app.cli import main"),
        ("fastgw/domain/a.py", '"""Not an import: import fastgw.app"""'),
    ],
)
def test_imports_that_go_down(tmp_path: Path, name: str, text: str) -> None:
    assert findings(tmp_path, {name: text}) == []


def test_a_file_over_the_cap(tmp_path: Path) -> None:
    long = {"fastgw/domain/a.py": "x = 1\n" * 401, "fastgw/domain/b.py": "x = 1\n" * 400}

    assert findings(tmp_path, long) == ["fastgw/domain/a.py:401: 401 lines; split by concern at 400"]
    assert len(findings(tmp_path, {"tests/model/x.py": "\n" * 400 + "x"})) == 2


def test_a_source_without_its_test(tmp_path: Path) -> None:
    found = findings(tmp_path, {"fastgw/a/__init__.py": "", "fastgw/domain/b.py": "", "fastgw/_native/c.pyx": ""})
    assert found == ["fastgw/_native/c.pyx:1: no stub fastgw/_native/c.pyi"]

    (tmp_path / "tests/unit/domain/test_b.py").unlink()
    (tmp_path / "tests/unit/_native/test_c.py").unlink()
    (tmp_path / "fastgw/_native/c.pyi").touch()

    assert findings(tmp_path, {}) == [
        "fastgw/_native/c.pyx:1: no mirrored test tests/unit/_native/test_c.py",
        "fastgw/domain/b.py:1: no mirrored test tests/unit/domain/test_b.py",
    ]


@pytest.mark.parametrize(
    "name", ["fastgw/domain/utils.py", "tests/model/helpers.py", "tests/unit/test_core.py", "bench/common.py"]
)
def test_a_file_name_without_a_concern(tmp_path: Path, name: str) -> None:
    assert any("says nothing about its concern" in each for each in findings(tmp_path, {name: ""}))


def test_a_path_of_one_machine(tmp_path: Path) -> None:
    found = findings(
        tmp_path, {"README.md": f"a\nsee {MACHINE}\n", "docs/ok.md": "https://x.example" + MACHINE + " a" + MACHINE}
    )

    assert len(found) == 1
    assert found[0].startswith("README.md:2: a path of one machine")


def test_bytes_that_are_no_text_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(b"\xff\xfe" + MACHINE.encode())

    assert findings(tmp_path, {}) == []


@pytest.mark.parametrize(
    ("test", "subject"),
    [
        ("tests/unit/domain/test_gone.py", "fastgw/domain/gone.py"),
        ("tests/unit/domain/test_gone_too.py", "fastgw/domain/gone_too.py"),
        ("tests/unit/domain/test_money.py", "fastgw/domain/money.py"),
        ("tests/unit/bench/test_gone.py", "bench/gone.py"),
        ("tests/unit/test_gone.py", "tests/gone.py"),
    ],
)
def test_a_unit_test_without_its_subject(tmp_path: Path, test: str, subject: str) -> None:
    found = findings(tmp_path, {"fastgw/routing/money.py": "", "bench/money.py": "", test: ""})

    assert found == [f"{test}:1: no subject {subject}"]


@pytest.mark.parametrize(
    ("source", "test"),
    [
        ("fastgw/domain/money.py", "tests/unit/domain/test_money_rounding.py"),
        ("fastgw/_native/lane.pyi", "tests/unit/_native/test_lane.py"),
        ("bench/count/__main__.py", "tests/unit/bench/count/test_main.py"),
        ("tools/prices.py", "tests/unit/tools/test_prices.py"),
        ("tests/sentinel.py", "tests/unit/test_sentinel.py"),
        ("fastgw/domain/money.py", "tests/unit/domain/talk.py"),
        ("fastgw/domain/money.py", "tests/wire/test_anything.py"),
    ],
)
def test_a_unit_test_with_its_subject(tmp_path: Path, source: str, test: str) -> None:
    assert findings(tmp_path, {source: "", test: ""}) == []


@pytest.mark.parametrize(
    "text",
    [
        'f"SELECT {x}"',
        'f"""\n  INSERT INTO t VALUES ({x})"""',
        '"DELETE FROM t WHERE a = %s" % x',
        '"UPDATE t SET a = {}".format(x)',
        '"SELECT a FROM " + x',
        'f"PRAGMA x = {x}"  # noqa: S608',
    ],
)
def test_sql_made_by_formatting(tmp_path: Path, text: str) -> None:
    assert findings(tmp_path, {"fastgw/storage/a.py": f"x = 1\nq = {text}\n"})[0].startswith(
        "fastgw/storage/a.py:2: SQL made by"
    )


@pytest.mark.parametrize(
    "text",
    [
        '"SELECT a FROM t WHERE b = ?"',
        'f"SELECT 1"',
        '"SELECT a " + "FROM t"',
        'f"Select {x}"',
        'f"{x} SELECT "',
        'f"SELECT {x}"  # noqa: S608 - x is one of COLUMNS',
        '"%s" % x',
        "x.format(x)",
        "format(x)",
    ],
)
def test_sql_with_bound_parameters(tmp_path: Path, text: str) -> None:
    assert findings(tmp_path, {"fastgw/storage/a.py": f"x = 'a'\nq = {text}\n"}) == []


def test_what_is_not_python_is_said_so(tmp_path: Path) -> None:
    assert findings(tmp_path, {"fastgw/domain/a.py": "x = (\n"}) == ["fastgw/domain/a.py:1: is not Python"]


def test_in_a_git_tree_ignored_files_do_not_count(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("ignored/\n")

    found = findings(tmp_path, {"ignored/a.md": MACHINE, "new.md": MACHINE})

    assert [each.split(":")[0] for each in found] == ["new.md"]


def test_the_command_prints_a_line_a_finding_and_exits_1(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(MACHINE)
    bad = subprocess.run([sys.executable, str(SCRIPT), str(tmp_path)], capture_output=True, text=True, check=False)
    (tmp_path / "a.md").write_text("fine")
    good = subprocess.run([sys.executable, str(SCRIPT), str(tmp_path)], capture_output=True, text=True, check=False)

    assert (bad.returncode, bad.stdout.count("\n")) == (1, 1)
    assert (good.returncode, good.stdout) == (0, "")
