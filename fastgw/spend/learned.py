"""What past calls to a target tell of the next one: how many bytes a token has, and how long answers are that nobody bounds.

Invariant: an estimate rises at once with what was seen and falls slowly, so that it errs towards more; before anything was seen it
is that of ``spend.estimate``. Nothing here is exact or needs to be: it sizes reservations, never a bill.
"""

from __future__ import annotations

from typing import Final

from fastgw.domain.usage import MAX_COUNT
from fastgw.spend.estimate import DEFAULT_BYTES_PER_TOKEN

DEFAULT_OUTPUT_TOKENS: Final = 1024
"""Of a call that sets no bound, before any such call was seen."""
MIN_TEXT_BYTES: Final = 512
"""A shorter text tells more of what is around it than of its own tokens."""
MAX_TARGETS: Final = 4096
_FEWEST: Final = 1 / 16
_MOST: Final = 1.0
_MAX_TOKENS: Final = MAX_COUNT
_DEFAULT_TOKENS: Final = DEFAULT_OUTPUT_TOKENS
_MIN_BYTES: Final = MIN_TEXT_BYTES
_FALL: Final = 1 / 32


class Learned:
    """Of one target, in one process. Ratios are in tokens a byte."""

    __slots__ = ("_bound", "_input", "_output")

    def __init__(self) -> None:
        self._input = 1 / DEFAULT_BYTES_PER_TOKEN
        self._output = 1 / DEFAULT_BYTES_PER_TOKEN
        self._bound = 0.0

    def input_tokens(self, text_bytes: int) -> int:
        """What a prompt of so many bytes may be."""
        return _whole(text_bytes * self._input)

    def output_text_bytes(self, tokens: int) -> int:
        """How much text so many tokens of output have at least."""
        return int(tokens / self._output)

    def output_tokens(self) -> int:
        """How long the answer to a call that sets no bound may be."""
        return _whole(self._bound) if self._bound else _DEFAULT_TOKENS

    def see_input(self, text_bytes: int, tokens: int) -> None:
        """A provider counted the tokens of a prompt."""
        if text_bytes >= _MIN_BYTES:
            self._input = _risen(self._input, min(max(tokens / text_bytes, _FEWEST), _MOST))

    def see_output(self, text_bytes: int, tokens: int) -> None:
        """A provider counted the tokens of an answer, reasoning that is not shown left out."""
        if text_bytes >= _MIN_BYTES:
            self._output = _risen(self._output, min(max(tokens / text_bytes, _FEWEST), _MOST))

    def see_unbounded(self, tokens: int) -> None:
        """A call that set no bound was answered with so many tokens."""
        if tokens > 0:
            self._bound = _risen(self._bound or _DEFAULT_TOKENS, tokens)


class LearnedTable:
    """Of all targets of a process; outlives reloads."""

    def __init__(self) -> None:
        self._targets: dict[str, Learned] = {}

    def of(self, target: str) -> Learned:
        """What is known of a target; the same object each time, but that a full table is emptied."""
        known = self._targets.get(target)
        if known is None:
            if len(self._targets) >= MAX_TARGETS:
                self._targets.clear()
            known = self._targets[target] = Learned()
        return known


def _whole(tokens: float) -> int:
    # Rounded up.
    if tokens >= _MAX_TOKENS:
        return _MAX_TOKENS
    whole = int(tokens)
    return whole if whole == tokens else whole + 1


def _risen(known: float, seen: float) -> float:
    return seen if seen > known else known + (seen - known) * _FALL
