"""Alerts over real sockets: a webhook that is slow to accept, and a mail server, behind a whole gateway."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

from aiohttp import web
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.wire.gateway import OTHER_KEY, Gateway
from tests.wire.processes import MockProvider, ask, free_port
from tests.wire.test_limits import ask as call
from tests.wire.test_limits import limited, spent_soon, usd

SECRET_PATH = "hook-canary-7fK2pQ"
PASSWORDLESS = (
    '[[alert_channels]]\nname = "mail"\nkind = "smtp"\nhost = "127.0.0.1"\ntls = "none"\nsender = "fastgw@localhost"\n'
)


class Hook:
    """A webhook that refuses the first ``refusals`` posts of each alert."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.posts: list[tuple[str, dict[str, Any]]] = []
        self.accepted: list[dict[str, Any]] = []
        self.port = 0

    async def take(self, request: web.Request) -> web.Response:
        key, body = request.headers["idempotency-key"], json.loads(await request.read())
        self.posts.append((key, body))
        if sum(key == other for other, _ in self.posts) <= self.refusals:
            return web.Response(status=503)
        self.accepted.append(body)
        return web.Response()

    @property
    def config(self) -> str:
        return '[[alert_channels]]\nname = "hook"\nkind = "webhook"\nurl = "env:FGW_HOOK"\n'

    @property
    def env(self) -> dict[str, str]:
        return {"FGW_HOOK": f"http://127.0.0.1:{self.port}/{SECRET_PATH}"}


