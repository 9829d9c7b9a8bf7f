"""The extension list, the build kind switch, and the price book that is compiled into the package.

Two kinds of modules are compiled: the native floor (``fastgw/_native/*.pyx``), and, in a release build, the Python modules on
the way of every call, which are those with a ``.pxd`` of the same name beside them (docs/adr/0013). A build of another kind runs
these as Python.

``FASTGW_BUILD`` selects how the native floor is compiled: ``release`` (default), ``debug`` (no optimisation, every check),
``trace`` (debug + line tracing for coverage) or ``asan`` (address and undefined-behaviour sanitisers).
``FASTGW_ONLY`` limits a build to the named modules (comma separated), for a quick edit-and-try.
"""

from __future__ import annotations

import os
import runpy
from pathlib import Path

from Cython.Build import cythonize
from Cython.Compiler import Options
from setuptools import Extension, setup
from setuptools.command.build_py import build_py

KIND = os.environ.get("FASTGW_BUILD", "release")
ONLY = {name for name in os.environ.get("FASTGW_ONLY", "").split(",") if name}
ROOT = Path(__file__).parent

COMPILE_ARGS = {
    "release": ["-O3", "-g", "-fno-plt"],
    "debug": ["-O0", "-g"],
    "trace": ["-O0", "-g"],
    "asan": ["-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"],
}
# Cython's own comparisons of objects look like reads behind None to gcc 12.
WARNINGS = ["-Wall", "-Wno-unused-function", "-Wno-unused-variable", "-Wno-array-bounds"]
if KIND not in COMPILE_ARGS:
    raise SystemExit(f"FASTGW_BUILD: expected one of {', '.join(COMPILE_ARGS)}, got {KIND!r}")
CHECKED = KIND != "release"
DIRECTIVES: dict[str, object] = {
    "language_level": 3,
    "auto_pickle": False,
    "embedsignature": True,
    "boundscheck": CHECKED,
    "wraparound": False,
    "initializedcheck": CHECKED,
    "cdivision": not CHECKED,
    "linetrace": KIND == "trace",
    "always_allow_keywords": True,
    "freethreading_compatible": False,
}
PYTHON_DIRECTIVES: dict[str, object] = {
    "language_level": 3,
    "auto_pickle": False,
    "annotation_typing": False,
    "always_allow_keywords": True,
    "freethreading_compatible": False,
}
Options.warning_errors = True
Options.fast_fail = True


def native_sources() -> list[Path]:
    return sorted(path for path in (ROOT / "fastgw" / "_native").glob("*.pyx") if not ONLY or path.stem in ONLY)


def spine_sources() -> list[Path]:
    if KIND != "release":
        return []
    declared = sorted(path.with_suffix(".py") for path in (ROOT / "fastgw").glob("[!_]*/*.pxd"))
    return [path for path in declared if not ONLY or path.stem in ONLY]


def extensions(sources: list[Path]) -> list[Extension]:
    return [
        Extension(
            ".".join(path.relative_to(ROOT).with_suffix("").parts),
            [str(path.relative_to(ROOT))],
            extra_compile_args=[*COMPILE_ARGS[KIND], *WARNINGS],
            extra_link_args=["-fsanitize=address,undefined"] if KIND == "asan" else [],
            define_macros=[("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1")] if KIND == "trace" else [],
        )
        for path in sources
    ]


class BuildPyWithPrices(build_py):
    """Compile the price book before the package's data files are collected."""

    def run(self) -> None:
        builder = ROOT / "tools" / "build_prices.py"
        if builder.exists() and not (ROOT / "fastgw" / "spend" / "data" / "prices.json").exists():
            runpy.run_path(str(builder), run_name="__main__")
        super().run()


def compiled(sources: list[Path], directives: dict[str, object]) -> list[Extension]:
    if not sources:
        return []
    found: list[Extension] = cythonize(
        extensions(sources),
        compiler_directives=directives,
        build_dir=f"build/cython-{KIND}",
        nthreads=int(os.environ.get("FASTGW_JOBS", "0")),
        emit_linenums=False,
    )
    return found


setup(
    ext_modules=[*compiled(native_sources(), DIRECTIVES), *compiled(spine_sources(), PYTHON_DIRECTIVES)],
    cmdclass={"build_py": BuildPyWithPrices},
)
