from __future__ import annotations

import pytest

from fastgw.domain.money import format_usd, round_pico_to_nano


@pytest.mark.parametrize(
    ("pico_usd", "nano_usd"),
    [(0, 0), (499, 0), (500, 1), (999, 1), (1_499, 1), (1_500, 2), (2**63 + 500, 9223372036854776)],
)
def test_half_a_nano_rounds_up(pico_usd: int, nano_usd: int) -> None:
    assert round_pico_to_nano(pico_usd) == nano_usd


@pytest.mark.parametrize(
    ("nano_usd", "text"),
    [
        (0, "0"),
        (1, "0.000000001"),
        (1_500, "0.0000015"),
        (1_000_000_000, "1"),
        (120_000_000_000, "120"),
        (10**18 + 10, "1000000000.00000001"),
        (-2_500_000_000, "-2.5"),
    ],
)
def test_usd_text_is_exact_and_short(nano_usd: int, text: str) -> None:
    assert format_usd(nano_usd) == text
