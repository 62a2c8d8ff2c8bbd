"""What a proof means for the containers as they are: paused, restarting, unhealthy, or left by an earlier file.

Input: the containers of the engine, and the names of the project and its services. Output: `Risk` values.
Rule: a flow is judged by what the kernel answers, so a container that answers nothing by itself is named.
Sources: https://docs.docker.com/reference/cli/docker/container/pause/,
https://docs.docker.com/reference/cli/docker/compose/up/ (`--remove-orphans`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from cloison.findings.container_risks import Risk
from cloison.model.facts import Container
from cloison.model.flow import SERVICE_PREFIX

ORPHAN: Final = "orphan"
ORPHANS: Final = "https://docs.docker.com/reference/cli/docker/compose/up/"
STATES: Final = {
    "paused": (
        "is paused: the kernel still answers for its listening sockets, and no process does",
        "its flows are judged by the kernel's answers: open means that a packet arrives, not that the service answers",
        "https://docs.docker.com/reference/cli/docker/container/pause/",
    ),
    "restarting": (
        "restarts again and again: it has no network namespace between two starts, so its flows are unknown",
        "the engine reports the state restarting",
        "https://docs.docker.com/engine/containers/start-containers-automatically/",
    ),
    "unhealthy": (
        "is unhealthy: a port that is open may not serve anybody",
        "its health check fails, and its flows are judged by the kernel's answers",
        "https://docs.docker.com/reference/dockerfile/#healthcheck",
    ),
}
"""Sentence, evidence and source by the state of a container."""


def states(project: str, services: Collection[str], containers: Iterable[Container]) -> Iterator[Risk]:
    """Yield the findings about the project's containers: those that the file does not have, then unusual states."""
    own = sorted(c for c in containers if c.project == project)
    yield from (_orphan(c) for c in own if c.pid and c.service not in services)
    for kind, (sentence, evidence, source) in STATES.items():
        yield from (Risk(kind, c.name, sentence, evidence, source) for c in own if c.state == kind)


def _orphan(container: Container) -> Risk:
    """Return the finding about a container that the file does not have; Compose removes no `run` containers."""
    command = f"docker rm --force {container.name}" if container.one_off else "docker compose up -d --remove-orphans"
    return Risk(
        ORPHAN,
        container.name,
        f"runs in this project, and the file does not have it: `{command}` removes it",
        orphan_evidence(container.service),
        ORPHANS,
    )


def orphan_evidence(service: str) -> str:
    """Return the evidence of an orphan, by the service that its label names."""
    return f"its label names the service {service.removeprefix(SERVICE_PREFIX)}"


def behind_profile(profiles: Collection[str]) -> str:
    """Return the sentence about an orphan whose service the file has, but only with one of some profiles."""
    options = " or ".join(f"`--profile {profile}`" for profile in sorted(profiles))
    return f"runs in this project, and the file has it only with a profile: add {options} to prove it, too"
