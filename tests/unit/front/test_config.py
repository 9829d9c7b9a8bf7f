"""Limits of the door have defaults, hard ranges, and bytes and nanoseconds behind them."""

from __future__ import annotations

from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from fastgw.domain.address import Address
from fastgw.front.config import ServerConfig


def test_units() -> None:
    server = ServerConfig()

    assert server.address == Address("127.0.0.1", 8787)
    assert server.max_head_bytes == 65_536
    assert server.max_body_bytes == 33_554_432
    assert server.head_timeout_ns == 10 * 10**9
    assert server.body_timeout_ns == 60 * 10**9
    assert server.keep_alive_ns == 75 * 10**9
    assert server.drain_ns == 30 * 10**9


@pytest.mark.parametrize(
    "fields",
    [
        {"workers": 0},
        {"workers": 1.5},
        {"workers": "1"},
        {"max_body_mib": 0},
        {"max_body_mib": 10**9},
        {"max_head_kib": 0},
        {"max_headers": 7},
        {"max_connections": 0},
        {"head_timeout_s": 0},
        {"body_timeout_s": float("nan")},
        {"keep_alive_s": float("inf")},
        {"drain_s": -1},
        {"timezone": ""},
    ],
)
def test_no_limit_can_be_switched_off(fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(fields, ServerConfig)


def test_utc_needs_no_database() -> None:
    assert ServerConfig().zone is UTC
    assert msgspec.convert({"timezone": "Europe/Berlin"}, ServerConfig).zone == ZoneInfo("Europe/Berlin")


def test_draining_may_be_skipped() -> None:
    assert msgspec.convert({"drain_s": 0}, ServerConfig).drain_ns == 0
