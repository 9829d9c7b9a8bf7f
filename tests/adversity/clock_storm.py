"""Wall clocks that jump and windows that end, under load: no window is reset twice, nothing spent is forgotten, no bucket refills.

Four storms, each with a ledger and a provider of its own, and a clock that is set from outside (``wall_clock``): a month that ends
at midnight; jumps of -1 h and +1 day; restarts after the clock was set back, in order, after ``kill -9`` of everything and of the
supervisor alone; and workers that are killed across midnight. The windows are those of the ledger's rows by the time in their ids,
as the calendar has them; the truth is the provider's bill.

    python -m tests.adversity.clock_storm --seconds 20

Exits with 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from fastgw.domain.money import NANO_PER_USD
from fastgw.ledger.verify import verify
from tests.adversity.books import Books, compare, read_rows, settled_ids
from tests.adversity.budget_storm import nano, states
from tests.adversity.gateway import KEY, WORKERS, Gateway, gateway_and_mock, has_ended, wait_until
from tests.adversity.kill_storm import say
from tests.adversity.load import Load, make_calls, running_load
from tests.adversity.wall_clock import NS_PER_S, WallClock
from tests.adversity.windows import (
    BURST,
    HOURLY,
    KINDS,
    ROOMY,
    WINDOWS,
    WORST,
    ZONE,
    Watch,
    highest_id,
    limits_text,
    look,
    spent_by_window,
    until_quiet,
    used_up,
    worst_cases,
)
from tests.wire.processes import MockProvider

MONTH_END = datetime(2031, 2, 1, tzinfo=ZONE)
NOON = datetime(2031, 1, 15, 12, tzinfo=ZONE)
AFTER_MIDNIGHT = datetime(2031, 2, 1, 0, 20, tzinfo=ZONE)
CLIENTS = 30
PAUSE_S = 0.08
ROOM = 15
LONG_S = 1.3
"""Longer than a gateway takes to start."""
LONG = KINDS[0]._replace(model=f"demo-openai/mock-large+words=9+ttft_ms={LONG_S * 1000:.0f}", more_headers=ROOMY)
START_S = 1.2
"""What a gateway may take to start, at most; then its midnight comes so much sooner."""


@dataclass
class Storm:
    """What one storm measured. ``spent`` by budget and window; ``findings`` are broken promises."""

    name: str
    seconds: float
    calls: int = 0
    limited: int = 0
    kills: int = 0
    spent: dict[str, dict[str, int]] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    admitted_by_bucket: int = 0
    books: Books | None = None
    findings: list[str] = field(default_factory=list)

    def check(self, finding: str, is_wrong: object) -> None:
        """Note a broken promise."""
        if is_wrong:
            self.findings.append(finding)


@contextlib.contextmanager
def arena(storm: Storm, moment: datetime) -> Iterator[tuple[Gateway, MockProvider, WallClock]]:
    """A gateway that is about to be started at ``moment``, with budgets that have room for some calls."""
    storm.limits = {budget: ROOM * most for budget, most in WORST.items()}
    # Rows older than a day go: not before their budgets forget them, and not because a clock says that they are old.
    with (
        tempfile.TemporaryDirectory(prefix="fastgw-clock-") as name,
        gateway_and_mock(Path(name), "retention_days = 1\ndrain_interval_ms = 20") as (gateway, mock),
    ):
        clock = WallClock(Path(name))
        gateway.env = clock.env
        plain = gateway.config.read_text().replace("[server]\n", f'[server]\ntimezone = "{ZONE.key}"\n')
        assert f"workers = {WORKERS}" in plain
        gateway.config.write_text(plain + limits_text({**storm.limits, "roomy": 1000 * NANO_PER_USD}))
        clock.set(moment)
        try:
            yield gateway, mock, clock
        except AssertionError:
            if gateway.process is not None:
                sys.stderr.write(gateway.process.output[-4000:])
            raise


def load_of(gateway: Gateway, prefix: str = "clock") -> contextlib.AbstractContextManager[Load]:
    """The callers of all storms."""
    return running_load(gateway.port, KEY, prefix, CLIENTS, KINDS, PAUSE_S)


def ids_in_order(gateway: Gateway, storm: Storm) -> None:
    """A client's later call has the higher id, whoever served it and whatever the wall clock said."""
    numbers: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for request_id, id_ in read_rows(
        gateway.db_path, "SELECT request_id, id FROM entries WHERE request_id LIKE 'clock-%'"
    ):
        client, _, number = request_id.rpartition("-")
        numbers[client].append((int(number), id_))
    for client, found in numbers.items():
        ids = [id_ for _, id_ in sorted(found)]
        storm.check(f"the ids of {client} fall", ids != sorted(set(ids)))


