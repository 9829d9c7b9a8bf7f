"""Which rules match a call: the AND of one row of bits for each thing that rules ask about. See docs/adr/0014."""

from collections.abc import Callable, Sequence
from typing import final

@final
class RuleProgram:
    """Rows are little-endian bit sets of ``row_bytes`` bytes: bit N for rule N, set when the rule does not object."""

    def __new__(
        cls, rules: int, names: Sequence[str], learn: Callable[[int, object], int], *, timed: bool
    ) -> RuleProgram:
        """``names``: the metadata that rules speak of. ``learn(slot, value)`` makes the row of a value that was not seen before, as
        a whole number: slot N is name N with its text or None, and the slot behind the last is the minute of the week, if
        ``timed``. It is asked again for a value that has been forgotten."""

    @property
    def rules(self) -> int:
        """How many there are."""

    @property
    def timed(self) -> bool:
        """Whether the minute of the week matters."""

    def row(self, bits: int) -> bytes:
        """A whole number as a row. ``OverflowError`` when it has bits of rules that there are not."""

    def match(self, base: bytes, metadata: dict[str, str] | None, minute: int | None = None) -> bytes:
        """The row of the rules that match: ``base`` is what everything else about the call allows. O(names x rules / 64)."""

def members(row: bytes) -> tuple[int, ...]:
    """The numbers of the bits that are set, rising."""
