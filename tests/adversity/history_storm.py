"""Rates and slots under load and kills, judged from outside: is there an order of the calls in which every answer was right?

Client processes call more often than limits let them and note when each call began, when it ended, and how. Now and then they
pause, so that buckets are full again; now and then a worker is killed. Afterwards ``tests.model.limit_history`` looks for the
order, counter by counter, and for refusals that nothing explains. A call whose client was told nothing took from its bucket if the
ledger has a row for it; else it may have, or not.

    python -m tests.adversity.history_storm --seconds 60

Exits with 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, NamedTuple

from tests.adversity.books import read_rows, settled_ids
from tests.adversity.gateway import KEY, WORKERS, Gateway, gateway_and_mock, wait_until
from tests.adversity.kill_storm import say
from tests.adversity.load import CALLS_A_CONNECTION, Kind, converse, request_bytes
from tests.model.limit_history import (
    Bucket,
    Span,
    false_refusals,
    false_refusals_of_slots,
    find_moments,
    most_at_once,
)

PROCESSES = 8
LANES = 4
"""Calls that a process makes at once."""
PAUSE_S = 0.05
SPAWN_S = 60.0
"""Within which all client processes are there."""
PHASE_S, ACTIVE_S = 2.5, 2.0
KILLING = (1, 4)
"""Of four phases the second has kills."""
KILL_EVERY_S = 0.5
COUNTERS = ("a", "b")
CLOCK_NS = 1_000
"""Request ids have whole microseconds: the moment that counts may be so much before the call."""
RELEASE_NS = 5_000_000_000
"""Until when what a dead worker held is given back."""
CALL_TOKENS = 126
"""What a call reserves: a third of its bytes of text, and the 100 that it asks for. The reasoning makes it use as many: then it
takes at one moment, and gives nothing back."""
SLOTS = 2
BUCKETS = {
    "requests": Bucket(40, 1_000_000_000, 12),
    "tokens": Bucket(30 * 60 * CALL_TOKENS, 60_000_000_000, 8 * CALL_TOKENS),
}
UNITS = {"requests": 1, "tokens": CALL_TOKENS}
MODELS = {
    "requests": "demo-openai/mock-small+words=2",
    "tokens": "demo-openai/mock-small+words=100+reasoning=19",
    "slots": "demo-openai/mock-small+words=2+ttft_ms=25",
}
LIMITS = f"""
[[rate_limits]]
id = "requests"
when = {{ metadata = {{ limit = "requests" }} }}
limit = {BUCKETS["requests"].limit}
unit = "requests_per_second"
burst = {BUCKETS["requests"].burst}
per = ["metadata.counter"]
[[rate_limits]]
id = "tokens"
when = {{ metadata = {{ limit = "tokens" }} }}
limit = {BUCKETS["tokens"].limit}
unit = "tokens_per_minute"
burst = {BUCKETS["tokens"].burst}
per = ["metadata.counter"]
[[rate_limits]]
id = "slots"
when = {{ metadata = {{ limit = "slots" }} }}
limit = {SLOTS}
unit = "concurrent_requests"
per = ["metadata.counter"]
"""


class Seen(NamedTuple):
    """One call as its client saw it."""

    call_id: str
    limit: str
    counter: str
    start_ns: int
    end_ns: int
    fate: str


@dataclass
class History:
    """The calls of one counter, by what became of them."""

    admitted: list[Span] = field(default_factory=list)
    refused: list[Span] = field(default_factory=list)
    perhaps: list[Span] = field(default_factory=list)
    held: list[Span] = field(default_factory=list)
    until_released: list[Span] = field(default_factory=list)


@dataclass
class Outcome:
    """What was measured. ``tight``: buckets whose history would not fit with a burst of one call less; ``keen``: counters of whose
    refusals some would be false with room for one call more; ``findings`` are broken promises."""

    fates: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    admitted: int = 0
    refused: int = 0
    perhaps: int = 0
    tight: int = 0
    keen: int = 0
    most_slots: int = 0
    findings: list[str] = field(default_factory=list)


class Schedule(NamedTuple):
    """When there are calls. Each phase ends with a pause."""

    began_s: float
    ends_s: float

    @classmethod
    def of_all(cls, ready: Barrier, seconds: float) -> Schedule:
        """That of all processes, which begin together once the last of them is there."""
        ready.wait(SPAWN_S)
        now_s = time.monotonic()
        return cls(now_s, now_s + seconds)

    def is_over(self) -> bool:
        return time.monotonic() >= self.ends_s

    @property
    def phase(self) -> int:
        """The number of the present one."""
        return int((time.monotonic() - self.began_s) // PHASE_S)

    def pause_s(self) -> float:
        """How long nobody is to call."""
        at_s = (time.monotonic() - self.began_s) % PHASE_S
        return 0.0 if at_s < ACTIVE_S else PHASE_S - at_s


def client_process(port: int, number: int, ready: Barrier, seconds: float, path: str) -> None:
    """One process of callers; what it saw is in the file at ``path`` when it ends."""
    seen: list[Seen] = []
    schedule = Schedule.of_all(ready, seconds)

    async def run() -> None:
        await asyncio.gather(*(_lane(port, number * LANES + lane, schedule, seen) for lane in range(LANES)))

    asyncio.run(run())
    Path(path).write_text(json.dumps(seen))


async def _lane(port: int, lane: int, schedule: Schedule, seen: list[Seen]) -> None:
    chance = random.Random(lane)
    made = 0
    while not schedule.is_over():
        await asyncio.sleep(schedule.pause_s())
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for _ in range(CALLS_A_CONNECTION):
                made += 1
                limit, counter = chance.choice(list(MODELS)), chance.choice(COUNTERS)
                call_id = f"h{lane:03d}-{made:06d}"
                start_ns = time.monotonic_ns()
                fate = await converse(reader, writer, KEY, call_id, _kind(limit, counter))
                seen.append(Seen(call_id, limit, counter, start_ns, time.monotonic_ns(), fate))
                await asyncio.sleep(chance.random() * 2 * PAUSE_S)
                if fate not in ("whole", "limited") or schedule.is_over() or schedule.pause_s():
                    break
        finally:
            writer.close()


def _kind(limit: str, counter: str) -> Kind:
    tags = f'x-fastgw-metadata: {{"limit":"{limit}","counter":"{counter}"}}\r\n'
    return Kind("/v1/chat/completions", MODELS[limit], streamed=False, more_headers=tags)


async def reserved_tokens(port: int) -> int:
    """What a call of tokens takes from a bucket that was full."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request_bytes(_kind("tokens", "probe"), KEY, "h000-000000"))
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    finally:
        writer.close()
    left = head.lower().partition("x-ratelimit-remaining-tokens: ")[2].partition("\r")[0]
    return BUCKETS["tokens"].burst - int(left)


