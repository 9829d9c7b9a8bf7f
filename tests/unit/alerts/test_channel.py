"""The log as a channel, and what is said of failures."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket

import pytest

from fastgw.alerts.channel import LogChannel, failure_text
from tests.unit.domain.test_alert import alert


def test_the_log_gets_a_line(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        channel = LogChannel()
        await channel.deliver(alert())
        await channel.close()

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    (record,) = caplog.records
    assert record.getMessage() == f"{alert().text} (alert {alert().id})"
    assert (record.name, record.levelno) == ("fastgw.alerts", logging.WARNING)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "to 10.0.0.1"), "ConnectionRefusedError: Connection refused"),
        (socket.gaierror(socket.EAI_NONAME, "hooks.example.com"), "gaierror"),
        (TimeoutError(), "TimeoutError"),
        (ValueError("https://hooks.example.com/s3cret"), "ValueError"),
        (OSError("https://hooks.example.com/s3cret"), "OSError"),
    ],
)
def test_a_failure_is_named_without_what_it_speaks_of(error: Exception, text: str) -> None:
    assert failure_text(error) == text
