"""Walls that were taken away, or never made, on a machine beside this one, for a flush takes all of them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.engine.second_engine import COMMAND, DEFAULT_TIMEOUT, SecondEngine, flow_name, running

from cloison.model.outcome import Reach
from cloison.proof import schema as proof_schema
from cloison.proof.schema import Proof
from cloison.rehearse import idle_image

pytestmark = pytest.mark.engine
OPEN, SHUT = Reach.OPEN, Reach.SHUT
SUITE = "trixie"
IMAGE = "idle"
IMPORT = ("docker", "import", "--change", f'ENTRYPOINT ["/{idle_image.BINARY_NAME}"]', "-", IMAGE)
FLUSH = ("sh", "-c", "iptables -F && iptables -t nat -F && iptables -P FORWARD ACCEPT")
"""What a restart of a packet filter's own service does."""
FILE: dict[str, Any] = {
    "services": {
        name: {"image": IMAGE, "networks": [network], "expose": ["81"], "stop_grace_period": "0s"}
        for name, network in {"way": "plain", "guest": "other", "back": "inner"}.items()
    },
    "networks": {"plain": {}, "other": {}, "inner": {"internal": True}},
}
ISOLATED_FLOWS = ("outside -> way:{} on plain", "guest -> way:{} on plain", "way -> back:{} on inner")


def seen(proven: Proof, port: str) -> tuple[dict[str, Reach], set[bool]]:
    """Return the reach of each isolated flow, and whether the prediction differs."""
    reached = {name.format(port) for name in ISOLATED_FLOWS}
    found = [flow for flow in proven.flows if flow_name(proven, flow) in reached]
    assert reached == {flow_name(proven, flow) for flow in found}
    return {flow_name(proven, flow): flow.observed for flow in found}, {flow.drift for flow in found}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[tuple[SecondEngine, Path]]:
    """A project of idle containers that runs there."""
    file = tmp_path / "compose.json"
    file.write_text(json.dumps(FILE))
    with running(SUITE) as machine:
        architecture = machine.enter("docker", "version", "-f", "{{.Server.Arch}}").stdout.strip()
        layer = idle_image.layer(idle_image.PROCESSORS[architecture])
        subprocess.run(
            ["setup/second-engine.sh", "enter", SUITE, *IMPORT], check=True, input=layer, capture_output=True
        )
        up = machine.enter("docker", "compose", "-f", file, "-p", "bare", "up", "--detach")
        assert 0 == up.returncode, up.stderr
        yield machine, file


def test_a_flush_of_the_hosts_rules_is_seen_as_drift(project: tuple[SecondEngine, Path]) -> None:
    machine, file = project
    prove = (COMMAND, "prove", "-f", file, "-p", "bare", "--patience", DEFAULT_TIMEOUT, "--format", "json")
    before = proof_schema.parse(machine.enter(*prove).stdout.encode())
    assert 0 == machine.enter(*FLUSH).returncode
    after = proof_schema.parse(machine.enter(*prove).stdout.encode())

    reached, drift = seen(before, "*")
    assert ({SHUT}, {False}) == ({*reached.values()}, drift)
    reached, drift = seen(after, "*")
    assert OPEN is reached["guest -> way:* on plain"]
    assert OPEN is reached["outside -> way:* on plain"]
    assert True in drift
    assert (0, 1) == (before.verdict.exit_code, after.verdict.exit_code)


def test_an_engine_without_rules_isolates_nothing_and_is_a_finding(tmp_path: Path) -> None:
    with running(SUITE, "--iptables=false") as machine:
        proven = machine.rehearse(FILE, tmp_path)

    reached, _ = seen(proven, "81")
    assert OPEN is reached["guest -> way:81 on plain"]
    assert OPEN is reached["outside -> way:81 on plain"]
    assert "no-rules" in [finding.what for finding in proven.findings if finding.where == "engine"]
