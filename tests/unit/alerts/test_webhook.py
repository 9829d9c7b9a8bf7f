"""Webhooks over real sockets: what is sent, and what counts as received."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from aiohttp import ClientTimeout, web

from fastgw.alerts import webhook
from fastgw.alerts.channel import DeliveryError
from fastgw.alerts.webhook import WebhookChannel, json_body, slack_body
from fastgw.domain.alert import Alert
from fastgw.identity.secret import SecretText
from tests.unit.domain.test_alert import alert

Seen = list[tuple[dict[str, str], bytes]]


def secret(url: str) -> SecretText:
    return SecretText(url, "env:HOOK")


def received(
    status: int, use: Callable[[str], Awaitable[None]], headers: dict[str, str] | None = None, delay_s: float = 0
) -> Seen:
    """Run a server that answers ``status``, and ``use`` it by its address."""
    seen: Seen = []

    async def take(request: web.Request) -> web.Response:
        seen.append(({name.lower(): text for name, text in request.headers.items()}, await request.read()))
        await asyncio.sleep(delay_s)
        return web.Response(status=status, headers=headers, body=b"x" * 1000)

    async def main() -> None:
        app = web.Application()
        app.router.add_post("/s3cret", take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            await use(f"http://127.0.0.1:{runner.addresses[0][1]}/s3cret")
        finally:
            await runner.cleanup()

    asyncio.run(main())
    return seen


def delivering(channel_of: Callable[[str], WebhookChannel], alerts: list[Alert]) -> Callable[[str], Awaitable[None]]:
    async def use(url: str) -> None:
        channel = channel_of(url)
        try:
            for each in alerts:
                await channel.deliver(each)
        finally:
            await channel.close()

    return use


@pytest.mark.parametrize("status", [200, 204, 299])
def test_an_alert_is_posted_with_its_id(status: int) -> None:
    def channel_of(url: str) -> WebhookChannel:
        return WebhookChannel(secret(url), {"X-Team": "platform"})

    seen = received(status, delivering(channel_of, [alert(), alert(id="a2")]))
    (headers, body), (other, _) = seen
    assert msgspec.json.decode(body, type=Alert) == alert()
    assert headers["x-team"] == "platform"
    assert headers["content-type"] == "application/json"
    assert (headers["idempotency-key"], other["idempotency-key"]) == ("a1-900000", "a2")


@pytest.mark.parametrize("status", [300, 302, 400, 404, 429, 500])
def test_any_other_answer_is_no_receipt_and_redirects_lead_nowhere(status: int) -> None:
    async def use(url: str) -> None:
        with pytest.raises(DeliveryError, match=f"^it answered {status}$"):
            await delivering(lambda url: WebhookChannel(secret(url), {}), [alert()])(url)

    assert len(received(status, use, {"location": "/s3cret"})) == 1


def test_nobody_there_and_nobody_answering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "_TIMEOUT", ClientTimeout(total=0.1))

    async def use(url: str) -> None:
        with pytest.raises(DeliveryError, match="TimeoutError") as late:
            await delivering(lambda url: WebhookChannel(secret(url), {}), [alert()])(url)
        with pytest.raises(DeliveryError, match=r"^ClientConnectorError: Connection refused$") as absent:
            await delivering(lambda _: WebhookChannel(secret("http://127.0.0.1:1/s3cret"), {}), [alert()])(url)
        with pytest.raises(DeliveryError) as odd:
            await delivering(lambda _: WebhookChannel(secret("http://[s3cret"), {}), [alert()])(url)
        for caught in (late, absent, odd):
            assert "s3cret" not in str(caught.value)

    received(200, use, delay_s=1)


def test_slack_gets_a_line_in_which_nobody_is_mentioned() -> None:
    body = msgspec.json.decode(slack_body(alert(scope={"user": "<!channel> & <http://x|y>"})))
    assert list(body) == ["text"]
    assert "for user=&lt;!channel&gt; &amp; &lt;http://x|y&gt; passed 90%" in body["text"]
    assert json_body(alert()) != slack_body(alert())
