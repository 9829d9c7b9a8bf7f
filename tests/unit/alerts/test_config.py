"""Channels as TOML: shapes that are refused by themselves. What keys must agree on is `config/check_alerts`."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fastgw.alerts.config import DEFAULT_CHANNELS, AlertChannelRow


def row(**fields: Any) -> AlertChannelRow:
    return msgspec.convert({"name": "n", "kind": "smtp", **fields}, AlertChannelRow)


@pytest.mark.parametrize("address", ["ops@example.com", "a.b+c@[127.0.0.1]", "root@localhost"])
def test_addresses(address: str) -> None:
    assert row(sender=address, to=[address]).to == (address,)


@pytest.mark.parametrize(
    "address", ["ops", "@example.com", "ops@", "a b@example.com", "a@b\r\nBcc: c@d", "a@b,c@d", "A <a@b>", "ä@b"]
)
def test_what_is_no_address(address: str) -> None:
    for fields in ({"sender": address}, {"to": [address]}):
        with pytest.raises(msgspec.ValidationError):
            row(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "a b"},
        {"name": "n" * 65},
        {"kind": "fax"},
        {"port": 0},
        {"port": 65_536},
        {"host": "a b"},
        {"tls": "yes"},
        {"user": "a b"},
        {"headers": {"a b": "x"}},
        {"headers": {"a": "x\r\ny: z"}},
        {"colour": "red"},
    ],
)
def test_shapes_that_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        row(**fields)


def test_without_a_channel_there_is_the_log() -> None:
    assert [each.kind for each in DEFAULT_CHANNELS] == ["log"]
