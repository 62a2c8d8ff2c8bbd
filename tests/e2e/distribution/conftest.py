"""The distribution, built once for the session, and a project away from the clone."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e.distribution.builds import Distribution, build, locked_versions


@pytest.fixture(scope="session")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    """The distribution of this clone."""
    return build(tmp_path_factory.mktemp("dist"))


@pytest.fixture
def constraints(tmp_path: Path) -> Path:
    """The locked versions without their hashes, for installers that take no hashes beside a wheel."""
    return locked_versions(tmp_path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a Compose file and nothing else."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "compose.yml").write_text(
        "name: sample\n"
        "services:\n"
        "  web: {image: web, networks: [front]}\n"
        "  db: {image: db, networks: [back], expose: ['5432']}\n"
        "networks: {front: {internal: true}, back: {internal: true}}\n"
        "x-cloison: {allow: [], tolerate: [{flow: '* -> host', why: the bridge}]}\n"
    )
    return folder
