"""Fixtures of the wire tests: real processes, shared where a test can tell its own traffic apart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.wire.processes import MockProvider, running_mock_provider
from tests.wire.processes import free_port as find_free_port


@pytest.fixture(scope="session")
def mock_provider() -> Iterator[MockProvider]:
    """One recording mock for the whole run. A test finds its own rows with ``last_seq()`` and never resets it."""
    with running_mock_provider("--record") as mock:
        yield mock


@pytest.fixture
def free_port() -> int:
    return find_free_port()
