"""Who spends as never before: a window that slides over what was spent just now, beside what was usual before it.

Time is cut into slices: twelve to a window, sixty to the time before it, so that an entity takes little memory whatever it does.
A window is the slice of now and the eleven before it; what falls out of it becomes part of what is usual. A finding begins a pause:
what was spent in its window and what is spent until the pause ends never becomes usual. Pauses that follow each other within
``recent_s`` double, up to a day.

Invariant: memory is bounded. Of too many entities or prompts the least recently seen is forgotten, and is then as one that never
was seen.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from fastgw.domain.alert import PPM
from fastgw.limits.config import AnomalyRow
from fastgw.limits.table import Entity

WINDOW_SLICES: Final = 12
RECENT_SLICES: Final = 60
MAX_ENTITIES: Final = 4096
"""At most some 10 KB each, usually 1 KB."""
MAX_PROMPTS: Final = 16_384
MAX_PAUSE_NS: Final = 86_400_000_000_000
_NS_PER_S: Final = 1_000_000_000


class Spent(NamedTuple):
    """Calls that ended at ``at_ns``. ``place`` is that of their rule, ``fingerprint`` that of their prompt, 0 if none is known."""

    place: int
    entity: Entity
    at_ns: int
    nano_usd: int
    fingerprint: int
    calls: int


class Spike(msgspec.Struct, frozen=True, kw_only=True):
    """A finding. ``usual_nano_usd`` is what would have been usual in a window; ``repeats`` is 0 unless that is the ``reason``;
    ``times``: how many pauses followed each other, this one included."""

    row: AnomalyRow
    entity: Entity
    reason: Literal["spend", "repeats"]
    window_nano_usd: int
    usual_nano_usd: int
    repeats: int
    times: int
    at_ns: int
    until_ns: int


class _Slices:
    """Amounts by the number of their slice."""

    __slots__ = ("amounts", "total")

    def __init__(self) -> None:
        self.amounts: dict[int, int] = {}
        self.total = 0

    def add(self, number: int, amount: int) -> None:
        self.amounts[number] = self.amounts.get(number, 0) + amount
        self.total += amount

    def drop_before(self, number: int) -> list[tuple[int, int]]:
        """Forget the slices before ``number``; returns them."""
        old = [each for each in self.amounts if each < number]
        dropped = [(each, self.amounts.pop(each)) for each in old]
        self.total -= sum(amount for _, amount in dropped)
        return dropped


class _Seen:
    """What is known of an entity under one rule. ``era`` is another after each finding: prompts count within one."""

    __slots__ = ("era", "pauses", "recent", "times", "until_ns", "window")

    def __init__(self, era: int) -> None:
        self.window = _Slices()
        self.recent = _Slices()
        self.pauses: list[tuple[int, int]] = []
        self.until_ns = 0
        self.times = 0
        self.era = era


class _Prompt(NamedTuple):
    era: int
    calls: _Slices


_Whose = tuple[int, Entity]
_Which = tuple[int, Entity, int]


class SpikeGuard:
    """The rules of one configuration, and what was spent under them."""

    def __init__(self, rows: Sequence[AnomalyRow]) -> None:
        self._rows = tuple(rows)
        self._seen: OrderedDict[_Whose, _Seen] = OrderedDict()
        self._prompts: OrderedDict[_Which, _Prompt] = OrderedDict()
        self._touched: dict[_Whose, set[int]] = {}
        self._eras = 0

    def feed(self, spent: Spent, now_ns: int) -> None:
        """Take calls into account, in any order; those of the future are taken as of now."""
        place, entity, at_ns, nano_usd, fingerprint, calls = spent
        if nano_usd <= 0 and not fingerprint:
            return
        row, seen = self._rows[place], self._find((place, entity))
        at_ns = min(at_ns, now_ns)
        if any(from_ns <= at_ns < until_ns for from_ns, until_ns in seen.pauses):
            return
        number = at_ns // _slice_ns(row)
        is_recent = number < _oldest(row, now_ns)
        if nano_usd > 0 and is_recent:
            seen.recent.add(_recent_number(row, number), nano_usd)
        elif nano_usd > 0:
            seen.window.add(number, nano_usd)
        prompts = self._touched.setdefault((place, entity), set())
        if fingerprint and row.repeats is not None and not is_recent:
            prompt = self._prompt((place, entity, fingerprint), seen.era)
            prompt.calls.add(number, calls)
            if prompt.calls.total >= row.repeats:  # with what is too old, perhaps
                prompts.add(fingerprint)

    def restore(self, place: int, entity: Entity, pause_ns: tuple[int, int], times: int) -> None:
        """Take over a pause, by its beginning and its end, of which another guard found that it is the ``times``-th."""
        row, seen = self._rows[place], self._find((place, entity))
        at_ns, until_ns = pause_ns
        seen.pauses.append((_oldest(row, at_ns) * _slice_ns(row), until_ns))
        seen.until_ns, seen.times = until_ns, times

    def judge(self, now_ns: int) -> list[Spike]:
        """What is found of those that were fed since the last time. Each finding begins its pause at once."""
        touched, self._touched = self._touched, {}
        found: list[Spike] = []
        for (place, entity), prompts in touched.items():
            seen = self._seen.get((place, entity))
            if seen is None:
                continue
            row = self._rows[place]
            self._slide(row, seen, now_ns)
            repeats = self._most_repeated(place, entity, prompts, now_ns)
            if now_ns < seen.until_ns:
                continue
            if _is_spike(row, seen):
                found.append(self._pause(place, entity, 0, now_ns))
            elif row.repeats is not None and repeats >= row.repeats:
                found.append(self._pause(place, entity, repeats, now_ns))
        return found

    def _pause(self, place: int, entity: Entity, repeats: int, now_ns: int) -> Spike:
        row, seen = self._rows[place], self._seen[place, entity]
        follows = seen.times and now_ns - seen.until_ns < row.recent_s * _NS_PER_S
        seen.times = seen.times + 1 if follows else 1
        for_ns = row.for_s * _NS_PER_S
        seen.until_ns = now_ns + min(for_ns << min(seen.times - 1, 30), max(for_ns, MAX_PAUSE_NS))
        found = Spike(
            row=row,
            entity=entity,
            reason="repeats" if repeats else "spend",
            window_nano_usd=seen.window.total,
            usual_nano_usd=_usual_nano_usd(row, seen),
            repeats=repeats,
            times=seen.times,
            at_ns=now_ns,
            until_ns=seen.until_ns,
        )
        self._eras += 1
        seen.era = self._eras
        seen.window = _Slices()
        seen.pauses = [each for each in seen.pauses if each[1] > now_ns - _kept_ns(row)]
        seen.pauses.append((_oldest(row, now_ns) * _slice_ns(row), seen.until_ns))
        return found

    def _slide(self, row: AnomalyRow, seen: _Seen, now_ns: int) -> None:
        oldest = _oldest(row, now_ns)
        for number, nano_usd in seen.window.drop_before(oldest):
            seen.recent.add(_recent_number(row, number), nano_usd)
        seen.recent.drop_before(_recent_number(row, oldest - 1) - RECENT_SLICES + 1)

    def _most_repeated(self, place: int, entity: Entity, prompts: set[int], now_ns: int) -> int:
        most = 0
        for fingerprint in prompts:
            prompt = self._prompts.get((place, entity, fingerprint))
            if prompt is not None and prompt.era == self._seen[place, entity].era:
                prompt.calls.drop_before(_oldest(self._rows[place], now_ns))
                most = max(most, prompt.calls.total)
        return most

    def _find(self, whose: _Whose) -> _Seen:
        seen = self._seen.get(whose)
        if seen is None:
            self._eras += 1
            seen = self._seen[whose] = _Seen(self._eras)
            if len(self._seen) > MAX_ENTITIES:
                self._seen.popitem(last=False)
        else:
            self._seen.move_to_end(whose)
        return seen

    def _prompt(self, which: _Which, era: int) -> _Prompt:
        prompt = self._prompts.get(which)
        if prompt is None or prompt.era != era:
            prompt = self._prompts[which] = _Prompt(era, _Slices())
            if len(self._prompts) > MAX_PROMPTS:
                self._prompts.popitem(last=False)
        self._prompts.move_to_end(which)
        return prompt


def _slice_ns(row: AnomalyRow) -> int:
    return row.window_s * _NS_PER_S // WINDOW_SLICES


def _oldest(row: AnomalyRow, now_ns: int) -> int:
    """The number of the first slice of the window."""
    return now_ns // _slice_ns(row) - WINDOW_SLICES + 1


def _recent_number(row: AnomalyRow, number: int) -> int:
    """The slice of the time before that a slice of the window becomes part of."""
    return number * _slice_ns(row) // (row.recent_s * _NS_PER_S // RECENT_SLICES)


def _kept_ns(row: AnomalyRow) -> int:
    """Nothing that ended so long ago plays a part."""
    return (2 * row.recent_s + row.window_s) * _NS_PER_S


def _usual_nano_usd(row: AnomalyRow, seen: _Seen) -> int:
    return seen.recent.total * row.window_s // row.recent_s


def _is_spike(row: AnomalyRow, seen: _Seen) -> bool:
    if row.max_multiple is None or seen.window.total < row.min_nano_usd:
        return False
    bar = round(row.max_multiple * PPM) * seen.recent.total * row.window_s
    return seen.window.total * row.recent_s * PPM > bar