@contextmanager
def callers(port: int, seconds: float, folder: Path) -> Iterator[tuple[Schedule, list[Path]]]:
    """Client processes; they have ended when the block is left."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(PROCESSES + 1)
    paths = [folder / f"client-{number}.json" for number in range(PROCESSES)]
    processes = [
        context.Process(target=client_process, args=(port, number, ready, seconds, str(path)))
        for number, path in enumerate(paths)
    ]
    for process in processes:
        process.start()
    try:
        yield Schedule.of_all(ready, seconds), paths
        for process in processes:
            process.join(60)
            assert process.exitcode == 0, f"a client process ended with {process.exitcode}"
    finally:
        for process in processes:
            process.kill()


def histories(
    gateway: Gateway, mock_rows: list[dict[str, Any]], seen: list[Seen], outcome: Outcome
) -> dict[str, History]:
    """By counter. Who was told nothing is in the ledger as admitted, as refused, or not at all."""
    found: dict[str, History] = defaultdict(History)
    rows = read_rows(gateway.db_path, "SELECT request_id, outcome, status, input_tokens + output_tokens FROM entries")
    took = {row[0]: row[1] == "unknown" or row[2] != 429 for row in rows}
    tokens = {row[0]: row[3] for row in rows}
    worked = {row["request_id"]: Span(row["opened_ns"], row["paced_ns"]) for row in mock_rows}
    for call in seen:
        history = found[f"{call.limit}-{call.counter}"]
        span = Span(call.start_ns - CLOCK_NS, call.end_ns)
        if call.fate == "limited":
            history.refused.append(span)
        elif call.fate == "whole":
            history.admitted.append(span)
            history.held.append(worked[call.call_id])
        elif took.get(call.call_id, True):
            (history.admitted if call.call_id in took else history.perhaps).append(span)
            history.until_released.append(Span(span.start_ns, span.end_ns + RELEASE_NS))
        if call.fate == "whole" and call.limit == "tokens" and tokens[call.call_id] != CALL_TOKENS:
            outcome.findings.append(f"{call.call_id} used {tokens[call.call_id]} tokens")
    return found


def judge(name: str, history: History, outcome: Outcome) -> None:
    """One counter."""
    outcome.admitted += len(history.admitted)
    outcome.refused += len(history.refused)
    outcome.perhaps += len(history.perhaps)
    limit = name.partition("-")[0]
    if limit == "slots":
        most = most_at_once(history.held)
        outcome.most_slots = max(outcome.most_slots, most)
        if most > SLOTS:
            outcome.findings.append(f"{name}: {most} slots of {SLOTS} were held at once")
        possible = history.admitted + history.until_released
        false = false_refusals_of_slots(history.refused, possible, SLOTS)
        outcome.keen += bool(false_refusals_of_slots(history.refused, possible, SLOTS + 1))
    else:
        bucket, units = BUCKETS[limit], UNITS[limit]
        possible = history.admitted + history.perhaps
        if find_moments(history.admitted, bucket, units) is None:
            outcome.findings.append(f"{name}: in no order do {len(history.admitted)} calls fit the bucket")
        false = false_refusals(history.refused, possible, bucket, units)
        less, more = (bucket._replace(burst=bucket.burst + step) for step in (-units, units))
        outcome.tight += find_moments(history.admitted, less, units) is None
        outcome.keen += bool(false_refusals(history.refused, possible, more, units))
    if false:
        outcome.findings.append(f"{name}: {len(false)} of {len(history.refused)} refusals are false: {false[:3]}")


def run(seconds: float, *, seed: int = 1, workers: int = 4) -> Outcome:
    """One storm from a fresh start. Raises ``AssertionError`` when it cannot go on."""
    outcome = Outcome()
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="fastgw-history-") as name, gateway_and_mock(Path(name)) as (gateway, mock):
        text = gateway.config.read_text().replace(f"workers = {WORKERS}", f"workers = {workers}")
        gateway.config.write_text(text + LIMITS)
        gateway.start()
        reserved = asyncio.run(reserved_tokens(gateway.port))
        assert reserved == CALL_TOKENS, f"a call reserves {reserved} tokens: set CALL_TOKENS and the reasoning to that"
        try:
            with callers(gateway.port, seconds, Path(name)) as (schedule, paths):
                while not schedule.is_over():
                    time.sleep(KILL_EVERY_S)
                    alive = gateway.workers()
                    if alive and not schedule.is_over() and schedule.phase % KILLING[1] == KILLING[0]:
                        os.kill(chance.choice(alive), signal.SIGKILL)
                        outcome.kills += 1
            seen = [Seen(*call) for path in paths for call in json.loads(path.read_text())]
            whole = {call.call_id for call in seen if call.fate == "whole"}
            wait_until(lambda: not whole - settled_ids(gateway.db_path), "every whole answer is in the ledger")
            code = gateway.stop()
        except AssertionError:
            if gateway.process is not None:
                sys.stderr.write(gateway.process.output[-4000:])
            raise
        if code:
            outcome.findings.append(f"the gateway ended with {code}")
        outcome.fates = Counter(call.fate for call in seen)
        if strange := set(outcome.fates) - {"whole", "limited", "cut", "unanswered"}:
            outcome.findings.append(f"calls ended as {strange}")
        for counter, history in sorted(histories(gateway, mock.bill()["rows"], seen, outcome).items()):
            judge(counter, history, outcome)
    return outcome


def line(outcome: Outcome) -> str:
    """The figures."""
    return (
        f"calls {sum(outcome.fates.values())} {dict(outcome.fates)}, kills {outcome.kills}; checked: admitted {outcome.admitted}, "
        f"refused {outcome.refused}, perhaps {outcome.perhaps}; most slots held {outcome.most_slots} of {SLOTS}; "
        f"{outcome.tight} of {2 * len(COUNTERS)} buckets would not fit with one call less, and with one more {outcome.keen} of "
        f"{3 * len(COUNTERS)} counters would refuse falsely"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="rates and slots under load and kills, judged from outside")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1, help="which worker dies when")
    options = parser.parse_args()
    outcome = run(options.seconds, seed=options.seed)
    say(line(outcome))
    for finding in outcome.findings:
        say(f"FINDING: {finding}")
    return int(bool(outcome.findings))


if __name__ == "__main__":
    sys.exit(main())
