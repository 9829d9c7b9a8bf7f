"""The extension list, the build kind switch, and the price book that is compiled into the package.

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
Options.warning_errors = True
Options.fast_fail = True


def extensions() -> list[Extension]:
    found = sorted(path for path in (ROOT / "fastgw" / "_native").glob("*.pyx") if not ONLY or path.stem in ONLY)
    return [
        Extension(
            f"fastgw._native.{path.stem}",
            [str(path.relative_to(ROOT))],
            extra_compile_args=[*COMPILE_ARGS[KIND], "-Wall", "-Wno-unused-function", "-Wno-unused-variable"],
            extra_link_args=["-fsanitize=address,undefined"] if KIND == "asan" else [],
            define_macros=[("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1")] if KIND == "trace" else [],
        )
        for path in found
    ]


class BuildPyWithPrices(build_py):
    """Compile the price book before the package's data files are collected."""

    def run(self) -> None:
        builder = ROOT / "tools" / "build_prices.py"
        if builder.exists() and not (ROOT / "fastgw" / "spend" / "data" / "prices.json").exists():
            runpy.run_path(str(builder), run_name="__main__")
        super().run()


setup(
    ext_modules=cythonize(
        extensions(),
        compiler_directives=DIRECTIVES,
        build_dir=f"build/cython-{KIND}",
        nthreads=int(os.environ.get("FASTGW_JOBS", "0")),
        emit_linenums=False,
    ),
    cmdclass={"build_py": BuildPyWithPrices},
)
