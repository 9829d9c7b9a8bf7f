"""What a spike is, said slowly: all that ever happened is kept, and every answer is worked out from it anew.

The oracle of ``limits.spikes``. Knows no bounds on memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from fastgw.limits.config import AnomalyRow
from fastgw.limits.spikes import Spent
from fastgw.limits.table import Entity

S = 1_000_000_000
DAY_S = 86_400


@dataclass
class Pause:
    from_ns: int
    at_ns: int
    until_ns: int
    times: int


@dataclass
class Life:
    """Everything of one entity under one rule: what it spent, and its pauses."""

    events: list[Spent] = field(default_factory=list)
    pauses: list[Pause] = field(default_factory=list)


@dataclass
class SpikeModel:
    """One rule."""

    row: AnomalyRow
    lives: dict[Entity, Life] = field(default_factory=dict)
    fed: dict[Entity, set[int]] = field(default_factory=dict)

    def feed(self, spent: Spent, now_ns: int) -> None:
        spent = spent._replace(at_ns=min(spent.at_ns, now_ns))
        life = self.lives.setdefault(spent.entity, Life())
        if not any(pause.from_ns <= spent.at_ns < pause.until_ns for pause in life.pauses):
            life.events.append(spent)
            self.fed.setdefault(spent.entity, set()).add(spent.fingerprint)

    def judge(self, now_ns: int) -> set[tuple[Entity, str, int, int]]:
        """(entity, reason, times, until_ns) of each finding."""
        fed, self.fed = self.fed, {}
        found = set()
        for entity, fingerprints in fed.items():
            life = self.lives[entity]
            if life.pauses and now_ns < life.pauses[-1].until_ns:
                continue
            reason = self._reason(life, fingerprints - {0}, now_ns)
            if reason:
                pause = self._pause(life, now_ns)
                life.pauses.append(pause)
                found.add((entity, reason, pause.times, pause.until_ns))
        return found

    def _slice(self, at_ns: int) -> int:
        return at_ns // (self.row.window_s * S // 12)

    def _coarse(self, number: int) -> int:
        return number * (self.row.window_s * S // 12) // (self.row.recent_s * S // 60)

    def _reason(self, life: Life, fingerprints: set[int], now_ns: int) -> str:
        row, newest = self.row, self._slice(now_ns)
        counted = [
            each
            for each in life.events
            if not any(pause.from_ns <= each.at_ns < pause.until_ns for pause in life.pauses)
        ]
        window = [each for each in counted if newest - 12 < self._slice(each.at_ns)]
        last_coarse = self._coarse(newest - 12)
        before = [
            each
            for each in counted
            if self._slice(each.at_ns) <= newest - 12
            and last_coarse - 60 < self._coarse(self._slice(each.at_ns)) <= last_coarse
        ]
        spent = sum(each.nano_usd for each in window)
        usual = Fraction(sum(each.nano_usd for each in before) * row.window_s, row.recent_s)
        if row.max_multiple is not None and spent >= row.min_nano_usd:
            multiple = Fraction(round(row.max_multiple * 1_000_000), 1_000_000)
            if spent > multiple * usual:
                return "spend"
        for fingerprint in fingerprints:
            calls = sum(each.calls for each in window if each.fingerprint == fingerprint)
            if row.repeats is not None and calls >= row.repeats:
                return "repeats"
        return ""

    def _pause(self, life: Life, now_ns: int) -> Pause:
        times, last = 1, life.pauses[-1] if life.pauses else None
        if last is not None and now_ns - last.until_ns < self.row.recent_s * S:
            times = last.times + 1
        for_s = min(self.row.for_s * 2 ** (times - 1), max(self.row.for_s, DAY_S))
        from_ns = (self._slice(now_ns) - 11) * (self.row.window_s * S // 12)
        return Pause(from_ns, now_ns, now_ns + for_s * S, times)
