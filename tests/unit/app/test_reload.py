"""A reload changes what it can, and refuses by name what only a restart can change."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastgw.app.reload import refuse_fixed_changes
from fastgw.config.load import load
from fastgw.config.root import Settings
from fastgw.domain.errors import ConfigError
from tests.unit.app.settings_text import ENV, PROVIDER_AND_KEY

TEXT = (
    """
[server]
listen = "127.0.0.1:1"
[admin]
listen = "127.0.0.1:2"
[ledger]
url = "sqlite:a.db"
"""
    + PROVIDER_AND_KEY
)


def settings(old: str = "", new: str = "") -> Settings:
    return load(TEXT.replace(old, new) if old else TEXT, ENV, Path())


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("127.0.0.1:1", "127.0.0.1:3", "server.listen"),
        ("[admin]", "workers = 2\n[admin]", "server.workers"),
        ("127.0.0.1:2", "127.0.0.1:4", "admin.listen"),
        ("a.db", "b.db", "ledger"),
        ("[providers", "retention_days = 1\n[providers", "ledger"),
    ],
)
def test_what_belongs_to_the_start_is_refused(old: str, new: str, path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        refuse_fixed_changes(settings(), settings(old, new))
    assert str(caught.value).startswith(f"{path}: expected the value the gateway was started with")


@pytest.mark.parametrize(
    ("old", "new"),
    [("[admin]", "drain_s = 1\n[admin]"), ("[[keys]]", '[[teams]]\nname = "t"\n[[keys]]'), ("9/v1", "8/v1")],
)
def test_everything_else_may_change(old: str, new: str) -> None:
    changed = settings(old, new)
    assert changed != settings()
    refuse_fixed_changes(settings(), changed)
