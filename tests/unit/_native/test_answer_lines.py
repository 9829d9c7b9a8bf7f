from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw._native.answer_lines import UNPRICED, UNTOLD, answer_lines
from fastgw.domain.money import format_usd

MODEL = b"x-fastgw-model: up/m\r\n"


def test_all_lines_in_order() -> None:
    assert answer_lines("req-1", MODEL, 1500, 2, 340) == (
        b"x-request-id: req-1\r\nx-fastgw-model: up/m\r\nx-fastgw-cost-usd: 0.0000015\r\n"
        b"x-fastgw-attempts: 2\r\nx-fastgw-overhead-us: 340\r\n"
    )


@pytest.mark.parametrize(
    ("cost", "line"), [(UNPRICED, b"x-fastgw-cost-usd: unpriced\r\n"), (UNTOLD, b""), (0, b"x-fastgw-cost-usd: 0\r\n")]
)
def test_what_is_no_cost(cost: int, line: bytes) -> None:
    assert (
        answer_lines("r", b"", cost, 1, 0)
        == b"x-request-id: r\r\n" + line + b"x-fastgw-attempts: 1\r\nx-fastgw-overhead-us: 0\r\n"
    )


@given(
    nano_usd=st.integers(0, 2**63 - 1), attempts=st.integers(0, 2**31 - 1), overhead_us=st.integers(-(2**63), 2**63 - 1)
)
def test_the_cost_is_the_exact_decimal(nano_usd: int, attempts: int, overhead_us: int) -> None:
    lines = answer_lines("x" * 128, MODEL, nano_usd, attempts, overhead_us).split(b"\r\n")
    assert lines[2] == b"x-fastgw-cost-usd: " + format_usd(nano_usd).encode()
    assert lines[3:] == [b"x-fastgw-attempts: %d" % attempts, b"x-fastgw-overhead-us: %d" % max(overhead_us, 0), b""]
