"""Alerts over HTTP: as JSON to a webhook, as a line of text to Slack.

Invariant: one request an attempt. Redirects are not followed, answers not read: 2xx is delivered, anything else is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import aiohttp
import msgspec

from fastgw.alerts.channel import ATTEMPT_S, DeliveryError, failure_text
from fastgw.domain.alert import Alert
from fastgw.identity.secret import SecretText

_TIMEOUT = aiohttp.ClientTimeout(total=ATTEMPT_S)


def json_body(alert: Alert) -> bytes:
    """What a webhook gets."""
    return msgspec.json.encode(alert)


def slack_body(alert: Alert) -> bytes:
    """What an incoming webhook of Slack gets. Names that callers chose cannot mention anybody or make links:
    https://api.slack.com/reference/surfaces/formatting."""
    text = alert.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return msgspec.json.encode({"text": text})


class WebhookChannel:
    """Posts what ``body_of`` makes of an alert, with its id as ``idempotency-key``."""

    def __init__(
        self, url: SecretText, headers: Mapping[str, str], body_of: Callable[[Alert], bytes] = json_body
    ) -> None:
        self._url = url
        self._headers = {**headers, "content-type": "application/json"}
        self._body_of = body_of
        self._session: aiohttp.ClientSession | None = None

    async def deliver(self, alert: Alert) -> None:
        """One POST. Raises DeliveryError."""
        if self._session is None:
            # A connection that waits for hours for the next alert would be dead by then.
            self._session = aiohttp.ClientSession(
                timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(force_close=True)
            )
        headers = {**self._headers, "idempotency-key": alert.id}
        try:
            async with self._session.post(
                self._url.reveal(), data=self._body_of(alert), headers=headers, allow_redirects=False
            ) as answer:
                status = answer.status
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise DeliveryError(failure_text(error)) from None
        if not 200 <= status < 300:
            raise DeliveryError(f"it answered {status}")

    async def close(self) -> None:
        """End the session."""
        if self._session is not None:
            await self._session.close()
            self._session = None
