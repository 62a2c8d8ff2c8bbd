"""A small Compose project on the real engine, taken away whatever happens."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloison.engine.compose_cli import Selection
from cloison.proof.schema import FlowPart, Proof
from cloison.verdict.judge import Judgement
from cloison.workflow.prove import prove
from cloison.workflow.request import Request

IMAGE = "localhost/cloison/ledger:latest"
"""An image with Python that the stack has built already."""
DEFAULT_TIMEOUT = 0.4
WORST = (Judgement.BREACH, Judgement.BROKEN, Judgement.UNKNOWN, Judgement.TOLERATED, Judgement.UNJUDGED)


def service(
    *ports: int, address: str = "0.0.0.0", family: str = "AF_INET", datagrams: Sequence[int] = (), **more: Any
) -> dict[str, Any]:
    """Return a service that listens on `ports`, writes a line for every connection, and takes `datagrams` at ports."""
    code = (
        "import selectors, socket\n"
        "pool = selectors.DefaultSelector()\n"
        f"waiting = [socket.socket(socket.{family}, socket.SOCK_DGRAM) for _ in {datagrams!r}]\n"
        f"for made, port in zip(waiting, {datagrams!r}):\n"
        f"    made.bind(({address!r}, port))\n"
        f"for port in {ports!r}:\n"
        f"    made = socket.socket(socket.{family})\n"
        f"    made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1) if {family!r} == 'AF_INET6' else None\n"
        f"    made.bind(({address!r}, port)); made.listen()\n"
        "    pool.register(made, selectors.EVENT_READ)\n"
        "print('listening', flush=True)\n"
        "while True:\n"
        "    for key, _ in pool.select():\n"
        "        key.fileobj.accept()[0].close(); print('accepted', flush=True)\n"
    )
    body: dict[str, Any] = {
        "image": IMAGE,
        "entrypoint": ["python", "-c", code],
        "init": True,
        "stop_grace_period": "0s",
    }
    return body | {"healthcheck": {"disable": True}} | more


def three_tiers(**policy: Any) -> dict[str, Any]:
    """Return the walls of the stack with small services behind them."""
    return {
        "services": {
            "db": service(3306, networks=["back"], expose=["3306"]),
            "app": service(5000, networks=["back"], expose=["5000"]),
            "proxy": service(80, networks=["front", "back"], ports=["127.0.0.1::80", "198.19.255.1::80"]),
        },
        "networks": {"front": {}, "back": {"internal": True}},
        "x-cloison": policy or POLICY,
    }


POLICY: dict[str, Any] = {
    "allow": ["outside -> proxy:80", "proxy -> app:5000", "app -> db:3306"],
    "tolerate": [
        {"network": "back", "why": "no policy inside a network"},
        {"flow": "proxy -> outside", "why": "a published port needs it"},
        {"flow": "* -> host", "why": "every bridge has an address of the host's"},
    ],
}


def docker(*words: str) -> str:
    """Run docker and return what it printed."""
    done = subprocess.run(["docker", *words], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"docker {' '.join(words)}: {done.stderr}"
    return done.stdout.strip()


@dataclass(slots=True)
class Lab:
    """A project in a folder of its own; the folder's name is the project's."""

    folder: Path

    @property
    def name(self) -> str:
        """The project's name."""
        return self.folder.name

    @property
    def selection(self) -> Selection:
        """The project as the command takes it."""
        return Selection(files=(str(self.folder / "compose.json"),), project=self.name)

    def write(self, document: dict[str, Any]) -> None:
        """Write the Compose file; Compose reads JSON as the YAML that it is."""
        text = json.dumps(document).replace("$", "$$")
        (self.folder / "compose.json").write_text(text)

    @property
    def document(self) -> dict[str, Any]:
        """The Compose file."""
        found: dict[str, Any] = json.loads((self.folder / "compose.json").read_text().replace("$$", "$"))
        return found

    def compose(self, *words: str) -> str:
        """Run Compose on the project."""
        return docker("compose", *self.selection.options, *words)

    def up(self, document: dict[str, Any], *words: str) -> None:
        """Write the file, start it, and wait until every service listens."""
        self.write(document)
        self.compose("up", "--detach", *words)
        for container in self.containers():
            _wait_for_log(container)

    def containers(self) -> list[str]:
        """Return the names of the running containers."""
        return self.compose("ps", "--format", "{{.Name}}").split()

    def container(self, service_name: str) -> str:
        """Return the name of a service's first container."""
        return f"{self.name}-{service_name}-1"

    def prove(self, timeout: float = DEFAULT_TIMEOUT) -> Proof:
        """Prove the project."""
        return prove(Request(self.selection, timeout))


def _wait_for_log(container: str) -> None:
    with subprocess.Popen(["docker", "logs", "-f", container], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as log:
        assert log.stdout is not None
        first = log.stdout.readline()
        log.kill()
    assert first == b"listening\n", f"{container} said {first!r}"


def judgements(proof: Proof) -> dict[tuple[str, str], Judgement]:
    """Return the worst word about every door: (source, "target:port"), with * for the canary."""
    found: dict[tuple[str, str], Judgement] = {}
    for flow in proof.flows:
        key = (proof.vantages[flow.vantage].place, pair_of(proof, flow))
        found[key] = min(found.get(key, Judgement.HOLDS), flow.judgement, key=_badness)
    return found


def pair_of(proof: Proof, flow: FlowPart) -> str:
    """Return where a flow ends, as people write it."""
    end = proof.endpoints[flow.endpoint]
    return f"{end.place}:{end.service_port or '*'}"


def _badness(word: Judgement) -> int:
    return WORST.index(word) if word in WORST else len(WORST)


def failures(proof: Proof) -> dict[tuple[str, str], set[str]]:
    """Return the causes of every breach and the outcomes of every broken or unknown door."""
    found: dict[tuple[str, str], set[str]] = {}
    for flow in proof.flows:
        if flow.judgement in (Judgement.BREACH, Judgement.BROKEN, Judgement.UNKNOWN):
            word = str(flow.cause) if flow.cause else str(flow.judgement)
            found.setdefault((proof.vantages[flow.vantage].place, pair_of(proof, flow)), set()).add(word)
    return found


@contextmanager
def rule(*words: str) -> Iterator[None]:
    """Have a firewall rule in the host's tables: `rule("-t", "nat", "DOCKER-USER", "-j", "ACCEPT")`."""
    table, words = (words[:2], words[2:]) if words[0] == "-t" else ((), words)
    subprocess.run(["iptables", "--wait", *table, "-I", *words], check=True)
    try:
        yield
    finally:
        subprocess.run(["iptables", "--wait", *table, "-D", *words], check=True)
