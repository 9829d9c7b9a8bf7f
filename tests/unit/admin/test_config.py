"""Where the operators' door is."""

from __future__ import annotations

import msgspec
import pytest

from fastgw.admin.config import AdminConfig
from fastgw.domain.address import Address


def test_it_is_private_and_local_by_default() -> None:
    admin = AdminConfig()

    assert admin.address == Address("127.0.0.1", 8788)
    assert admin.token is None


def test_it_listens_where_it_is_told() -> None:
    assert AdminConfig(listen="[::1]:9").address == Address("::1", 9)


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"tokens": "env:A"}, AdminConfig)
