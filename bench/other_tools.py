"""Benchmarks of a proof against other tools that answer the same questions: docker exec and nmap."""

from __future__ import annotations

import subprocess
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from bench.measure import Figure, median_seconds, prove, run, say, seconds
from cloison.proof.schema import Proof, parse

UNUSED_PORT: Final = 1
"""The port that `docker exec` probes in place of a canary: a refused connection counts as open."""
NMAP_LIMIT: Final = 60
"""Seconds after which nmap gives up on an address: one that drops packets would take many minutes."""
CONNECT_COMMANDS: Final = {
    "bash": "timeout 1 bash -c '</dev/tcp/{address}/{port}'",
    "nc": "nc -w 1 {address} {port} </dev/null",
    "python": "python -c 'import socket; socket.create_connection((\"{address}\", {port}), 1)'",
}
"""The command for a manual check in a container, by the tool in its image; each waits one second."""


def figures() -> Iterator[Figure]:
    """Measure on the running stack."""
    say("the proof of the stack, five times")
    ours = median_seconds(prove)
    proof = parse(prove().encode())
    patience = proof.patience_ms / 1000
    probes = f"{len(proof.flows)} flows in {ours:.2f} s"
    yield Figure("proof ÷ the one wait for silence (lower is better)", probes, f"{patience:.2f} s", ours / patience)
    say("the same questions by docker exec, one by one")
    count, theirs = measure_docker_exec(proof)
    yield Figure("`docker exec`, one by one ÷ proof", probes, f"{count} of them in {theirs:.1f} s", theirs / ours, 30)
    say("nmap on all ports, from each namespace")
    places, theirs = measure_nmap(proof)
    summary = f"all ports of {places} addresses in {theirs:.0f} s, {NMAP_LIMIT} s an address at most"
    yield Figure("`nmap -p-` from each namespace ÷ proof", probes, summary, theirs / ours, 50, at_least=True)


def measure_docker_exec(proof: Proof) -> tuple[int, float]:
    """Check the flows by running a tool inside each container; return the number of checks and the seconds."""
    tools = {container: _tool(container) for container in _containers(proof)}
    probes = [
        (vantage.container, end.address, end.port or UNUSED_PORT)
        for flow in proof.flows
        if (vantage := proof.vantages[flow.vantage]).container and (end := proof.endpoints[flow.endpoint]).address
    ]

    def ask() -> None:
        for container, address, port in probes:
            words = CONNECT_COMMANDS[tools[container]].format(address=address, port=port)
            subprocess.run(["docker", "exec", container, "sh", "-c", words], capture_output=True, check=False)

    return len(probes), seconds(ask)


def _containers(proof: Proof) -> list[str]:
    return [vantage.container for vantage in proof.vantages if vantage.container]


def _tool(container: str) -> str:
    for tool in CONNECT_COMMANDS:
        found = subprocess.run(["docker", "exec", container, tool, "--help"], capture_output=True, check=False)
        if found.returncode in (0, 1):
            return tool
    raise SystemExit(f"{container} has none of {', '.join(CONNECT_COMMANDS)}: nothing to compare with")


def measure_nmap(proof: Proof) -> tuple[int, float]:
    """Scan the targets of each container's flows; return the number of addresses and the seconds."""
    targets: dict[str, set[str]] = defaultdict(set)
    for flow in proof.flows:
        container, address = proof.vantages[flow.vantage].container, proof.endpoints[flow.endpoint].address
        if container and address:
            targets[container].add(address)

    def scan() -> None:
        for container, addresses in targets.items():
            pid = run("docker", "inspect", "-f", "{{.State.Pid}}", container).strip()
            limits = ["-n", "-Pn", "-p-", "-T4", "--host-timeout", f"{NMAP_LIMIT}s"]
            run("nsenter", "-t", pid, "-n", "nmap", *limits, *sorted(addresses))

    return sum(map(len, targets.values())), seconds(scan)
