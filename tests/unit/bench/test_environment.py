"""What a report says of the machine."""

from __future__ import annotations

import platform

from bench.environment import count_environment, cpu_model, describe, package_version, tool_version


def test_cpu_model() -> None:
    text = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz: fast\n\nprocessor\t: 1\nmodel name\t: Other\n"
    assert cpu_model(text) == "Some CPU @ 2 GHz: fast"
    assert cpu_model("processor : 0\n") == platform.machine()


def test_versions() -> None:
    assert package_version("pytest")[0].isdigit()
    assert package_version("no-such-package") == "none"
    assert tool_version("no-such-tool") == "none"
    assert tool_version("true") == "unknown"


def test_descriptions_name_the_interpreter() -> None:
    assert platform.python_version() in describe()["python"]
    assert count_environment() == count_environment()
