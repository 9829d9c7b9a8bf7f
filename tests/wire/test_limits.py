"""Limits over real sockets: who is refused, what is said, and that the books agree with the budget."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest

from fastgw.domain.money import NANO_PER_USD, format_usd
from tests.adversity.gateway import children_of
from tests.wire import raw
from tests.wire.gateway import (
    KEY,
    KEYS,
    MODELS,
    OTHER_KEY,
    Gateway,
    check_books,
    mock_prices,
    mock_providers,
    running_gateway,
    server_section,
)
from tests.wire.processes import MockProvider

CALL = {"model": "chat", "max_tokens": 10, "messages": [{"role": "user", "content": "hello there"}]}


@contextlib.contextmanager
def limited(
    folder: Path,
    mock: MockProvider,
    limits: str,
    *,
    whole_life: bool = True,
    env: Mapping[str, str] | None = None,
    **server: float,
) -> Iterator[Gateway]:
    """``whole_life``: nobody was killed, and the ledger is new."""
    text = server_section(**server) + mock_providers(mock) + mock_prices() + KEYS + MODELS + limits
    with running_gateway(folder, text, env=env) as gateway:
        yield gateway
        if whole_life:
            check_books(gateway)


def ask(gateway: Gateway, key: str = KEY, body: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
    return httpx.post(
        f"{gateway.url}/v1/chat/completions",
        json={**CALL, **(body or {})},
        headers={"authorization": f"Bearer {key}", **{name.replace("_", "-"): text for name, text in headers.items()}},
        trust_env=False,
        timeout=20,
    )


def spent(gateway: Gateway) -> int:
    ((nano_usd,),) = gateway.query("SELECT coalesce(sum(cost_nano_usd), 0) FROM entries")
    assert isinstance(nano_usd, int)
    return nano_usd


def usd(nano_usd: int) -> str:
    return f'"{nano_usd // NANO_PER_USD}.{nano_usd % NANO_PER_USD:09d}"'


def test_a_rate_limit_refuses_with_the_time_to_wait(mock_provider: MockProvider, tmp_path: Path) -> None:
    limits = """
