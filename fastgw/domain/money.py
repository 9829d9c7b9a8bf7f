"""Money as integers: rates in pico-USD a token, sums in nano-USD (10**-9 USD).

A float never holds money. 1 USD = 10**9 nano-USD = 10**12 pico-USD. One nano-USD sum fits 9.2 * 10**9 USD in int64.
"""

from __future__ import annotations

from typing import NewType

NanoUsd = NewType("NanoUsd", int)
PicoUsd = NewType("PicoUsd", int)

NANO_PER_USD = 1_000_000_000
PICO_PER_NANO = 1_000


def round_pico_to_nano(pico_usd: int) -> NanoUsd:
    """Round a sum of pico-USD to nano-USD, half up. The one rounding of a settled call; ``pico_usd`` >= 0."""
    return NanoUsd((pico_usd + PICO_PER_NANO // 2) // PICO_PER_NANO)


def format_usd(nano_usd: int) -> str:
    """The exact decimal text of a sum, without exponent and trailing zeros: ``1500`` is ``0.0000015``."""
    if 0 < nano_usd < NANO_PER_USD:
        return f"0.{nano_usd:09d}".rstrip("0")
    whole, part = divmod(abs(nano_usd), NANO_PER_USD)
    sign = "-" if nano_usd < 0 else ""
    return f"{sign}{whole}.{part:09d}".rstrip("0") if part else f"{sign}{whole}"
