"""Operations and dialects are closed sets."""

from __future__ import annotations

from typing import get_args

from fastgw.domain.operation import DIALECT_OF, OPERATIONS, Dialect, Operation


def test_every_operation_has_a_dialect_and_every_dialect_an_operation() -> None:
    assert set(OPERATIONS) == set(get_args(Operation)) == set(DIALECT_OF)
    assert set(DIALECT_OF.values()) == set(get_args(Dialect))