[[rate_limits]]
id = "three-a-minute"
limit = 3
unit = "requests_per_minute"
per = ["key"]
"""
    with limited(tmp_path, mock_provider, limits) as gateway:
        answers = [ask(gateway) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["x-ratelimit-remaining-requests"] for answer in answers[:3]] == ["2", "1", "0"]
        assert answers[0].headers["x-ratelimit-limit-requests"] == "3"
        assert answers[0].headers["x-fastgw-rules"] == "three-a-minute"
        refused = answers[3]
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        assert "`three-a-minute`" in refused.json()["error"]["message"]
        assert "key=wire" in refused.json()["error"]["message"]
        assert 17 < float(refused.headers["retry-after-ms"]) / 1000 <= 20
        assert refused.headers["retry-after"] == "20"
        assert refused.headers["x-fastgw-refused-by"] == "gateway"
        assert ask(gateway, OTHER_KEY).status_code == 200


def test_tokens_are_taken_by_estimate_and_corrected(mock_provider: MockProvider, tmp_path: Path) -> None:
    limits = '[[rate_limits]]\nid = "tokens"\nlimit = 1000\nunit = "tokens_per_day"\n'
    with limited(tmp_path, mock_provider, limits) as gateway:
        first = ask(gateway, body={"max_tokens": 900})
        assert int(first.headers["x-ratelimit-remaining-tokens"]) < 100
        assert first.json()["usage"]["total_tokens"] < 50
        second = ask(gateway, body={"max_tokens": 900})
        assert second.status_code == 200
        assert ask(gateway, body={"max_tokens": 2000}).json()["error"]["code"] == "request_exceeds_limit"


def test_slots_are_given_back(mock_provider: MockProvider, tmp_path: Path) -> None:
    limits = '[[rate_limits]]\nid = "two-at-once"\nlimit = 2\nunit = "concurrent_requests"\n'
    slow = {"model": "mock-openai/mock-small+ttft_ms=400"}
    with limited(tmp_path, mock_provider, limits) as gateway, ThreadPoolExecutor(6) as pool:
        statuses = [answer.status_code for answer in pool.map(lambda _: ask(gateway, body=slow), range(6))]
        assert sorted(statuses) == [200, 200, 429, 429, 429, 429]
        assert [ask(gateway).status_code for _ in range(3)] == [200] * 3


def test_a_budget_refuses_in_both_dialects_and_official_clients_do_not_wait(
    mock_provider: MockProvider, tmp_path: Path
) -> None:
    limits = '[[budgets]]\nid = "nothing"\nlimit_usd = 0\nwindow = "day"\nper = ["user"]\n'
    with limited(tmp_path, mock_provider, limits) as gateway:
        began_s = time.monotonic()
        with (
            openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=KEY) as asking,
            pytest.raises(openai.RateLimitError) as refused,
        ):
            asking.chat.completions.create(**CALL)  # type: ignore[call-overload]
        assert refused.value.code == "budget_exceeded"
        assert refused.value.response.headers["x-should-retry"] == "false"
        with (
            anthropic.Anthropic(base_url=gateway.url, api_key=KEY) as asking_too,
            pytest.raises(anthropic.RateLimitError) as refused_too,
        ):
            asking_too.messages.create(model="claude", max_tokens=10, messages=[{"role": "user", "content": "hello"}])
        body: Any = refused_too.value.body
        assert body["error"]["details"]["error_code"] == "budget_exceeded"
        assert "budget `nothing`" in body["error"]["message"]
        assert "resets at 2" in body["error"]["message"]
        assert time.monotonic() - began_s < 5
        assert spent(gateway) == 0


def test_calls_at_once_never_spend_more_and_none_that_fits_is_refused(
    mock_provider: MockProvider, tmp_path: Path
) -> None:
    """Each call takes all of its reservation's output, so that what is admitted is exactly what fits."""
    with limited(tmp_path, mock_provider, "") as gateway:
        cost = int(
            float(ask(gateway, body={"model": "mock-openai/mock-small+words=10"}).headers["x-fastgw-cost-usd"]) * 1e9
            + 0.5
        )
    room = 37
    limits = f'[[budgets]]\nid = "room"\nlimit_usd = {usd(room * 3 * cost)}\nwindow = "month"\nstrict = true\nclamp = false\n'
    folder = tmp_path / "limited"
    folder.mkdir()
    body = {"model": "mock-openai/mock-small+words=10+ttft_ms=300"}
    with limited(folder, mock_provider, limits, workers=2) as gateway, ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda _: ask(gateway, body=body), range(100)))
        refused = [answer for answer in answers if answer.status_code != 200]
        assert {answer.status_code for answer in refused} == {429}
        needed = {
            answer.json()["error"]["message"].partition("may cost ")[2].partition(" ")[0].rstrip(";")
            for answer in refused
        }
        worst = int(float(needed.pop()) * 1e9 + 0.5)
        assert not needed
        assert len(answers) - len(refused) >= room * 3 * cost // worst
        while ask(gateway, body=body).status_code == 200:
            pass
        assert room * 3 * cost - worst < spent_soon(gateway) <= room * 3 * cost


def spent_soon(gateway: Gateway) -> int:
    """The ledger's sum, once all rows are there."""
    deadline_s = time.monotonic() + 10
    while gateway.metrics()["fastgw_in_flight"] or (before := spent(gateway)) != (time.sleep(0.3), spent(gateway))[1]:
        assert time.monotonic() < deadline_s
    return before


def test_output_is_clamped_to_what_is_left(mock_provider: MockProvider, tmp_path: Path) -> None:
    limits = '[[budgets]]\nid = "small"\nlimit_usd = "0.000020"\nwindow = "lifetime"\n'
    with limited(tmp_path, mock_provider, limits) as gateway:
        answer = ask(gateway, body={"model": "mock-openai/mock-small+words=500", "max_tokens": 100_000})
        assert answer.status_code == 200
        cap = int(answer.headers["x-fastgw-clamped-max-tokens"])
        assert 0 < cap < 100_000
        assert answer.json()["usage"]["completion_tokens"] <= cap
        assert answer.json()["choices"][0]["finish_reason"] == "length"
        assert spent_soon(gateway) <= 20_000


