"""Images that are built here are never pulled: and no registry can answer for their names."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
OWN = "localhost/cloison/"


def services(*files: str) -> dict[str, Any]:
    """Return the services that Compose resolves from files of the clone; no engine is asked."""
    chosen = [word for file in files for word in ("--file", str(ROOT / file))]
    words = ["docker", "compose", "--env-file", os.devnull, *chosen, "config", "--format", "json"]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)["services"]
    return found


@pytest.mark.parametrize(
    ("files", "own"),
    [
        (("compose.yml",), {"app"}),
        (("compose.yml", "compose.airgap.yml"), {"app", "db", "proxy"}),
        (("compose.yml", "compose.notify.yml"), {"app", "notifier"}),
    ],
    ids=["registry", "airgap", "notify"],
)
def test_an_image_that_is_built_here_is_never_pulled(files: tuple[str, ...], own: set[str]) -> None:
    resolved = services(*files)

    assert own == {name for name, service in resolved.items() if service["image"].startswith(OWN)}
    assert own == {name for name, service in resolved.items() if service.get("pull_policy") == "never"}
