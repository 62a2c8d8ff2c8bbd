"""Every line of docs/json.md prints what the page shows: on a stored proof, and on the plan of the quickstart."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Final

import pytest
from tests.unit.docs.page_examples import planned, sessions, text

from cloison.proof.schema import canonical

PROOF: Final = Path(__file__).parents[1] / "proof" / "stored" / "breach.json"
PAGE: Final = text("json.md")
EXAMPLES: Final = re.findall(
    r"^```console jq\n\$ (jq .*?(?:proof|plan)\.json)\n(.*?)```$", PAGE, re.MULTILINE | re.DOTALL
)
CONDITIONS: Final = re.findall(r"\| `(jq -e .*?)` \|$", PAGE, re.MULTILINE)
WITH_POLICY: Final = "cloison plan -f compose.yaml -f policy.yaml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with proof.json and plan.json."""
    made = tmp_path_factory.mktemp("documents")
    (made / "proof.json").write_bytes(PROOF.read_bytes())
    (made / "plan.json").write_bytes(canonical(planned("quickstart.md", WITH_POLICY).plan))
    return made


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(shlex.split(command), cwd=folder, capture_output=True, text=True, timeout=20, check=False)


def test_the_page_has_examples() -> None:
    assert (13, 5) == (len(EXAMPLES), len(CONDITIONS))
    assert WITH_POLICY in [command for command, _ in sessions("quickstart.md")]


@pytest.mark.parametrize(("command", "printed"), EXAMPLES, ids=[command[:60] for command, _ in EXAMPLES])
def test_a_line_prints_what_the_page_shows(command: str, printed: str, folder: Path) -> None:
    done = run(command, folder)

    assert ("", 0) == (done.stderr, done.returncode)
    assert printed == done.stdout


@pytest.mark.parametrize("command", CONDITIONS)
def test_a_condition_of_the_page_is_answered(command: str, folder: Path) -> None:
    proof = json.loads(PROOF.read_text())
    truth = {
        "coverage": True,
        "policy": True,
        "totals.drift": proof["totals"]["drift"] == 0,
        "totals.tolerated": proof["totals"]["tolerated"] == 0,
        "findings": True,
    }
    (expected,) = [value for name, value in truth.items() if f".{name}" in command]

    assert (not expected) == run(command, folder).returncode
