"""On macOS, the agent makes the proof that root makes on the engine's machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.compose_project import Lab
from tests.integration.same_proof import same_proof

from cloison.proof.schema import Proof, parse

pytestmark = pytest.mark.engine
SCRIPT = Path(__file__).parents[2] / "other_system.py"


def asked_on_macos(lab: Lab) -> Proof:
    """Prove a project with a command that has nothing of Linux."""
    words = ("prove", *lab.selection.options, "--format", "json", "--timeout", "0.4")
    done = subprocess.run(
        [sys.executable, SCRIPT, "darwin", *words], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode in (0, 1), done.stderr
    assert 1 == len(done.stderr.splitlines()), "the verdict alone"
    return parse(done.stdout.encode())


def test_a_command_without_linux_gets_roots_proof(tiers: Lab) -> None:
    same_proof(tiers.prove, lambda: asked_on_macos(tiers))
