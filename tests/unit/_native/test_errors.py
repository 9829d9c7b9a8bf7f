"""The errors of the native floor carry what the floors above act on."""

from __future__ import annotations

import pytest

from fastgw._native import errors
from fastgw._native.errors import (
    ClientGone,
    ConnectionLost,
    DeadlineExceeded,
    HttpLimitError,
    HttpSyntaxError,
    JsonSyntaxError,
    NativeError,
)


def test_facts_are_kept() -> None:
    assert HttpSyntaxError("x").status == 400
    assert HttpSyntaxError("x", 505).status == 505
    assert HttpLimitError("x", 431).status == 431
    assert JsonSyntaxError("x", 7).offset == 7
    assert not ConnectionLost("x").stale
    assert ConnectionLost("x", stale=True).stale
    assert DeadlineExceeded("idle").which == "idle"
    assert str(DeadlineExceeded("idle")) == "idle deadline passed"


@pytest.mark.parametrize("name", [name for name, value in vars(errors).items() if isinstance(value, type)])
def test_one_base_but_for_the_client_that_went_away(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, Exception) is issubclass(kind, NativeError)
    assert issubclass(kind, NativeError) is (kind is not ClientGone)
