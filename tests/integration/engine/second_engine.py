"""An engine of another Debian suite in namespaces of its own: setup/second-engine.sh starts, enters and stops it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cloison.model.outcome import Reach
from cloison.proof import schema as proof_schema
from cloison.proof.schema import FlowPart, Proof

ROOT: Final = Path(__file__).resolve().parents[3]
COMMAND: Final = Path(sys.executable).with_name("cloison")
DEFAULT_TIMEOUT: Final = "0.4"


@dataclass(frozen=True, slots=True)
class SecondEngine:
    """The machine of a suite."""

    suite: str

    def setup(self, verb: str, *words: str) -> None:
        """Start or stop it."""
        done = subprocess.run(
            [ROOT / "setup/second-engine.sh", verb, self.suite, *words],
            check=False,
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert done.returncode == 0, done.stderr

    def enter(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command there."""
        return subprocess.run(
            [ROOT / "setup/second-engine.sh", "enter", self.suite, *words],
            check=False,
            capture_output=True,
            text=True,
            timeout=280,
        )

    def rehearse(self, document: dict[str, Any], folder: Path) -> Proof:
        """Rehearse a project there and return the proof, whatever its verdict."""
        file = folder / "compose.json"
        file.write_text(json.dumps(document))
        words = (
            "rehearse",
            "-f",
            file,
            "-p",
            folder.name.replace("_", ""),
            "--patience",
            DEFAULT_TIMEOUT,
            "--format",
            "json",
        )
        done = self.enter(COMMAND, *words)
        assert done.stdout, done.stderr
        return proof_schema.parse(done.stdout.encode())

    @property
    def state(self) -> Path:
        """Where setup/second-engine.sh keeps the number of the machine's first process."""
        return ROOT / ".cache/second-engine" / self.suite / "state"

    @property
    def data(self) -> Path:
        """Where its engine keeps its data."""
        return self.state.with_name("data")

    def first_process(self) -> int:
        """Return the number of its first process."""
        return int(self.state.read_text().split()[0])

    def processes(self) -> list[Path]:
        """Return what runs there, as directories of /proc: the engine's own processes, and those of its containers."""
        own, cgroup = Path(f"/proc/{self.first_process()}/ns/pid").readlink(), self.cgroup
        return [path for path in Path("/proc").iterdir() if path.name.isdecimal() and _holds(path, own, cgroup)]

    @property
    def cgroup(self) -> str:
        """The name of the cgroup below which its containers are."""
        return self.state.read_text().split()[2]


def _holds(process: Path, own: Path, cgroup: str) -> bool:
    try:
        return (process / "ns/pid").readlink() == own or cgroup in (process / "cgroup").read_text()
    except OSError:
        return False  # it has ended


@contextmanager
def running(suite: str, *flags: str) -> Iterator[SecondEngine]:
    """Have such a machine; `flags` are its dockerd's."""
    machine = SecondEngine(suite)
    machine.setup("start", *flags)
    try:
        answer = machine.enter("docker", "version", "--format", "{{.Server.Version}}")
        assert answer.returncode == 0, f"the engine of {suite} does not answer: {answer.returncode} {answer.stderr}"
        yield machine
    finally:
        machine.setup("stop")


def mismatches(proof: Proof) -> list[str]:
    """Tell of every flow on which prediction and engine do not say the same, or do not say."""
    unclear = (flow for flow in proof.flows if flow.drift or Reach.UNKNOWN in (flow.predicted, flow.observed))
    return [_said(proof, flow) for flow in unclear]


def flow_name(proof: Proof, flow: FlowPart) -> str:
    """Name a flow between places: `guest -> way:80 on plain`; a port is * for a canary."""
    source, end = proof.vantages[flow.vantage], proof.endpoints[flow.endpoint]
    where = (
        f" on {end.network.removeprefix(f'{proof.project.name}_')}" if end.network else " published" * bool(end.port)
    )
    return f"{source.place} -> {end.place}:{end.service_port or '*'}{where}"


def _said(proof: Proof, flow: FlowPart) -> str:
    found = f"predicted {flow.predicted} ({flow.rule}), observed {flow.observed} ({flow.evidence})"
    return f"{flow_name(proof, flow)}: {found}"
