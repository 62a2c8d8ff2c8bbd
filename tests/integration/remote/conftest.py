"""Fixtures of the tests in which the command needs an agent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.project_fixtures import built, lab, tiers
from tests.integration.remote.engine_endpoints import EngineEndpoint, tcp, tls
from tests.integration.remote.ordinary_user import OrdinaryUser, ordinary_user

__all__ = ["built", "lab", "tiers"]


@pytest.fixture
def user() -> Iterator[OrdinaryUser]:
    """An ordinary user with access to the engine."""
    with ordinary_user() as made:
        yield made


@pytest.fixture
def over_tcp() -> Iterator[EngineEndpoint]:
    """The engine on a port of this machine, as another machine's would be."""
    with tcp() as made:
        yield made


@pytest.fixture
def over_tls(tmp_path: Path) -> Iterator[EngineEndpoint]:
    """The engine behind certificates, its own and the client's."""
    with tls(tmp_path) as made:
        yield made