TEAM_OVERRIDE = """
[[budgets]]
id = "testers"
group = "per-developer"
when = { subjects = ["team:testers"] }
limit_usd = 100
window = "day"
per = ["user"]
[[budgets]]
id = "everybody"
group = "per-developer"
limit_usd = 0
window = "day"
per = ["user"]
"""
SAFETY_NET = """
[[budgets]]
id = "each-user"
limit_usd = 10
window = "day"
per = ["user"]
[[budgets]]
id = "model-cap"
when = { models = ["mock-openai/mock-large"] }
limit_usd = 0
window = "month"
"""


def test_inside_a_group_the_first_match_governs(mock_provider: MockProvider, tmp_path: Path) -> None:
    with limited(tmp_path, mock_provider, TEAM_OVERRIDE) as gateway:
        mine, theirs = ask(gateway), ask(gateway, OTHER_KEY)
        assert (mine.status_code, theirs.status_code) == (200, 429)
        assert mine.headers["x-fastgw-rules"] == "testers, everybody;tracked"
        assert "`everybody`" in theirs.json()["error"]["message"]


def test_across_groups_all_must_allow(mock_provider: MockProvider, tmp_path: Path) -> None:
    with limited(tmp_path, mock_provider, SAFETY_NET) as gateway:
        assert ask(gateway).status_code == 200
        assert "`model-cap`" in ask(gateway, body={"model": "mock-openai/mock-large"}).json()["error"]["message"]


def test_a_killed_worker_gives_back_what_it_held(mock_provider: MockProvider, tmp_path: Path) -> None:
    limits = '[[rate_limits]]\nid = "one-at-a-time"\nlimit = 1\nunit = "concurrent_requests"\n'
    with limited(tmp_path, mock_provider, limits, whole_life=False) as gateway:
        stuck = threading.Thread(target=call_that_is_cut, args=(gateway,))
        stuck.start()
        deadline_s = time.monotonic() + 5
        while status(gateway) != 429:
            assert time.monotonic() < deadline_s
        for pid in workers_of(gateway):
            os.kill(pid, signal.SIGKILL)
        killed_s = time.monotonic()
        while status(gateway) != 200:
            assert time.monotonic() - killed_s < 5
            time.sleep(0.05)
        stuck.join()
        # The one row that nobody settled stays unknown, as it must.
        assert gateway.query("SELECT count(*) FROM entries WHERE outcome = 'unknown'") == [(1,)]


def call_that_is_cut(gateway: Gateway) -> None:
    # Whoever looks whether the slot is taken takes it now and then.
    while (found := status(gateway, "mock-openai/mock-small+ttft_ms=15000")) == 429:
        pass
    assert found == 0


def status(gateway: Gateway, model: str = "chat") -> int:
    """0 when there was no answer."""
    try:
        with raw.Wire(gateway.host, gateway.port) as wire:
            wire.send(raw.request(raw.chat(model=model), key=KEY))
            return wire.answer().status
    except OSError:
        return 0


def workers_of(gateway: Gateway) -> list[int]:
    bookkeeper = [
        pid
        for pid in children_of(gateway.process.pid)
        if any("ledger.db" in link for link in _files_of(pid) if link.endswith(".db"))
    ]
    return [pid for pid in children_of(gateway.process.pid) if pid not in bookkeeper]


def _files_of(pid: int) -> list[str]:
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(os.readlink(link))
    return found


def test_a_restart_remembers_what_was_spent(mock_provider: MockProvider, tmp_path: Path) -> None:
    limits = '[[budgets]]\nid = "small"\nlimit_usd = "0.000030"\nwindow = "month"\nper = ["key"]\nclamp = false\n'
    with limited(tmp_path, mock_provider, limits) as gateway:
        while ask(gateway).status_code == 200:
            pass
        before = spent_soon(gateway)
    with limited(tmp_path, mock_provider, limits, whole_life=False) as gateway:
        assert ask(gateway).status_code == 429
        assert spent(gateway) == before


