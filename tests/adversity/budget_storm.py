"""Budgets under load and kills: never over, never falsely refused, and counters that equal the ledger.

Each round has a budget that some of its calls fit. Clients call all at once, half of them streaming; in a round a worker may be
killed. The truth is the provider's bill.

    python -m tests.adversity.budget_storm --rounds 100 [--kills]

Exits with 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from fastgw.domain.money import NANO_PER_USD
from tests.adversity.gateway import ADMIN_TOKEN, KEY, WORKERS, Gateway, gateway_and_mock, wait_until
from tests.adversity.kill_storm import say
from tests.wire.processes import MockProvider, ask

CLIENTS = 200
ROOM = 37
WORDS = 10
MODELS = ("demo-openai/mock-small", "demo-anthropic/mock-small")
QUIET_S = 5.0


@dataclass
class Outcome:
    """What was measured; ``findings`` are broken promises."""

    rounds: int = 0
    admitted: int = 0
    refused: int = 0
    broken: int = 0
    overshoot_nano_usd: int = 0
    false_refusals: int = 0
    kills: int = 0
    slowest_release_s: float = 0.0
    findings: list[str] = field(default_factory=list)


def limits(rounds: int, limit_nano_usd: int) -> str:
    """A budget a round, chosen by metadata; without clamping, so that a call fits or does not."""
    usd = f"{limit_nano_usd // NANO_PER_USD}.{limit_nano_usd % NANO_PER_USD:09d}"
    return "".join(
        f"""
[[budgets]]
id = "round-{number}"
when = {{ metadata = {{ round = "{number}" }} }}
limit_usd = "{usd}"
window = "lifetime"
strict = true
clamp = false
"""
        for number in range(rounds)
    )


def body_of(number: int, *, streamed: bool) -> dict[str, Any]:
    """A call whose worst case and whose cost do not depend on who makes it."""
    model = f"{MODELS[number % 2]}+words={WORDS}+ttft_ms=20"
    return {
        "model": model,
        "max_tokens": WORDS,
        "stream": streamed,
        "messages": [{"role": "user", "content": "how much is left?"}],
    }


async def call(client: httpx.AsyncClient, gateway: Gateway, tag: str, number: int) -> int:
    """The status of one call, 0 when its connection broke."""
    path = "/v1/chat/completions" if number % 2 == 0 else "/v1/messages"
    headers = {"authorization": f"Bearer {KEY}", "x-fastgw-metadata": json.dumps({"round": tag}), "connection": "close"}
    try:
        answer = await client.post(
            f"http://127.0.0.1:{gateway.port}{path}", json=body_of(number, streamed=number % 4 < 2), headers=headers
        )
    except httpx.HTTPError:
        return 0
    return answer.status_code


def states(gateway: Gateway) -> dict[str, dict[str, Any]]:
    """Every counter, by its budget's id."""
    credential = {"authorization": f"Bearer {ADMIN_TOKEN}"}
    status, body = ask("127.0.0.1", gateway.admin_port, "GET", "/admin/api/limits", credential)
    assert status == 200, body
    return {state["id"]: state for state in json.loads(body)["budgets"]}


def nano(text: str) -> int:
    """A sum as the API shows it."""
    whole, _, part = text.partition(".")
    return int(whole) * NANO_PER_USD + int(part.ljust(9, "0") or 0)


async def play(gateway: Gateway, outcome: Outcome, rounds: int, *, kills: bool, chance: random.Random) -> None:
    """All rounds, one after the other."""
    timeout = httpx.Timeout(20)
    pool = httpx.Limits(max_connections=CLIENTS)
    async with httpx.AsyncClient(trust_env=False, timeout=timeout, limits=pool) as client:
        for number in range(rounds):
            calls = [asyncio.create_task(call(client, gateway, str(number), each)) for each in range(CLIENTS)]
            if kills:
                await asyncio.sleep(0.05 + chance.random() * 0.2)
                os.kill(chance.choice(gateway.workers()), signal.SIGKILL)
                outcome.kills += 1
            told = Counter(await asyncio.gather(*calls))
            outcome.rounds += 1
            outcome.admitted += told[200]
            outcome.refused += told[429]
            outcome.broken += told[0]
            if strange := {status for status in told if status not in (0, 200, 429)}:
                outcome.findings.append(f"round {number}: answers {strange}")
            if kills:
                await until_released(gateway, outcome, number)
            await fill(client, gateway, outcome, number)


