"""An alias has exactly one target."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fastgw.routing.config import ModelRow

TARGET = {"target": "a/b"}


def test_an_alias() -> None:
    row = msgspec.convert({"name": "gpt-4", "targets": [TARGET]}, ModelRow)

    assert row.targets[0].target == "a/b"


@pytest.mark.parametrize(
    "row",
    [
        {"name": "x"},
        {"name": "x", "targets": []},
        {"name": "x", "targets": [TARGET, TARGET]},
        {"name": "x", "targets": [{"target": "a/b", "weight": 1}]},
        {"name": "x", "targets": [{"target": "a/b\n"}]},
        {"name": "x", "targets": [{"target": ""}]},
        {"name": "", "targets": [TARGET]},
        {"name": "x" * 257, "targets": [TARGET]},
        {"name": "x", "targets": [TARGET], "strategy": "weight"},
    ],
)
def test_a_bad_row_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(row, ModelRow)