def test_a_restart_gives_nobody_a_full_bucket(mock_provider: MockProvider, tmp_path: Path) -> None:
    limits = '[[rate_limits]]\nid = "few"\nlimit = 2\nunit = "requests_per_day"\n'
    with limited(tmp_path, mock_provider, limits) as gateway:
        assert [ask(gateway).status_code for _ in range(3)] == [200, 200, 429]
    with limited(tmp_path, mock_provider, limits, whole_life=False) as gateway:
        assert ask(gateway).status_code == 429


def test_a_caller_asks_how_its_limits_stand_and_why(mock_provider: MockProvider, tmp_path: Path) -> None:
    limits = """
[[budgets]]
id = "rolling"
limit_usd = 1
window = "rolling-24h"
per = ["user"]
[[rate_limits]]
id = "many"
limit = 100
unit = "requests_per_hour"
per = ["key"]
"""
    with limited(tmp_path, mock_provider, limits) as gateway:
        answer = ask(gateway, x_fastgw_user="ada", x_fastgw_explain="1")
        explained = answer.json()["fastgw"]["explain"]
        assert explained["target"] == "mock-openai/mock-small"
        assert [rule["id"] for rule in explained["rules"]] == ["rolling", "many"]
        cost = answer.headers["x-fastgw-cost-usd"]
        headers = {"authorization": f"Bearer {KEY}", "x-fastgw-user": "ada"}
        usage = httpx.get(f"{gateway.url}/v1/usage", headers=headers, trust_env=False).json()
        money, requests = usage["limits"]
        assert (money["scope"], money["used_usd"], money["reserved_usd"]) == ({"user": "ada"}, cost, "0")
        assert (requests["used"], requests["remaining"]) == (1, 99)
        assert "chat" in requests["models"]
        deadline_s = time.monotonic() + 10
        while not (admin := gateway.admin_json("/admin/api/limits"))["budgets"]:  # whom the ledger knows
            assert time.monotonic() < deadline_s
        assert [row["used_usd"] for row in admin["budgets"]] == [cost]
        assert [(row["id"], row["used"]) for row in admin["rate_limits"]] == [("many", 1)]


def test_a_budget_that_a_reload_adds_knows_what_was_spent_before(mock_provider: MockProvider, tmp_path: Path) -> None:
    slow = {"model": "mock-openai/mock-small+ttft_ms=3000"}
    with limited(tmp_path, mock_provider, "", workers=2) as gateway, ThreadPoolExecutor(4) as pool:
        cost = spent_after(gateway, [ask(gateway) for _ in range(6)])
        under_way = pool.submit(ask, gateway, body=slow)
        time.sleep(0.3)
        added = (
            f'\n[[budgets]]\nid = "late"\nwindow = "month"\nlimit_usd = {usd(cost * 2)}\nper = ["key"]\nclamp = false\n'
        )
        gateway.config.write_text(gateway.config.read_text() + added)
        deadline_s = time.monotonic() + 10
        while (
            not (rows := gateway.admin_json("/admin/api/limits")["budgets"])
            or rows[0]["used_usd"] != rows[0]["ledger_usd"]
        ):
            assert time.monotonic() < deadline_s, rows
            time.sleep(0.1)
        assert rows[0]["used_usd"] == format_usd(cost)
        assert under_way.result().status_code == 200
        while ask(gateway).status_code == 200:
            pass
        deadline_s = time.monotonic() + 10
        while True:
            (row,) = gateway.admin_json("/admin/api/limits")["budgets"]
            if row["used_usd"] == row["ledger_usd"] == format_usd(spent(gateway)):
                break
            assert time.monotonic() < deadline_s, row
            time.sleep(0.1)
        # The call that was under way was admitted before the budget was there; those after it only while they fitted.
        assert spent(gateway) <= cost * 2 + cost // 6 * 2


def spent_after(gateway: Gateway, answers: list[httpx.Response]) -> int:
    """What is in the ledger when these are."""
    deadline_s = time.monotonic() + 10
    while gateway.query("SELECT count(*) FROM entries WHERE outcome = 'settled'") != [(len(answers),)]:
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    return spent(gateway)
