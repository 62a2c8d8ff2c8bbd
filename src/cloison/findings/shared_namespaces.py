"""Containers that should share a network namespace and do not, because its owner was started or made again.

Input: the containers, which service owns the namespace of which, and the namespaces by inode. Output: `Risk` values.
Rule: `network_mode: service:NAME` leads to a container's ID when a container is made, and to its namespace when
it starts. A new container or a restart of the owner has a new namespace, which the others do not follow.
Sources: https://github.com/docker/compose/issues/8918,
https://docs.docker.com/reference/compose-file/services/#network_mode
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from cloison.findings.container_risks import Risk
from cloison.model.facts import Container

PREFIX: Final = "container:"
STALE: Final = "stale-namespace"
SOURCE: Final = "https://github.com/docker/compose/issues/8918"


def stale_namespaces(
    project: str, containers: Iterable[Container], owners: Mapping[str, str], namespaces: Mapping[str, int]
) -> Iterator[Risk]:
    """Yield a finding for each container of the project that is not in the network namespace of its owner.

    `owners` maps a service to the service whose namespace it shares, `namespaces` a container to the inode of its own.
    """
    known = {c.identity: c for c in containers}
    for container in sorted(known.values()):
        if container.project != project or not container.pid or not container.network_mode.startswith(PREFIX):
            continue
        owner = known.get(container.network_mode.removeprefix(PREFIX))
        service = owners.get(container.service, "")
        if why := _reason(container, owner, namespaces) or _replaced(owner, service, known):
            name = service or (owner.name if owner else "the container that it names")
            yield Risk(
                STALE,
                container.name,
                f"is not in the network namespace of {name}, which it should share: "
                f"`docker restart {container.name}` joins it again, and a new container does where it was made again",
                why,
                SOURCE,
            )


def _reason(container: Container, owner: Container | None, namespaces: Mapping[str, int]) -> str:
    """Return why a container's namespace is not that of its owner, by the engine and by the kernel; empty if it is."""
    if owner is None or not owner.pid:
        return f"{owner.name} does not run" if owner else "the container whose namespace it joined is gone"
    own, other = namespaces.get(container.name), namespaces.get(owner.name)
    if own is None or other is None or own == other:
        return ""
    return f"its namespace is net:[{own}], that of {owner.name} is net:[{other}]"


def _replaced(owner: Container | None, service: str, known: Mapping[str, Container]) -> str:
    """Return that a container's owner is none of its service any more, empty if it is."""
    if owner is None or not service or owner.service == service:
        return ""
    running = [c.name for c in known.values() if c.service == service and c.project == owner.project and c.pid]
    return f"it joined {owner.name}, and the file names {service} ({', '.join(sorted(running)) or 'not running'})"
