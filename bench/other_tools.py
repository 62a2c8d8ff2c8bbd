"""The proof of the stack against the same questions asked in other ways."""

from __future__ import annotations

import subprocess
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from bench.measure import Figure, median_seconds, prove, run, say, seconds
from cloison.proof.schema import Proof, parse

UNUSED_PORT: Final = 1
"""What `docker exec` asks in place of a canary: it has none, so a refusal is its answer for "open"."""
NMAP_LIMIT: Final = 60
"""Seconds after which nmap gives up on an address: a dropped address would take it many minutes."""
CONNECT_COMMANDS: Final = {
    "bash": "timeout 1 bash -c '</dev/tcp/{address}/{port}'",
    "nc": "nc -w 1 {address} {port} </dev/null",
    "python": "python -c 'import socket; socket.create_connection((\"{address}\", {port}), 1)'",
}
"""What people type into a container, by the tool that they find there; each waits one second."""


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
    """Ask what containers can reach, by running a tool inside each; return how many questions and seconds."""
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
    """Scan what each container's flows end at; return how many addresses and how many seconds."""
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
