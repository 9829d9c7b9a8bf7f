"""Budgets of a day and of a month, and a bucket: their configuration, the calls they hold, their counters and their rows by window.

Invariant: which window a row belongs to is told by the calendar alone; nothing is asked of the code that is tested.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from http.client import HTTPException
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from fastgw.domain.money import NANO_PER_USD
from tests.adversity.books import read_rows
from tests.adversity.budget_storm import nano, states
from tests.adversity.gateway import KEY, Gateway
from tests.adversity.load import Kind, request_bytes

ZONE = ZoneInfo("Asia/Kolkata")
"""Five and a half hours from UTC: a window that began at midnight of UTC would be seen."""
WINDOWS = {"day": "%Y-%m-%d", "month": "%Y-%m"}
"""How the calendar names the windows of the two budgets."""
HOURLY, BURST = 60, 25
QUIET_S = 8.0
LONGEST_ID = 40
WORST = {"day": 1_760_000, "month": 88_200}
"""Nano-USD that a call of a budget reserves whose id is that long: of its text each byte is a token, and it may answer 100."""


def _tags(budget: str) -> str:
    return f'x-fastgw-metadata: {{"budget":"{budget}"}}\r\n'


def _kind(path: str, model: str, budget: str, *, streamed: bool = False, last_event: bytes = b"") -> Kind:
    return Kind(path, model, streamed, last_event, _tags(budget))


ROOMY = _tags("roomy")
"""The header of a call that a budget holds which is never used up."""
KINDS = (
    _kind("/v1/chat/completions", "demo-openai/mock-large+words=40+ttft_ms=15", "day"),
    _kind(
        "/v1/messages", "demo-anthropic/mock-small+words=40", "month", streamed=True, last_event=b"event: message_stop"
    ),
    _kind(
        "/v1/chat/completions",
        "demo-openai/mock-small+words=20+ttft_ms=150+tps=200",
        "roomy",
        streamed=True,
        last_event=b"data: [DONE]",
    ),
    _kind("/v1/messages", "demo-anthropic/mock-small+words=5+ttft_ms=5", "bucket"),
)
"""The first two have budgets that are soon used up, the third always has calls under way, the last is held by a bucket."""


def limits_text(limits: dict[str, int]) -> str:
    """Budgets and a bucket, chosen by metadata; without clamping, so that a call fits or does not."""
    budgets = "".join(
        f"""
[[budgets]]
id = "{name}"
when = {{ metadata = {{ budget = "{name}" }} }}
limit_usd = "{limit // NANO_PER_USD}.{limit % NANO_PER_USD:09d}"
window = "{"day" if name == "roomy" else name}"
strict = true
clamp = false
"""
        for name, limit in limits.items()
    )
    return f"""{budgets}
[[rate_limits]]
id = "bucket"
when = {{ metadata = {{ budget = "bucket" }} }}
limit = {HOURLY}
unit = "requests_per_hour"
burst = {BURST}
"""


def worst_cases(gateway: Gateway) -> dict[str, int]:
    """What a call of each budget may cost at most, read from refusals: its text is no longer than this call's."""
    worst = {}
    for name, kind in zip(WINDOWS, KINDS, strict=False):
        call_id = name.ljust(LONGEST_ID, "-")
        head, _, body = request_bytes(kind, KEY, call_id).partition(b"\r\n\r\n")
        lines = (line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        headers = {key: value for key, value in lines if key not in ("host", "content-length")}
        answer = httpx.post(
            f"http://127.0.0.1:{gateway.port}{kind.path}", content=body, headers=headers, trust_env=False, timeout=10
        )
        message: str = answer.json()["error"]["message"]
        worst[name] = nano(message.partition("this call may cost ")[2].split(";")[0].strip())
    return worst


def spent_by_window(gateway: Gateway) -> dict[str, dict[str, int]]:
    """What the ledger says was spent, by budget and window of the calendar."""
    found: dict[str, dict[str, int]] = {name: defaultdict(int) for name in WINDOWS}
    rows = read_rows(
        gateway.db_path,
        "SELECT json_extract(metadata, '$.budget'), id >> 10, cost_nano_usd FROM entries WHERE cost_nano_usd > 0",
    )
    for name, unix_us, cost in rows:
        if name in WINDOWS:
            moment = datetime.fromtimestamp(unix_us / 1e6, ZONE)
            found[name][moment.strftime(WINDOWS[name])] += cost
    return {name: dict(windows) for name, windows in found.items()}


def highest_id(gateway: Gateway) -> int:
    """Of all rows so far."""
    return int(read_rows(gateway.db_path, "SELECT coalesce(max(id), 0) FROM entries")[0][0])


def look(gateway: Gateway) -> dict[str, dict[str, Any]]:
    """The counters by budget; none while there is no bookkeeper to tell."""
    try:
        return states(gateway)
    except (OSError, HTTPException):
        return {}


def until_quiet(gateway: Gateway) -> None:
    """Wait until nothing is held, and every counter is the sum of its rows. Raises ``AssertionError`` with how they stand."""
    ends_s = time.monotonic() + QUIET_S
    while not (found := look(gateway)) or not all(
        state["reserved_usd"] == "0" and state["ledger_usd"] == state["used_usd"] for state in found.values()
    ):
        assert time.monotonic() < ends_s, (
            f"after {QUIET_S} s something is held, or a counter is not its ledger: {found}"
        )
        time.sleep(0.01)


def used_up(gateway: Gateway, limits: dict[str, int]) -> bool:
    """Whether the present windows have no room for a call of the worst kind."""
    found = look(gateway)
    return all(name in found and nano(found[name]["used_usd"]) > limits[name] - WORST[name] for name in WINDOWS)


class Watch:
    """Looks at the counters while the load runs: within a window they rise, and each window is seen to begin once."""

    def __init__(self, gateway: Gateway) -> None:
        self.windows: dict[str, list[int]] = defaultdict(list)
        self.falls: list[str] = []
        self._gateway = gateway
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")

    @contextlib.contextmanager
    def running(self) -> Iterator[Watch]:
        """Until the block is left."""
        self._thread.start()
        try:
            yield self
        finally:
            self._stopping.set()
            self._thread.join(20)

    def _run(self) -> None:
        used: dict[tuple[str, int], int] = {}
        while not self._stopping.wait(0.1):
            for name, state in look(self._gateway).items():
                window, now = (name, state["resets_ns"]), nano(state["used_usd"])
                if not self.windows[name] or self.windows[name][-1] != window[1]:
                    self.windows[name].append(window[1])
                if now < used.get(window, 0):
                    self.falls.append(f"{name}: {used[window]} fell to {now}")
                used[window] = now