def settle_down(gateway: Gateway, mock: MockProvider, load: Load, storm: Storm) -> None:
    """After the load: use up what is left, wait for quiet, and compare everything with everything."""
    load.stop()
    until_quiet(gateway)
    last = {kind_name: make_until_limited(gateway, kind_name) for kind_name in WINDOWS}
    until_quiet(gateway)
    told = load.count()
    storm.calls, storm.limited = sum(told.values()), told["limited"]
    storm.check(f"calls ended as {told}", told["hung"] or told["error"])
    whole = load.ids("whole") | {call_id for ids in last.values() for call_id in ids}
    wait_until(lambda: not whole - settled_ids(gateway.db_path), "every whole answer is in the ledger")
    storm.check("a call may cost more than was thought", worst_cases(gateway) != WORST)
    found = states(gateway)
    storm.spent = spent_by_window(gateway)
    for name in WINDOWS:
        newest = storm.spent[name][max(storm.spent[name])]
        storm.check(
            f"{name}: counter {found[name]['used_usd']}, rows {newest}", nano(found[name]["used_usd"]) != newest
        )
        storm.check(f"{name}: {newest} of {storm.limits[name]} refuses", newest <= storm.limits[name] - WORST[name])
        for window, nano_usd in storm.spent[name].items():
            storm.check(f"{name} of {window}: {nano_usd} of {storm.limits[name]}", nano_usd > storm.limits[name])
    ids_in_order(gateway, storm)
    by_bucket = "SELECT count(*) FROM entries WHERE json_extract(metadata, '$.budget') = 'bucket' AND cost_nano_usd > 0"
    storm.admitted_by_bucket = read_rows(gateway.db_path, by_bucket)[0][0]
    code = gateway.stop()
    storm.check(f"the gateway ended with {code}", code)
    storm.books = compare(gateway.db_path, whole, mock.bill()["rows"])
    storm.findings += storm.books.findings
    storm.check("a row is unknown though nobody was killed", storm.books.unknown and not storm.kills)
    storm.findings += verify(gateway.db_path).findings


def make_until_limited(gateway: Gateway, name: str) -> list[str]:
    """Use up the present window of a budget; returns the calls that were answered."""
    kind = KINDS[list(WINDOWS).index(name)]
    made: list[str] = []
    while True:
        prefix = f"fill-{name}-{len(made)}"
        (fate,) = make_calls(gateway.port, KEY, prefix, 1, kind).values()
        if fate == "limited":
            return made
        assert fate == "whole", fate
        made.append(f"{prefix}-0")
        until_quiet(gateway)


def check_bucket(storm: Storm, began_s: float, starts: int = 1) -> None:
    """A bucket starts full with the gateway, and refills by the steady clock alone."""
    most = starts * BURST + HOURLY * (time.monotonic() - began_s) / 3600 + starts
    storm.check(
        f"the bucket let {storm.admitted_by_bucket} through, at most {most:.1f}", storm.admitted_by_bucket > most
    )
    storm.check(f"the bucket let only {storm.admitted_by_bucket} through", storm.admitted_by_bucket < BURST)


