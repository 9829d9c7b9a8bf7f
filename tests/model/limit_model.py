"""Limits as one would write them down: unbounded fractions, a dictionary of counters, nothing shared and nothing remembered."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from typing import Any, NamedTuple

from fastgw._native.limit_set import CONCURRENT, COUNTS, MONEY, PAUSE, REQUESTS, SOFT, TOKENS

MAX_INT64 = 2**63 - 1
Row = tuple[Any, ...]
"""As ``LimitSet`` has them."""


class Refused(NamedTuple):
    """What a refusal says."""

    index: int
    used: int
    held: int
    wait_ns: int
    room_nano_usd: int


@dataclass
class Counter:
    """One counter of any kind."""

    level: Fraction | None = None
    at_ns: int = 0
    spent: int = 0
    paused_until_ns: int = 0
    passed_at_ns: int = 0
    held: list[int] = field(default_factory=list)


@dataclass
class Taken:
    """One reservation."""

    rows: tuple[Row, ...]
    tokens: int
    nano_usd: int
    settled: bool = False


class LimitModel:
    """Answers what ``WorkerCounters`` should."""

    def __init__(self) -> None:
        self.counters: dict[bytes, Counter] = {}

    def level(self, row: Row, now_ns: int) -> Fraction:
        key, _, _, _, limit, period_ns, burst, *_ = row
        counter = self.counters.setdefault(key, Counter())
        if counter.level is None:
            return Fraction(burst)
        return min(counter.level + Fraction(max(now_ns - counter.at_ns, 0) * limit, period_ns), Fraction(burst))

    def _fits(self, row: Row, tokens: int, nano_usd: int, now_ns: int) -> bool:
        key, kind, _, _, limit, *_ = row
        counter = self.counters.setdefault(key, Counter())
        if kind == PAUSE:
            return self.pause_ns(row, now_ns) == 0
        if kind == CONCURRENT:
            return len(counter.held) < limit
        if kind == MONEY:
            return self.spent(row) + self.held(row) + nano_usd <= limit
        return self.level(row, now_ns) >= (1 if kind == REQUESTS else tokens)

    def _slices(self, row: Row) -> list[Counter]:
        return [self.counters.setdefault(key, Counter()) for key in (row[0], *row[8:])]

    def spent(self, row: Row) -> int:
        return sum(counter.spent for counter in self._slices(row))

    def held(self, row: Row) -> int:
        return sum(sum(counter.held) for counter in self._slices(row))

    def pause_ns(self, row: Row, now_ns: int) -> int:
        counter = self.counters.setdefault(row[0], Counter())
        left_ns = max(counter.paused_until_ns - now_ns, 0)
        if not row[5]:
            return left_ns
        return min(left_ns, max(row[5] - max(now_ns - counter.passed_at_ns, 0), 0))

    def grow(self, taken: Taken, nano_usd: int) -> bool:
        if taken.settled:
            return False
        fits = [row[1] != MONEY or self.spent(row) + self.held(row) + nano_usd <= row[4] for row in taken.rows]
        if self._refusing(taken.rows, fits):
            return False
        for row in taken.rows:
            if row[1] == MONEY:
                held = self.counters[row[0]].held
                held[held.index(taken.nano_usd)] += nano_usd
        taken.nano_usd += nano_usd
        return True

    def _refusing(self, rows: tuple[Row, ...], fits: list[bool]) -> list[int]:
        return [
            index
            for index, row in enumerate(rows)
            if not fits[index]
            and row[2] != COUNTS
            and not (
                row[2] == SOFT and any(fits[j] for j, other in enumerate(rows) if j != index and other[3] == row[3])
            )
        ]

    def reserve(self, rows: tuple[Row, ...], tokens: int, nano_usd: int, now_ns: int) -> Taken | Refused:
        fits = [self._fits(row, tokens, nano_usd, now_ns) for row in rows]
        refusing = self._refusing(rows, fits)
        if refusing:
            return self._refused(rows, refusing, tokens, now_ns)
        for row in rows:
            counter = self.counters[row[0]]
            if row[1] in (REQUESTS, TOKENS):
                self._put(row, self.level(row, now_ns) - (1 if row[1] == REQUESTS else tokens), now_ns)
            elif row[1] == PAUSE:
                counter.passed_at_ns = now_ns if counter.paused_until_ns else 0
            else:
                counter.held.append(nano_usd if row[1] == MONEY else 1)
        return Taken(rows, tokens, nano_usd)

    def settle(self, taken: Taken, tokens: int, nano_usd: int, now_ns: int) -> None:
        if taken.settled:
            return
        taken.settled = True
        for row in taken.rows:
            counter = self.counters[row[0]]
            if row[1] == TOKENS:
                if tokens != taken.tokens:
                    self._put(row, self.level(row, now_ns) + taken.tokens - tokens, now_ns)
            elif row[1] in (MONEY, CONCURRENT):
                counter.held.remove(taken.nano_usd if row[1] == MONEY else 1)
                counter.spent += nano_usd if row[1] == MONEY else 0

    def _put(self, row: Row, level: Fraction, now_ns: int) -> None:
        counter = self.counters[row[0]]
        counter.level = max(min(level, Fraction(row[6])), Fraction(-row[6]))
        counter.at_ns = max(now_ns, counter.at_ns)

    def _refused(self, rows: tuple[Row, ...], refusing: list[int], tokens: int, now_ns: int) -> Refused:
        first = rows[refusing[0]]
        counter = self.counters[first[0]]
        used = self.spent(first) if first[1] == MONEY else len(counter.held)
        if first[1] == PAUSE:
            used = max(counter.paused_until_ns - now_ns, 0)
        if first[1] in (REQUESTS, TOKENS):
            used = ceil(first[6] - self.level(first, now_ns))
        room, wait_ns = -1, 0
        if all(rows[index][1] == MONEY for index in refusing):
            room = min(max(rows[i][4] - self.spent(rows[i]) - self.held(rows[i]), 0) for i in refusing)
        for index in refusing:
            _, kind, _, _, limit, period_ns, burst, *_ = rows[index]
            if kind == PAUSE and wait_ns >= 0:
                wait_ns = max(wait_ns, self.pause_ns(rows[index], now_ns))
            if kind not in (REQUESTS, TOKENS) or wait_ns < 0:
                continue
            asked = 1 if kind == REQUESTS else tokens
            missing = asked - self.level(rows[index], now_ns)
            wait_ns = -1 if asked > burst else max(wait_ns, min(ceil(missing * period_ns / limit), MAX_INT64))
        return Refused(refusing[0], used, self.held(first) if first[1] == MONEY else 0, wait_ns, room)
