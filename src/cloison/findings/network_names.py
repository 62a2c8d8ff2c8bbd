"""Names and hardware addresses that two containers of one network share: a connection may reach the wrong one.

Input: the containers with their names on each network, answers of the engine's name server, hardware addresses.
Output: the names to ask for, and `Risk` values.
Rule: only a name is asked for that a container on a network of the asking one has: the engine answers it itself, and
forwards no query. A name of the project that leads to another project is a finding.
Sources: https://docs.docker.com/engine/network/#dns-services, https://github.com/docker/compose/issues/8223,
https://github.com/moby/moby/issues/47146 (equal hardware addresses).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from cloison.findings.container_risks import Risk
from cloison.model.facts import Container, Facts
from cloison.model.flow import SERVICE_PREFIX

NAMES: Final = "https://github.com/docker/compose/issues/8223"
EQUAL_MACS: Final = "https://github.com/moby/moby/issues/47146"


def ambiguous_names(facts: Facts, project: str, services: Iterable[str]) -> dict[str, list[str]]:
    """Return, by the container that may ask, the project's names that a container of another project has near it."""
    own = [c for c in facts.containers if c.project == project]
    held = {service.removeprefix(SERVICE_PREFIX) for service in services}
    held |= {name for c in own for attachment in c.attachments for name in attachment.names}
    return {
        c.name: names for c in own if c.pid and (names := sorted(held & _names_of_others(facts, project, _networks(c))))
    }


def _networks(container: Container) -> set[str]:
    return {attachment.network for attachment in container.attachments}


def _names_of_others(facts: Facts, project: str, networks: Collection[str]) -> set[str]:
    others = (c for c in facts.containers if c.project != project)
    return {name for c in others for a in c.attachments if a.network in networks for name in a.names}


def foreign_names(facts: Facts, project: str, answers: Mapping[tuple[str, str], Collection[str]]) -> Iterator[Risk]:
    """Yield a finding for each name that leads to another project; `answers` are addresses by container and name."""
    by_name = {c.name: c for c in facts.containers}
    for (asking, name), addresses in sorted(answers.items()):
        networks = _networks(by_name[asking])
        reached = sorted(c for c in facts.containers if _has_one(c, networks, addresses))
        if any(c.project != project for c in reached):
            listed = " and ".join(f"{c.project or 'no project'}/{c.name}" for c in reached)
            yield Risk(
                "foreign-name",
                asking,
                f"asks for {name} and gets {listed}: give the service a name of its own on the shared network",
                f"the engine's name server answers {', '.join(sorted(addresses))}",
                NAMES,
            )


def _has_one(container: Container, networks: Collection[str], addresses: Collection[str]) -> bool:
    return any(
        address in addresses
        for attachment in container.attachments
        if attachment.network in networks
        for address in attachment.addresses
    )


def equal_macs(macs: Iterable[tuple[str, str, str]]) -> Iterator[Risk]:
    """Yield a finding for each hardware address that two containers of a network have.

    `macs` are (network, hardware address, container) triples.
    """
    held: dict[tuple[str, str], set[str]] = {}
    for network, mac, container in macs:
        held.setdefault((network, mac), set()).add(container)
    for (network, mac), containers in sorted(held.items()):
        first, *others = sorted(containers)
        if others:
            yield Risk(
                "equal-mac",
                first,
                f"has the hardware address of {', '.join(others)} on {network}: the bridge sends their packets to "
                "either, so other flows are lost in each proof",
                f"{mac} on {network}",
                EQUAL_MACS,
            )