def check_rolls(storm: Storm, watch: Watch, times: int) -> None:
    """Each window was seen to begin as often as the calendar says, in the ledger and in the counters."""
    for name in WINDOWS:
        storm.check(f"{name}: spent in {sorted(storm.spent[name])}", len(storm.spent[name]) != times + 1)
        seen = watch.windows[name]
        storm.check(f"{name}: windows that end at {seen}", len(seen) != times + 1 or seen != sorted(set(seen)))
    storm.findings += watch.falls


def midnight(storm: Storm, seconds: float) -> None:
    """The end of a month: budgets used up before it are usable after it, once."""
    with arena(storm, MONTH_END - timedelta(seconds=seconds + START_S)) as (gateway, mock, clock):
        gateway.start()
        began_s = time.monotonic()
        clock.set(MONTH_END)  # from here on only the clock of the start counts
        watch = Watch(gateway)
        with watch.running(), load_of(gateway) as load:
            wait_until(lambda: load.count()["limited"] > CLIENTS, "calls are refused", seconds + 10)
            wait_until(
                lambda: len(watch.windows["day"]) > 1 and len(watch.windows["month"]) > 1, "midnight", seconds + 10
            )
            wait_until(lambda: used_up(gateway, storm.limits), "used up after midnight", seconds + 10)
            settle_down(gateway, mock, load, storm)
        check_rolls(storm, watch, 1)
        check_bucket(storm, began_s)


