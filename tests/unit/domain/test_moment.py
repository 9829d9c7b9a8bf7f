"""Moments as text."""

from __future__ import annotations

from fastgw.domain.moment import rfc3339


def test_moments() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00Z"
    assert rfc3339(1_790_000_000_999_999_999) == "2026-09-21T14:13:20Z"
