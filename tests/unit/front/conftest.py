from __future__ import annotations

from tests.unit.gateway.conftest import play

__all__ = ["play"]
