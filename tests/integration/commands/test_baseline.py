"""A running project has its own proof as the baseline, and a rehearsal of its file takes it too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.integration.compose_project import Lab

pytestmark = pytest.mark.engine
COMMAND = str(Path(sys.executable).parent / "cloison")


def cloison(lab: Lab, *words: str) -> Any:
    """Run the command in the lab's folder."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("COMPOSE_")}
    return subprocess.run([COMMAND, *words], cwd=lab.folder, env=env, check=False, capture_output=True, text=True)


def test_what_the_last_proof_tolerates_passes_strictly_with_it_as_the_baseline(tiers: Lab) -> None:
    made = cloison(tiers, "prove", *tiers.selection.options, "--format", "json", "-o", "old.json")
    assert 0 == made.returncode, made.stderr

    for verb in ("prove", "rehearse"):
        again = cloison(tiers, verb, *tiers.selection.options, "--strict", "--baseline", "old.json")
        assert 0 == again.returncode, again.stderr
        assert "tolerated as in the baseline old.json; nothing is worse" in again.stderr

    proven = cloison(tiers, "prove", *tiers.selection.options, "--format", "json", "-o", "new.json")
    assert 0 == proven.returncode
    same = cloison(tiers, "diff", "old.json", "new.json")
    assert (0, "THE SAME") == (same.returncode, same.stdout[:8])