def jumps(storm: Storm, seconds: float) -> None:
    """-1 h, +1 day, and back, while the bookkeeper is killed under the wrong clock: nothing follows."""
    with arena(storm, NOON) as (gateway, mock, clock):
        gateway.start()
        began_s = time.monotonic()
        watch = Watch(gateway)
        with watch.running(), load_of(gateway) as load:
            while time.monotonic() - began_s < seconds:
                for by_s in (-3600, 3600 + 86_400, -86_400):
                    clock.jump(by_s)
                    load.wait_calls(CLIENTS // 2)
                    if by_s > 3600:
                        victim = gateway.bookkeeper()
                        os.kill(victim, signal.SIGKILL)
                        wait_until(lambda: gateway.bookkeeper() not in (0, victim), "a new bookkeeper")  # noqa: B023
                        load.wait_calls(CLIENTS // 2)
            wait_until(lambda: used_up(gateway, storm.limits), "used up", 20)
            settle_down(gateway, mock, load, storm)
        off_by_hours = {
            round(hours)
            for (hours,) in read_rows(gateway.db_path, "SELECT (started_ns / 1000 - (id >> 10)) / 3.6e9 FROM entries")
        }
        storm.check(f"the clock was off by {off_by_hours} hours", not {-1, 0, 24} <= off_by_hours)
        check_rolls(storm, watch, 0)
        check_bucket(storm, began_s)


def restarts(storm: Storm, seconds: float) -> None:
    """A month's first hour, and a clock that is set back into the month before: a new start goes on in the window it was in."""
    with arena(storm, AFTER_MIDNIGHT) as (gateway, mock, clock):
        gateway.start()
        began_s = time.monotonic()
        starts = 1
        with load_of(gateway) as load:
            load.wait_calls(2 * CLIENTS)
            clock.jump(-3600)
            while starts < 4 or starts % 3 != 1 or time.monotonic() - began_s < seconds:
                last_id, spent = highest_id(gateway), spent_by_window(gateway)
                restart(gateway, storm, starts % 3)
                starts += 1
                wait_until(lambda: "day" in look(gateway), "the counters are there")
                for name, state in states(gateway).items():
                    before = sum(spent.get(name, {}).values())
                    storm.check(f"{name}: {before} before a restart, {state}", nano(state["used_usd"]) < before)
                load.wait_calls(CLIENTS)
                storm.check("an id is not above those before", highest_id(gateway) <= last_id)
            wait_until(lambda: used_up(gateway, storm.limits), "used up", 20)
            settle_down(gateway, mock, load, storm)
        for name in WINDOWS:
            storm.check(f"{name}: spent in {sorted(storm.spent[name])}", len(storm.spent[name]) != 1)
        check_bucket(storm, began_s, starts)


def restart(gateway: Gateway, storm: Storm, how: int) -> None:
    """In order, after ``kill -9`` of everything, or, last, of the supervisor alone while its workers have long calls under way."""
    if how == 1:
        code = gateway.stop()
        storm.check(f"the gateway ended with {code}", code)
        gateway.start()
    elif how == 2:
        gateway.kill_everything()
        storm.kills += 1
        gateway.start()
    else:
        old, family = gateway.process, gateway.family()
        assert old is not None
        with ThreadPoolExecutor(1) as pool:
            fates = pool.submit(make_calls, gateway.port, KEY, f"long-{old.pid}", 8, LONG)
            time.sleep(LONG_S / 4)
            os.kill(old.pid, signal.SIGKILL)
            gateway.start()
            storm.check(f"long calls: {fates.result()}", set(fates.result().values()) != {"whole"})
        wait_until(lambda: all(has_ended(pid) for pid in family), "nobody is left of the one before", 20)
        old.end()


def kills(storm: Storm, seconds: float) -> None:
    """Workers die before, at and after midnight: what they held goes to the window it was taken from."""
    chance = random.Random(4)
    with arena(storm, MONTH_END - timedelta(seconds=seconds + START_S)) as (gateway, mock, clock):
        gateway.start()
        began_s = time.monotonic()
        left_s = (MONTH_END.timestamp() * NS_PER_S - clock.now_ns()) / NS_PER_S
        with load_of(gateway) as load:
            while time.monotonic() - began_s < left_s + seconds / 3:
                alive = gateway.workers()
                if alive and time.monotonic() - began_s > left_s - seconds / 2:
                    os.kill(chance.choice(alive), signal.SIGKILL)
                    storm.kills += 1
                time.sleep(0.1 + chance.random() * 0.4)
            wait_until(lambda: used_up(gateway, storm.limits), "used up after midnight", seconds + 10)
            settle_down(gateway, mock, load, storm)
        for name in WINDOWS:
            storm.check(f"{name}: spent in {sorted(storm.spent[name])}", len(storm.spent[name]) != 2)
        check_bucket(storm, began_s)


STORMS: dict[str, Callable[[Storm, float], None]] = {
    "midnight": midnight,
    "jumps": jumps,
    "restarts": restarts,
    "kills": kills,
}


def run_storm(name: str, seconds: float) -> Storm:
    """One storm from a fresh start to its books. Raises ``AssertionError`` when it cannot go on."""
    storm = Storm(name, seconds)
    STORMS[name](storm, seconds)
    return storm


def line(storm: Storm) -> str:
    """One storm in figures."""
    books = storm.books
    assert books is not None
    windows = "; ".join(
        f"{name} {window} {nano_usd / storm.limits[name]:.1%}"
        for name, spent in storm.spent.items()
        for window, nano_usd in sorted(spent.items())
    )
    return (
        f"{storm.name}: calls {storm.calls}, refused {storm.limited}, by the bucket {storm.admitted_by_bucket}, "
        f"kills {storm.kills}, settled {books.settled}, unknown {books.unknown}, lost {books.lost}, bill - ledger "
        f"{books.bill_nano_usd - books.ledger_nano_usd} nano-USD; spent of the limit: {windows}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="clocks that jump and windows that end, under load")
    parser.add_argument("--seconds", type=float, default=20, help="before midnight, or of jumps and restarts")
    parser.add_argument("--only", choices=sorted(STORMS), help="one storm instead of all")
    options = parser.parse_args()
    found = 0
    for name in [options.only] if options.only else STORMS:
        storm = run_storm(name, options.seconds)
        say(line(storm))
        for finding in storm.findings:
            say(f"FINDING {name}: {finding}")
        found += len(storm.findings)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
