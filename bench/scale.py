"""A synthetic project of many containers: how a proof grows."""

from __future__ import annotations

import json
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from bench.measure import Figure, median_seconds, prove, run, say
from cloison.proof import parse

CONTAINERS: Final = 40
NETWORKS: Final = 10
LISTEN: Final = "import socket, time; made = socket.create_server(('', 8000)); time.sleep(1e6)"


def document() -> dict[str, Any]:
    """Return the Compose file: a ring of networks, every service on two of them."""
    services = {
        f"s{number:02}": {
            "image": "cloison/ledger:latest",
            "entrypoint": ["python", "-c", LISTEN],
            "healthcheck": {"disable": True},
            "stop_grace_period": "0s",
            "networks": [f"n{number % NETWORKS}", f"n{(number + 1) % NETWORKS}"],
        }
        for number in range(CONTAINERS)
    }
    return {"name": "cloison-scale", "services": services, "networks": {f"n{i}": {} for i in range(NETWORKS)}}


@contextmanager
def running() -> Iterator[str]:
    """Have the synthetic project running; gives its file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "compose.json"
        path.write_text(json.dumps(document()))
        try:
            run("docker", "compose", "-f", str(path), "up", "-d", "--quiet-pull")
            yield str(path)
        finally:
            run("docker", "compose", "-f", str(path), "down", "-t", "0")


def figures() -> Iterator[Figure]:
    """Measure on the synthetic project."""
    say(f"a project of {CONTAINERS} containers on {NETWORKS} networks")
    with running() as path:
        ours = median_seconds(lambda: prove("-f", path), times=3)
        proof = parse(prove("-f", path).encode())
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    patience = proof.patience_ms / 1000
    told = f"{len(proof.flows)} flows in {ours:.2f} s, {memory:.0f} MB"
    what = f"proof of {CONTAINERS} containers on {NETWORKS} networks ÷ the one wait (lower is better)"
    yield Figure(what, told, f"{patience:.2f} s", ours / patience)
    each = 1e6 * (ours - patience) / len(proof.flows)
    yield Figure("all that is not waiting, a flow (µs)", f"{each:.0f} µs", "none", each)
