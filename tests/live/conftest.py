"""Fixtures of the tests that run on the real engine."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.live.lab import Lab, three_tiers

NUMBERS = itertools.count()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """An empty project that is taken away afterwards."""
    yield from _lab(tmp_path)


@pytest.fixture(scope="module")
def tiers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The three tiers, up; a test puts back what it changes."""
    for made in _lab(tmp_path_factory.mktemp("tiers")):
        made.up(three_tiers())
        yield made


def _lab(parent: Path) -> Iterator[Lab]:
    folder = parent / f"lab{os.getpid()}x{next(NUMBERS)}"
    folder.mkdir()
    made = Lab(folder)
    try:
        yield made
    finally:
        if (folder / "compose.json").exists():
            made.compose("down", "--volumes", "--remove-orphans", "--timeout", "0")
