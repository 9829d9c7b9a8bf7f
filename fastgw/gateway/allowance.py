"""What a stream may still say for the money that was reserved for it, where a budget wants it cut at the end of that.

Invariant: more is reserved before it is passed on; when nothing more can be, the stream has reached its end.
"""

from __future__ import annotations

from typing import Final

from fastgw._native.limit_set import Reservation
from fastgw.spend.ceiling import Ceiling
from fastgw.spend.learned import Learned

STEP_TOKENS: Final = 256
"""How much output is reserved at a time beyond what was reserved at admission."""


class Allowance:
    """Of one call. ``is_spent``: it asked for more than there was. ``opening``: the events that the stream began with, ``choices``:
    how many answers are in it, for whoever must end it."""

    __slots__ = ("_reservation", "_step_bytes", "_step_nano_usd", "_until_bytes", "choices", "is_spent", "opening")

    def __init__(
        self,
        reservation: Reservation,
        ceilings: tuple[Ceiling, ...],
        learned: Learned,
        output_tokens: int,
        choices: int,
    ) -> None:
        self._reservation = reservation
        self._until_bytes = learned.output_text_bytes(output_tokens)
        self._step_bytes = learned.output_text_bytes(STEP_TOKENS)
        self._step_nano_usd = max(ceiling.output_nano_usd(STEP_TOKENS) for ceiling in ceilings)
        self.is_spent = False
        self.opening = b""
        self.choices: Final = choices

    def covers(self, text_bytes: int, now_ns: int) -> bool:
        """Whether so much text of output is paid for, if need be by reserving more. ``now_ns`` as ``Reservation`` has it."""
        while text_bytes > self._until_bytes and not self.is_spent:
            if self._reservation.grow(self._step_nano_usd, now_ns):
                self._until_bytes += self._step_bytes
            else:
                self.is_spent = True
        return not self.is_spent
