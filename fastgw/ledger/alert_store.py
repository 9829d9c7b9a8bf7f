"""Alerts in the ledger database: what was said, to whom it still has to be said, and what need not be said again.

Invariant: an alert, the marks that keep it from coming again and its deliveries are written in one transaction, so that a crash
repeats rather than loses. To be used by the thread of the database's owner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from fastgw.domain.alert import Alert, SpikeAlert
from fastgw.storage.sqlite import OwnedDatabase

MAX_KEPT: Final = 1000
"""Alerts that operators can still look at, besides those that are to be delivered."""
MAX_PENDING: Final = 1000
"""Deliveries that wait on one channel; those of further alerts are dropped, and shown as such."""
_NO_ROOM: Final = f"{MAX_PENDING} others were waiting"
_GONE: Final = "the channel is no longer configured"

SHOW_ALERTS: Final = (
    "SELECT alerts.body, alert_deliveries.channel, alert_deliveries.state, alert_deliveries.attempts, alert_deliveries.problem "
    "FROM alerts LEFT JOIN alert_deliveries ON alert_deliveries.alert = alerts.seq "
    "WHERE alerts.seq IN (SELECT seq FROM alerts ORDER BY seq DESC LIMIT ?) "
    "ORDER BY alerts.seq DESC, alert_deliveries.channel"
)
_PRUNE: Final = (
    "DELETE FROM alerts WHERE seq <= (SELECT max(seq) FROM alerts) - ? AND until_ns <= ? "
    "AND seq NOT IN (SELECT alert FROM alert_deliveries WHERE state = 'pending')"
)


class NewAlert(NamedTuple):
    """An alert, when it was made, and until when it must not be forgotten."""

    alert: Alert
    at_ns: int
    until_ns: int


class Mark(NamedTuple):
    """A counter of a budget passed a part of its limit; forgotten from ``until_ns`` on."""

    counter: bytes
    threshold_ppm: int
    until_ns: int


class Delivery(NamedTuple):
    """An alert on its way to one channel."""

    seq: int
    channel: str
    alert: Alert
    at_ns: int
    attempts: int


class AlertStore:
    """The tables of alerts. Any call may raise ``sqlite3.Error``, with nothing changed."""

    def __init__(self, database: OwnedDatabase) -> None:
        self._database = database
        self._decode: Callable[[str], Alert] = msgspec.json.Decoder(Alert).decode

    def top_marks(self, counters: Iterable[bytes]) -> dict[bytes, int]:
        """The highest mark of each counter, in millionths; those without one are left out."""
        ask = self._database.connection.execute
        statement = "SELECT max(threshold_ppm) FROM alert_marks WHERE counter = ?"
        found = {counter: ask(statement, (counter,)).fetchone()[0] for counter in counters}
        return {counter: top for counter, top in found.items() if top is not None}

    def put(self, alerts: Sequence[NewAlert], marks: Iterable[Mark], channels: Sequence[str], now_ns: int) -> None:
        """Write alerts that are not there yet, to be delivered to ``channels`` from now on; forget what is over."""
        connection = self._database.connection
        self._database.begin(durable=False)
        try:
            connection.executemany(
                "INSERT OR IGNORE INTO alert_marks (counter, threshold_ppm, until_ns) VALUES (?, ?, ?)", marks
            )
            room = {channel: MAX_PENDING - self._waiting(channel) for channel in channels} if alerts else {}
            for new in alerts:
                self._put_one(new, room)
            connection.execute("DELETE FROM alert_marks WHERE until_ns <= ?", (now_ns,))
            if connection.execute(_PRUNE, (MAX_KEPT, now_ns)).rowcount:
                connection.execute("DELETE FROM alert_deliveries WHERE alert NOT IN (SELECT seq FROM alerts)")
            connection.execute("COMMIT")
        except BaseException:
            self._database.rollback()
            raise

    def _waiting(self, channel: str) -> int:
        statement = "SELECT count(*) FROM alert_deliveries WHERE channel = ? AND state = 'pending'"
        waiting: int = self._database.connection.execute(statement, (channel,)).fetchone()[0]
        return waiting

    def _put_one(self, new: NewAlert, room: dict[str, int]) -> None:
        ask = self._database.connection.execute
        row = (new.alert.id, _kind_of(new.alert), new.at_ns, new.until_ns, msgspec.json.encode(new.alert).decode())
        written = ask(
            "INSERT OR IGNORE INTO alerts (id, kind, at_ns, until_ns, body) VALUES (?, ?, ?, ?, ?) RETURNING seq", row
        ).fetchone()
        if written is None:
            return
        for channel, left in room.items():
            state, problem = ("pending", "") if left > 0 else ("dropped", _NO_ROOM)
            room[channel] = left - 1
            ask(
                "INSERT INTO alert_deliveries (alert, channel, state, attempts, next_ns, problem) VALUES (?, ?, ?, 0, ?, ?)",
                (written[0], channel, state, new.at_ns, problem),
            )

    def anomalies(self, since_ns: int) -> list[tuple[SpikeAlert, int, int]]:
        """Those whose pause ended after ``since_ns`` or has not ended, oldest first: each with when it began and when it ends."""
        rows = self._database.connection.execute(
            "SELECT body, at_ns, until_ns FROM alerts WHERE kind = 'anomaly' AND until_ns > ? ORDER BY seq", (since_ns,)
        ).fetchall()
        found = [(self._decode(body), at_ns, until_ns) for body, at_ns, until_ns in rows]
        return [(alert, at_ns, until_ns) for alert, at_ns, until_ns in found if isinstance(alert, SpikeAlert)]

    def due(self, channel: str, now_ns: int, limit: int) -> tuple[list[Delivery], int | None]:
        """At most ``limit`` deliveries whose time has come, the longest due first, and when the next of all is due: None when
        nothing waits."""
        ask = self._database.connection.execute
        rows = ask(
            "SELECT alert, channel, body, at_ns, attempts FROM alert_deliveries JOIN alerts ON alerts.seq = alert "
            "WHERE channel = ? AND state = 'pending' AND next_ns <= ? ORDER BY next_ns, alert LIMIT ?",
            (channel, now_ns, limit),
        ).fetchall()
        found = [Delivery(seq, name, self._decode(body), at_ns, attempts) for seq, name, body, at_ns, attempts in rows]
        (next_ns,) = ask(
            "SELECT min(next_ns) FROM alert_deliveries WHERE channel = ? AND state = 'pending'", (channel,)
        ).fetchone()
        return found, next_ns

    def settle(self, delivery: Delivery, state: str, next_ns: int, problem: str) -> None:
        """Write down what became of an attempt: ``pending`` (again at ``next_ns``), ``delivered`` or ``failed``."""
        self._write(
            "UPDATE alert_deliveries SET state = ?, attempts = ?, next_ns = ?, problem = ? WHERE alert = ? AND channel = ?",
            [(state, delivery.attempts + 1, next_ns, problem, delivery.seq, delivery.channel)],
        )

    def keep_channels(self, channels: Sequence[str]) -> None:
        """Give up what waits for others than ``channels``."""
        found = self._database.connection.execute(
            "SELECT DISTINCT channel FROM alert_deliveries WHERE state = 'pending'"
        ).fetchall()
        gone = [(_GONE, channel) for (channel,) in found if channel not in channels]
        self._write(
            "UPDATE alert_deliveries SET state = 'dropped', problem = ? WHERE channel = ? AND state = 'pending'", gone
        )

    def _write(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if not rows:
            return
        self._database.begin(durable=False)
        try:
            self._database.connection.executemany(statement, rows)
            self._database.connection.execute("COMMIT")
        except BaseException:
            self._database.rollback()
            raise


def shown_alerts(rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    """The rows of ``SHOW_ALERTS`` as operators see them, latest first: each alert with its deliveries."""
    found: dict[str, dict[str, Any]] = {}
    for body, channel, state, attempts, problem in rows:
        alert = found.get(body)
        if alert is None:
            alert = found[body] = {**msgspec.json.decode(body), "deliveries": []}
        if channel is not None:
            alert["deliveries"].append({"channel": channel, "state": state, "attempts": attempts, "problem": problem})
    return list(found.values())


def _kind_of(alert: Alert) -> str:
    return str(type(alert).__struct_config__.tag)
