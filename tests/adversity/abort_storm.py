"""Clients that leave at every moment: one row a call, nothing held afterwards, and nobody pays less than was relayed to them.

Each client sends a call and goes away, by reset or by closing its side, after some of the answer: nothing, the head, the middle,
just before the usage, all of it; or it stays, and the provider misses a deadline, before its answer or within it. A budget and a
limit on concurrency govern every call.

    python -m tests.adversity.abort_storm --calls 10000 [--drain]

Exits with 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import re
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.adversity.books import read_rows
from tests.adversity.budget_storm import nano, states
from tests.adversity.gateway import KEY, Gateway, gateway_and_mock
from tests.adversity.kill_storm import say
from tests.adversity.load import Kind, request_bytes

AT_ONCE = 64
LATE_PHASE = 6
QUIET_S = 5.0
MODELS = ("demo-openai/mock-small+words=20+tps=2000", "demo-anthropic/mock-small+words=20+ttft_ms=5+tps=3000")
LATE = ("+ttft_ms=1500", "+tps=1")
"""What makes a mock miss the deadline of the first byte, and, in a stream, that of the next."""
DEADLINES = "first_byte_timeout_s = 0.3\nidle_timeout_s = 0.3\n"
PATHS = ("/v1/chat/completions", "/v1/messages")
WORD = re.compile(rb'"(?:content|text)":\s?"[^"]')
LIMITS = """
[[budgets]]
id = "all"
limit_usd = 1000
window = "lifetime"
[[rate_limits]]
id = "slots"
limit = 1000
unit = "concurrent_requests"
"""


@dataclass
class Outcome:
    """What was measured; ``findings`` are broken promises."""

    calls: int = 0
    rows: int = 0
    whole: int = 0
    estimated: int = 0
    late: int = 0
    underpaid: int = 0
    released_s: float = 0.0
    findings: list[str] = field(default_factory=list)


async def leave(port: int, call_id: str, number: int, chance: random.Random) -> int:
    """One call that is given up at a random moment. Returns how many words the client has seen."""
    streamed = number % 3 != 0
    phase = chance.randrange(7)
    model = MODELS[number % 2] if phase < LATE_PHASE else MODELS[number % 2].partition("+")[0] + chance.choice(LATE)
    request = request_bytes(Kind(PATHS[number % 2], model, streamed), KEY, call_id)
    head_bytes = request.index(b"\r\n\r\n") + 4
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = b""
    try:
        # The whole head is always sent: before it nobody can say whose call it is.
        writer.write(request if phase else request[: chance.randrange(head_bytes, len(request))])
        await writer.drain()
        wanted = (0, 0, 1, chance.randrange(5_000), chance.randrange(4_000, 9_000), 1 << 20, 1 << 20)[phase]
        async with asyncio.timeout(10):
            while len(received) < wanted and (data := await reader.read(4096)):
                received += data
                if b"0\r\n\r\n" in data or (not streamed and received):
                    break
        if phase == 1:
            await asyncio.sleep(chance.random() * 0.02)
        if chance.randrange(4) == 0 and writer.can_write_eof():
            writer.write_eof()
            await asyncio.sleep(0.002)
    except (OSError, TimeoutError):
        pass
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return len(WORD.findall(received)) if streamed else 0


async def play(gateway: Gateway, calls: int, seed: int) -> dict[str, int]:
    """All calls; returns the words that each client has seen."""
    chance = random.Random(seed)
    seen: dict[str, int] = {}
    waiting = list(range(calls))

    async def client() -> None:
        while waiting:
            number = waiting.pop()
            seen[f"abort-{number}"] = await leave(gateway.port, f"abort-{number}", number, chance)

    await asyncio.gather(*(client() for _ in range(AT_ONCE)))
    return seen


def run(calls: int, *, drain: bool, seed: int = 1) -> Outcome:
    """One storm from a fresh start. Raises ``AssertionError`` when it cannot go on."""
    outcome = Outcome(calls)
    with tempfile.TemporaryDirectory(prefix="fastgw-abort-") as name, gateway_and_mock(Path(name)) as (gateway, _):
        text = gateway.config.read_text() + LIMITS
        if drain:
            text = text.replace("[server]\n", '[server]\non_disconnect = "drain"\ndisconnect_drain_s = 3\n')
        text = re.sub(r"(\[providers\.[^\]]+\]\n)", rf"\g<1>{DEADLINES}", text)
        gateway.config.write_text(text)
        gateway.start()
        seen = asyncio.run(play(gateway, calls, seed))
        began_s = time.monotonic()
        rows: dict[str, tuple[int, str]] = {}
        while time.monotonic() - began_s < QUIET_S:
            state = states(gateway).get("all")
            found = read_rows(
                gateway.db_path, "SELECT request_id, output_tokens, usage_source, outcome, error_code FROM entries"
            )
            rows = {row[0]: (row[1], row[2]) for row in found if row[3] == "settled"}
            outcome.late = sum(row[4] == "provider_timeout" for row in found)
            outcome.rows = len(found)
            is_quiet = (
                state is not None and nano(state["reserved_usd"]) == 0 and state["used_usd"] == state["ledger_usd"]
            )
            if is_quiet and len(found) >= calls:
                break
            time.sleep(0.05)
        else:
            outcome.findings.append(f"not quiet after {QUIET_S} s: {outcome.rows} rows, {states(gateway).get('all')}")
        outcome.released_s = time.monotonic() - began_s
        missing = [call for call in seen if call not in rows]
        if outcome.rows != calls or missing:
            outcome.findings.append(
                f"{calls} calls, {outcome.rows} rows, {len(missing)} without a settled one: {missing[:5]}"
            )
        outcome.underpaid = sum(rows[call][0] < words for call, words in seen.items() if call in rows)
        outcome.estimated = sum(source == "estimated" for _, source in rows.values())
        outcome.whole = sum(source == "reported" for _, source in rows.values())
        if outcome.underpaid:
            outcome.findings.append(f"{outcome.underpaid} calls are charged for less than was relayed")
        if not outcome.late:
            outcome.findings.append("no provider missed a deadline")
        if code := gateway.stop():
            outcome.findings.append(f"the gateway ended with {code}")
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description="clients that leave at every moment")
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--drain", action="store_true", help='with on_disconnect = "drain"')
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    outcome = run(options.calls, drain=options.drain, seed=options.seed)
    say(
        f"calls {outcome.calls}, rows {outcome.rows}, usage reported {outcome.whole}, estimated {outcome.estimated}, "
        f"deadlines missed {outcome.late}, charged for less than relayed {outcome.underpaid}, "
        f"quiet after {outcome.released_s:.2f} s"
    )
    for finding in outcome.findings:
        say(f"FINDING: {finding}")
    return int(bool(outcome.findings))


if __name__ == "__main__":
    sys.exit(main())
