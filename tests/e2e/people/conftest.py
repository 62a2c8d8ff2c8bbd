"""The wheel, and a newcomer who has installed it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.e2e.distribution.builds import Distribution, build
from tests.e2e.people.newcomer import Newcomer, newcomer


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    """The distribution of this clone."""
    return build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory, wheel: Distribution) -> Newcomer:
    """Somebody who has just installed the command: one line, and its seconds."""
    return newcomer(tmp_path_factory.mktemp("newcomer"), wheel)


@pytest.fixture
def person(installed: Newcomer) -> Newcomer:
    """The same for each test, with counters of its own."""
    return replace(installed, said=[])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that is empty, and whose name Compose takes for a project."""
    made = tmp_path / "work"
    made.mkdir()
    return made
