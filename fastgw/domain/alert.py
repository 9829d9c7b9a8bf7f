"""What operators are told unasked: that a budget passed a part of its limit, that somebody spends as never before.

Invariant: an alert has the same ``id`` whenever it is made again, so that who receives it twice can tell. Names in it may come from
callers; ``text`` is one printable line.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from fastgw.domain.rule import Mode
from fastgw.domain.text import show

PPM: Final = 1_000_000
"""Parts of a limit are counted in millionths."""


class BudgetAlert(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="budget_alert"):
    """A counter of a budget passed ``threshold``, a fraction of its limit. Sums are exact decimal text, moments RFC 3339;
    ``resets_at`` is None for a budget that never does."""

    id: str
    rule: str
    group: str | None
    mode: Mode
    window: str
    scope: dict[str, str]
    threshold: float
    limit_usd: str
    used_usd: str
    reserved_usd: str
    resets_at: str | None
    at: str

    @property
    def text(self) -> str:
        """For people."""
        resets = f"; resets at {self.resets_at}" if self.resets_at is not None else ""
        share = f"{self.threshold * 100:.4f}".rstrip("0").rstrip(".")
        return (
            f"budget `{self.rule}`{scope_of(self.scope)} passed {share}% of {self.limit_usd} USD a {self.window}: "
            f"{self.used_usd} USD used, {self.reserved_usd} reserved{resets}"
        )


class SpikeAlert(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="anomaly"):
    """Somebody spent more than usual, or made the same call again and again, and is paused until ``until``. ``usual_usd`` is what
    was spent in as long a time before; ``repeats`` is 0 unless that was the ``reason``; ``times`` counts pauses that followed each
    other."""

    id: str
    rule: str
    group: str | None
    mode: Mode
    action: Literal["stop", "slow"]
    reason: Literal["spend", "repeats"]
    scope: dict[str, str]
    window_s: int
    spent_usd: str
    usual_usd: str
    repeats: int
    times: int
    until: str
    at: str

    @property
    def text(self) -> str:
        """For people."""
        if self.reason == "spend":
            found = f"{self.spent_usd} USD in {self.window_s} s, where {self.usual_usd} is usual"
        else:
            found = f"the same call {self.repeats} times in {self.window_s} s, {self.spent_usd} USD in all"
        done = {"stop": "stopped until", "slow": "slowed until"}[self.action]
        if self.mode == "audit":
            done = "only noted, and not again before"
        again = f", for the {self.times}. time in a row" if self.times > 1 else ""
        return f"anomaly `{self.rule}`{scope_of(self.scope)}: {found}; {done} {self.until}{again}"


Alert = BudgetAlert | SpikeAlert
"""Its JSON is what channels send and what is kept."""


def scope_of(scope: dict[str, str]) -> str:
    """Whom a rule counted for, to be shown; empty for a counter that all share."""
    text = " ".join(f"{name}={value}" for name, value in scope.items())
    return f" for {show(text)}" if text else ""
