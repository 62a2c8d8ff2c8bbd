"""Fixtures of the tests that run on the real engine."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.stack.conftest import compose_files, run
from tests.integration.compose_project import IMAGE, POLICY, Lab, three_tiers
from tests.integration.prober_faults import logging_service

NUMBERS = itertools.count()


@pytest.fixture(scope="session", autouse=True)
def built() -> None:
    """The image of the small services."""
    build()


def build() -> None:
    """Have the image of the small services: the stack's own application, built when it is not there."""
    if run("docker", "image", "inspect", IMAGE, check=False).returncode != 0:
        run("docker", "compose", "build", "app", env=os.environ | {"COMPOSE_FILE": compose_files()})


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """An empty project that is taken away afterwards."""
    yield from labs(tmp_path)


@pytest.fixture(scope="module")
def tiers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The three tiers, up; a test puts back what it changes."""
    for made in labs(tmp_path_factory.mktemp("tiers")):
        made.up(three_tiers())
        yield made


@pytest.fixture(scope="module")
def logging_project(tiers: Lab) -> Lab:
    """The three tiers, with an app that hears TCP and UDP."""
    document = three_tiers()
    document["services"]["app"] = logging_service(
        ("tcp", 5000), ("udp", 5300), networks=["back"], expose=["5000", "5300/udp"]
    )
    document["x-cloison"] = POLICY | {"allow": [*POLICY["allow"], "proxy -> app:5300/udp"]}
    tiers.up(document, "--timeout", "0")
    return tiers


def labs(parent: Path, name: str = "lab") -> Iterator[Lab]:
    """Yield an empty project and take it away afterwards."""
    folder = parent / f"{name}{os.getpid()}x{next(NUMBERS)}"
    folder.mkdir()
    made = Lab(folder)
    try:
        yield made
    finally:
        if (folder / "compose.json").exists():
            made.compose("down", "--volumes", "--remove-orphans", "--timeout", "0")