async def until_released(gateway: Gateway, outcome: Outcome, number: int) -> None:
    """What the dead worker held is given back in time."""
    began_s = time.monotonic()
    while True:
        state = (await asyncio.to_thread(states, gateway)).get(f"round-{number}")
        if state is not None and state["reserved_usd"] == "0":
            break
        if time.monotonic() - began_s > QUIET_S:
            outcome.findings.append(f"round {number}: not released after {QUIET_S} s: {state}")
            break
        await asyncio.sleep(0.05)
    outcome.slowest_release_s = max(outcome.slowest_release_s, time.monotonic() - began_s)


async def fill(client: httpx.AsyncClient, gateway: Gateway, outcome: Outcome, number: int) -> None:
    """Whatever is left after quiet is used up call by call: who is refused then must really not fit."""
    while True:
        status = await call(client, gateway, str(number), 0)
        if status == 200:
            outcome.admitted += 1
        elif status == 429:
            return
        else:
            outcome.broken += 1


def worst_case(gateway: Gateway) -> int:
    """What one call of the first kind reserves, read from a refusal that names it."""
    headers = {"authorization": f"Bearer {KEY}", "x-fastgw-metadata": json.dumps({"round": "probe"})}
    answer = httpx.post(
        f"http://127.0.0.1:{gateway.port}/v1/chat/completions",
        json=body_of(0, streamed=False),
        headers=headers,
        trust_env=False,
    )
    message: str = answer.json()["error"]["message"]
    return nano(message.partition("this call may cost ")[2].split(";")[0].strip())


PROBE = """
[[budgets]]
id = "probe"
when = { metadata = { round = "probe" } }
limit_usd = 0
window = "lifetime"
strict = true
clamp = false
"""


def are_equal(found: dict[str, dict[str, Any]]) -> bool:
    """Whether every counter is the sum of its rows."""
    return all(state["ledger_usd"] == state["used_usd"] for state in found.values())


def check(gateway: Gateway, mock: MockProvider, outcome: Outcome, limit: int, worst: int) -> None:
    """After quiet: counters against ledger, ledger against limit and bill."""
    wait_until(lambda: are_equal(states(gateway)), "counters equal the ledger")
    found = states(gateway)
    for name, state in found.items():
        used, held = nano(state["used_usd"]), nano(state["reserved_usd"])
        if held:
            outcome.findings.append(f"{name}: {held} nano-USD are held after quiet")
        if used > limit:
            outcome.overshoot_nano_usd += used - limit
        if used + worst <= limit:
            outcome.false_refusals += 1
    total = sum(nano(state["used_usd"]) for state in found.values())
    billed = sum(row["cost_nano_usd"] for row in mock.bill()["rows"])
    # A call that a killed worker had under way is charged at its estimate, which is never less than what it was billed.
    if total < billed or (not outcome.kills and total != billed):
        outcome.findings.append(f"counters say {total}, the provider bills {billed}")
    if outcome.overshoot_nano_usd:
        outcome.findings.append(f"{outcome.overshoot_nano_usd} nano-USD over the limits")
    if outcome.false_refusals:
        outcome.findings.append(f"{outcome.false_refusals} budgets refused what would have fitted")


def run(rounds: int, *, kills: bool, seed: int = 1, workers: int = 4) -> Outcome:
    """One storm from a fresh start. Raises ``AssertionError`` when it cannot go on."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="fastgw-budget-") as name, gateway_and_mock(Path(name)) as (gateway, mock):
        plain = gateway.config.read_text().replace(f"workers = {WORKERS}", f"workers = {workers}")
        gateway.config.write_text(plain + PROBE)
        gateway.start()
        worst = worst_case(gateway)
        limit = ROOM * worst
        gateway.stop()
        gateway.config.write_text(plain + limits(rounds, limit))
        gateway.start()
        try:
            asyncio.run(play(gateway, outcome, rounds, kills=kills, chance=random.Random(seed)))
            check(gateway, mock, outcome, limit, worst)
        except AssertionError:
            if gateway.process is not None:
                sys.stderr.write(gateway.process.output[-4000:])
            raise
        if code := gateway.stop():
            outcome.findings.append(f"the gateway ended with {code}")
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description="budgets under load and kills")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--kills", action="store_true", help="kill a worker in each round")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    outcome = run(options.rounds, kills=options.kills, seed=options.seed)
    say(
        f"rounds {outcome.rounds}, admitted {outcome.admitted}, refused {outcome.refused}, broken {outcome.broken}, "
        f"kills {outcome.kills}, overshoot {outcome.overshoot_nano_usd} nano-USD, "
        f"false refusals {outcome.false_refusals}, slowest release {outcome.slowest_release_s:.2f} s"
    )
    for finding in outcome.findings:
        say(f"FINDING: {finding}")
    return int(bool(outcome.findings))


if __name__ == "__main__":
    sys.exit(main())