@contextlib.contextmanager
def serving(hook: Hook) -> Iterator[Hook]:
    ready, stop = threading.Event(), threading.Event()

    async def main() -> None:
        app = web.Application()
        app.router.add_post(f"/{SECRET_PATH}", hook.take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", hook.port).start()
        hook.port = runner.addresses[0][1]
        ready.set()
        while not stop.is_set():
            await asyncio.sleep(0.02)
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield hook
    finally:
        stop.set()
        thread.join(10)


def soon(condition: Callable[[], object], within_s: float = 15) -> None:
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def shown(gateway: Gateway) -> list[dict[str, Any]]:
    status, body = ask(gateway.host, gateway.admin_port, "GET", "/admin/api/alerts", gateway._admin())
    assert status == 200
    found: list[dict[str, Any]] = json.loads(body)["alerts"]
    return found


def cost_of_a_call(folder: Path, mock: MockProvider) -> int:
    folder.mkdir()
    with limited(folder, mock, "") as gateway:
        assert call(gateway).status_code == 200
        return spent_soon(gateway)


def test_a_webhook_hears_of_each_threshold_once(mock_provider: MockProvider, tmp_path: Path) -> None:
    cost = cost_of_a_call(tmp_path / "one", mock_provider)
    with serving(Hook(refusals=2)) as hook:
        budget = f"""
[[budgets]]
id = "watched"
limit_usd = {usd(10 * cost)}
window = "month"
per = ["key"]
mode = "audit"
alerts = [0.2, 0.4, 0.5, 1.0]
"""
        text = budget + hook.config
        with limited(tmp_path, mock_provider, text, env=hook.env) as gateway:
            for _ in range(2):
                assert call(gateway).status_code == 200
            soon(lambda: len(hook.accepted) == 1)
            for _ in range(3):
                assert call(gateway).status_code == 200
            soon(lambda: len(hook.accepted) >= 2)
            (latest, *_), deadline_s = shown(gateway), time.monotonic() + 10
            while latest["deliveries"][0]["state"] != "delivered":
                assert time.monotonic() < deadline_s
                (latest, *_) = shown(gateway)
            # 0.4 may have been noticed before 0.5 was passed.
            assert [body["threshold"] for body in hook.accepted] in ([0.2, 0.5], [0.2, 0.4, 0.5])
            assert latest["deliveries"] == [{"channel": "hook", "state": "delivered", "attempts": 3, "problem": ""}]
            assert SECRET_PATH not in gateway.output
        first = hook.accepted[0]
        assert (first["kind"], first["rule"], first["scope"]) == ("budget_alert", "watched", {"key": "wire"})
        assert first["mode"] == "audit"
        assert first["resets_at"].endswith("-01T00:00:00Z")
        assert all(key == body["id"] for key, body in hook.posts)
        before = len(hook.posts)
        assert before == 3 * len(hook.accepted)
        with limited(tmp_path, mock_provider, text, whole_life=False, env=hook.env) as gateway:
            assert call(gateway).status_code == 200
            time.sleep(1.5)
            assert len(hook.posts) == before
            for _ in range(4):
                assert call(gateway).status_code == 200
            soon(lambda: hook.accepted[-1]["threshold"] == 1.0)
        assert len({body["id"] for body in hook.accepted}) == len(hook.accepted)


def test_what_was_not_delivered_is_after_a_restart(mock_provider: MockProvider, tmp_path: Path) -> None:
    hook = Hook()
    hook.port = free_port()
    text = '[[budgets]]\nid = "watched"\nlimit_usd = 0\nmode = "audit"\nwindow = "day"\nalerts = [1.0]\n' + hook.config
    with limited(tmp_path, mock_provider, text, env=hook.env) as gateway:
        assert call(gateway).status_code == 200
        soon(lambda: shown(gateway) and shown(gateway)[0]["deliveries"][0]["attempts"])
        (pending,) = shown(gateway)[0]["deliveries"]
        assert (pending["state"], pending["problem"]) == ("pending", "ClientConnectorError: Connection refused")
        assert call(gateway).status_code == 200
    with serving(hook), limited(tmp_path, mock_provider, text, whole_life=False, env=hook.env):
        soon(lambda: len(hook.accepted) == 1)
    assert len(hook.posts) == 1


class Inbox:
    def __init__(self) -> None:
        self.mails: list[bytes] = []

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802 - the library's name
        assert isinstance(envelope.content, bytes)
        self.mails.append(envelope.content)
        return "250 OK"


def test_mail(mock_provider: MockProvider, tmp_path: Path) -> None:
    inbox = Inbox()
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        channel = PASSWORDLESS + f'port = {controller.port}\nto = ["ops@localhost"]\n'
        budget = '[[budgets]]\nid = "mailed"\nlimit_usd = 0\nmode = "audit"\nwindow = "day"\nalerts = [0.5, 1.0]\n'
        with limited(tmp_path, mock_provider, budget + channel) as gateway:
            assert call(gateway).status_code == 200
            soon(lambda: inbox.mails)
    finally:
        controller.stop()
    (found,) = [message_from_bytes(each, policy=policy.default) for each in inbox.mails]
    assert found["Subject"].startswith("fastgw: budget `mailed` passed 100% of 0 USD a day: 0.0000")
    assert found["To"] == "ops@localhost"


def test_a_spike_is_told_once_and_known_after_a_restart(mock_provider: MockProvider, tmp_path: Path) -> None:
    anomaly = '[[anomalies]]\nid = "runaway"\nmax_multiple = 10\nmin_usd = "0.000000001"\n'
    with serving(Hook()) as hook:
        with limited(tmp_path, mock_provider, anomaly + hook.config, env=hook.env) as gateway:
            assert call(gateway).status_code == 200
            soon(lambda: hook.accepted)
            stopped = call(gateway)
            assert (stopped.status_code, stopped.json()["error"]["code"]) == (429, "spending_spike")
            assert stopped.headers["x-should-retry"] == "false"
            assert call(gateway, key=OTHER_KEY).status_code == 200
        with limited(tmp_path, mock_provider, anomaly + hook.config, whole_life=False, env=hook.env) as gateway:
            assert call(gateway).status_code == 429
            time.sleep(1)
            alert, other = reversed(shown(gateway))
            assert other["scope"] == {"key": "other"}
            assert (alert["kind"], alert["scope"], alert["times"]) == ("anomaly", {"key": "wire"}, 1)
            assert [each["state"] for each in alert["deliveries"]] == ["delivered"]
    assert len(hook.posts) == 2
    assert (hook.accepted[0]["reason"], hook.accepted[0]["usual_usd"]) == ("spend", "0")


def test_an_agent_in_a_loop_is_slowed_in_every_worker(mock_provider: MockProvider, tmp_path: Path) -> None:
    anomaly = '[[anomalies]]\nid = "loop"\nrepeats = 30\naction = "slow"\nslow_to_per_minute = 1\nfor_s = 60\nper = ["user"]\n'
    with limited(tmp_path, mock_provider, anomaly, workers=2) as gateway:
        answers = []
        while not answers or answers[-1].status_code == 200:
            answers.append(call(gateway, x_fastgw_user="agent"))
            assert len(answers) < 5000
        # One call a minute passes in all workers together.
        more = [call(gateway, x_fastgw_user="agent") for _ in range(8)]
        assert len(answers) > 30
        refused = [answer for answer in (answers[-1], *more) if answer.status_code != 200]
        assert len(refused) >= 8
        assert {answer.json()["error"]["code"] for answer in refused} == {"spending_spike"}
        assert all(0 < int(answer.headers["retry-after"]) <= 60 for answer in refused)
        # The same call by others, and another call of others, pass.
        assert call(gateway, x_fastgw_user="somebody").status_code == 200
