"""From rows that were written to pauses that admission knows of.

Invariant: a pause is in the counters as soon as it is found, before anybody is told. A rule with ``mode = "audit"`` pauses nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import tzinfo
from typing import Any, Final

from fastgw._native.counter_map import CounterMap
from fastgw.app.matching import Matching
from fastgw.domain.alert import SpikeAlert
from fastgw.domain.moment import rfc3339
from fastgw.domain.money import format_usd
from fastgw.ledger.alert_store import NewAlert
from fastgw.ledger.drained import Drained
from fastgw.limits.config import AnomalyRow
from fastgw.limits.spikes import Spent, Spike, SpikeGuard
from fastgw.limits.table import Entity, pause_key

_NS_PER_S: Final = 1_000_000_000
_NS_PER_MINUTE: Final = 60 * _NS_PER_S
_log = logging.getLogger("fastgw.watch")


class SpikeWatch:
    """The anomalies of one configuration."""

    def __init__(self, rows: Sequence[AnomalyRow], zone: tzinfo, counters: CounterMap) -> None:
        self._matching = Matching(rows, zone)
        self._counters = counters
        self._places = {row.id: place for place, row in enumerate(rows)}
        self._rows = tuple(rows)
        self._guard = SpikeGuard(rows)
        self.fingerprints: Final = any(row.repeats is not None for row in rows)
        self.reach_ns: Final = max(row.recent_s + row.window_s for row in rows) * _NS_PER_S
        """How far back what was spent plays a part."""

    def feed(self, groups: Iterable[Drained], now_ns: int) -> None:
        """Rows were written."""
        for group in groups:
            for row, governs, entity in self._matching.of(group.dimension, group.metadata, group.minute):
                if governs:
                    spent = Spent(
                        self._places[row.id],
                        entity,
                        group.second * _NS_PER_S,
                        group.nano_usd,
                        group.fingerprint,
                        group.calls,
                    )
                    self._guard.feed(spent, now_ns)

    def recall(self, rows: Iterable[Sequence[Any]], now_ns: int) -> None:
        """What was spent before anybody watched: the rows of ``queries.spent_query``, by minute."""
        for *texts, metadata, at_ns, nano_usd in sorted(rows, key=lambda row: int(row[-2])):
            minute, second = at_ns // _NS_PER_MINUTE, at_ns // _NS_PER_S
            self.feed([Drained(tuple(texts), metadata, minute, second, 0, 1, nano_usd)], now_ns)

    def restore(self, alerts: Iterable[tuple[SpikeAlert, int, int]], now_ns: int) -> None:
        """Pauses of an earlier gateway: those that hold hold again."""
        for alert, at_ns, until_ns in alerts:
            place = self._places.get(alert.rule)
            if place is not None and tuple(alert.scope) == self._rows[place].per:
                entity = tuple(alert.scope.values())
                self._guard.restore(place, entity, (at_ns, until_ns), alert.times)
                self._pause(self._rows[place], entity, until_ns, now_ns)

    def judge(self, now_ns: int) -> list[NewAlert]:
        """Pause who is found, and say whom."""
        found = self._guard.judge(now_ns)
        for spike in found:
            self._pause(spike.row, spike.entity, spike.until_ns, now_ns)
        return [NewAlert(_alert(spike), spike.at_ns, spike.until_ns) for spike in found]

    def _pause(self, row: AnomalyRow, entity: Entity, until_ns: int, now_ns: int) -> None:
        if row.mode == "audit" or until_ns <= now_ns:
            return
        if not self._counters.put(pause_key(row, entity), until_ns, until_ns, now_ns):
            _log.error("anomaly `%s`: no memory is left to pause anybody in", row.id)


def _alert(spike: Spike) -> SpikeAlert:
    row = spike.row
    return SpikeAlert(
        id=f"{pause_key(row, spike.entity).hex()}-{spike.at_ns}",
        rule=row.id,
        group=row.group,
        mode=row.mode,
        action=row.action,
        reason=spike.reason,
        scope=dict(zip(row.per, spike.entity, strict=True)),
        window_s=row.window_s,
        spent_usd=format_usd(spike.window_nano_usd),
        usual_usd=format_usd(spike.usual_nano_usd),
        repeats=spike.repeats,
        times=spike.times,
        until=rfc3339(spike.until_ns),
        at=rfc3339(spike.at_ns),
    )
