"""The most that a call can cost, and how much output a sum buys: what budgets reserve before a call.

Invariant: for a usage of at most so many input and output tokens of the kinds that are counted here, no bill by the same price is
higher. ``spend.price`` compiles the weights.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from fastgw.domain.usage import COMMON_UNITS, MAX_COUNT


class Ceiling(msgspec.Struct, frozen=True, gc=False):
    """Weights of a token of input and of output, and of the call; the sum times ``ratio`` over ``divisor`` is nano-USD."""

    input_weight: int
    output_weight: int
    fixed: int
    ratio: int
    divisor: int

    def nano_usd(self, input_tokens: int, output_tokens: int) -> int:
        """The most that so many tokens can cost, rounded up."""
        total = input_tokens * self.input_weight + output_tokens * self.output_weight + self.fixed
        return -(-total * self.ratio // self.divisor)

    def output_nano_usd(self, tokens: int) -> int:
        """The most that so many tokens of output cost beside the rest of a call, rounded up."""
        return -(-tokens * self.output_weight * self.ratio // self.divisor)

    def affordable_output_tokens(self, nano_usd: int, input_tokens: int) -> int:
        """The most output that a sum buys besides so much input; -1 when it does not buy the input."""
        rest = (
            nano_usd * self.divisor // self.ratio - input_tokens * self.input_weight - self.fixed if self.ratio else 0
        )
        if rest < 0:
            return -1
        return min(rest // self.output_weight, MAX_COUNT) if self.output_weight and self.ratio else MAX_COUNT


def ceiling_of(
    tiers: Iterable[tuple[tuple[int, ...], int]], ratio: int, divisor: int, *, dearest: bool, media: bool
) -> Ceiling:
    """From the weights of each tier (in the order of ``COMMON_UNITS``) and what it takes for the call itself.

    ``dearest``: input may be written to a cache; else it is fresh text. ``media``: audio and images may be there.
    """
    inputs, outputs, fixeds = [0], [0], [0]
    for weights, fixed in tiers:
        by_unit = dict(zip(COMMON_UNITS, weights, strict=True))
        # Weights of parts are what they cost beside their whole.
        cache = max(
            by_unit["cache_read_tokens"],
            by_unit["cache_write_tokens"] + _dearest(by_unit, "cache_write_5m", "cache_write_1h"),
        )
        inputs.append(
            by_unit["input_tokens"]
            + (max(cache, 0) if dearest else 0)
            + (_dearest(by_unit, "input_audio", "input_image") if media else 0)
        )
        outputs.append(
            by_unit["output_tokens"]
            + _dearest(by_unit, "output_reasoning")
            + (_dearest(by_unit, "output_audio", "output_image") if media else 0)
        )
        fixeds.append(fixed)
    return Ceiling(max(inputs), max(outputs), max(fixeds), ratio, divisor)


def _dearest(weights: dict[str, int], *kinds: str) -> int:
    return max(0, *(weights[f"{kind}_tokens"] for kind in kinds))
