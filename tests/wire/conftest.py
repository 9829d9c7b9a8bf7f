"""Fixtures of the wire tests: real processes, shared where a test can tell its own traffic apart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.wire.gateway import (
    KEYS,
    MODELS,
    Gateway,
    check_books,
    mock_prices,
    mock_providers,
    running_gateway,
    server_section,
)
from tests.wire.processes import MockProvider, running_mock_provider
from tests.wire.processes import free_port as find_free_port


@pytest.fixture(scope="session")
def mock_provider() -> Iterator[MockProvider]:
    """One recording mock for the whole run. A test finds its own rows with ``last_seq()`` and never resets it."""
    with running_mock_provider("--record") as mock:
        yield mock


@pytest.fixture(scope="module")
def gateway(mock_provider: MockProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with ordinary settings in front of ``mock_provider``; a test finds its own rows by its request id."""
    text = server_section() + mock_providers(mock_provider) + mock_prices() + KEYS + MODELS
    with running_gateway(tmp_path_factory.mktemp("gateway"), text) as running:
        yield running
        check_books(running)


@pytest.fixture
def free_port() -> int:
    return find_free_port()
