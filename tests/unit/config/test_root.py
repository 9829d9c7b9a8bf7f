"""The root only composes."""

from __future__ import annotations

import msgspec
import pytest

from fastgw.config.root import Settings


def test_everything_has_a_default_but_nothing_is_configured() -> None:
    settings = msgspec.convert({}, Settings)

    assert settings == Settings()
    assert settings.providers == {}
    assert settings.keys == settings.users == settings.teams == settings.models == ()


def test_an_unknown_section_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="budget"):
        msgspec.convert({"budget": []}, Settings)
