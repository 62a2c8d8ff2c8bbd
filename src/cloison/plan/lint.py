"""What a Compose file says about its walls, and where in the file: what a reviewer wants to see in one list.

Rule: a remark changes no verdict. `where` is the path of a key, for Compose does not tell lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import Final

from cloison.compose.policy import Policy
from cloison.compose.project import Port, Project, Service
from cloison.model.facts import EVERY_ADDRESS, HOST, Facts, Protocol
from cloison.model.outcome import Reach
from cloison.plan.requirements import LOOPBACK, Ground, allowed, is_ours
from cloison.plan.synthetic_facts import MOST, publishes
from cloison.predict.context import GATEWAY_MODE, GATEWAY_MODES, NAT
from cloison.predict.docker_ipv6 import FILTERED
from cloison.verdict.flow_enumeration import declared


class Kind(StrEnum):
    """What a remark is about."""

    PUBLISHED = "published"
    """A port of the host leads to a service."""
    UNPUBLISHED = "unpublished"
    """The file publishes a port, and Compose does not."""
    EGRESS = "egress"
    """A service reaches the internet."""
    BRIDGES = "bridges"
    """A service sits on several networks."""
    HOST_MODE = "host-mode"
    """A service lives in the host's namespace."""
    COMPANY = "company"
    """Two services share a network, and the policy needs nothing between them."""
    UNDECLARED = "undeclared"
    """The policy names a port that the file does not declare."""
    UNTOLD = "untold"
    """The file borrows a network and does not tell what it is, or asks for what the engine does not know."""
    IPV6 = "ipv6"
    """A network has IPv6, on an engine that has no walls over it."""
    REPLICAS = "replicas"
    """Not every replica was drawn."""


@dataclass(frozen=True, slots=True, order=True)
class Remark:
    """One thing that the file says, and the key that says it."""

    where: str
    kind: Kind
    says: str


MODERN: Final = "28.0"
"""An engine that knows every gateway mode."""
INTERNAL: Final = ", although it is internal"
ANYBODY: Final = "every address of the host, IPv4 and IPv6"


def remarks(project: Project, facts: Facts, ground: Ground | None) -> list[Remark]:
    """Return what is worth knowing, by its place in the file. `ground` is None without a policy."""
    found = [remark for service in project.services.values() for remark in _of_service(project, facts, service)]
    return sorted({*found, *_untold(project, facts), *_bare(project, facts), *_of_policy(ground)})


def _of_service(project: Project, facts: Facts, service: Service) -> Iterator[Remark]:
    path = f"services.{service.name}"
    yield from _ports(facts, service)
    if service.network_mode == HOST:
        says = f"{service.name} lives on the host itself: no wall of Docker's holds it, or anybody back from it"
        yield Remark(f"{path}.network_mode", Kind.HOST_MODE, says)
    ways = [n for n in service.networks if (fact := facts.network(n)) and fact.driver == "bridge" and not fact.internal]
    if ways:
        says = f"{service.name} has a way out to the internet, over {_labels(project, ways)}"
        yield Remark(f"{path}.networks", Kind.EGRESS, says)
    if len(service.networks) > 1:
        says = f"{service.name} joins {_labels(project, service.networks)}: who takes it over stands in all of them"
        yield Remark(f"{path}.networks", Kind.BRIDGES, says)
    if service.replicas > MOST:
        says = f"{MOST} of {service.replicas} replicas are drawn; on paper one is like the other"
        yield Remark(f"{path}.deploy.replicas", Kind.REPLICAS, says)


def _labels(project: Project, names: Iterable[str]) -> str:
    found = sorted(known.key if (known := project.network_named(name)) else name for name in names)
    return " and ".join(part for part in (", ".join(found[:-1]), *found[-1:]) if part)


def _ports(facts: Facts, service: Service) -> Iterator[Remark]:
    where = f"services.{service.name}.ports"
    reach = publishes(service, facts.networks)
    for port in service.ports:
        target = f"{service.name}:{port.target}{'' if port.protocol == 'tcp' else f'/{port.protocol}'}"
        if reach is Reach.SHUT:
            yield Remark(where, Kind.UNPUBLISHED, f"{target} is not published{_why_not(service)}")
        else:
            perhaps = "" if reach is Reach.OPEN else ", if one of its networks is a bridge with a way out"
            yield Remark(where, Kind.PUBLISHED, f"{_host_port(port)} leads to {target}, {_for_whom(port)}{perhaps}")


def _why_not(service: Service) -> str:
    if service.network_mode:
        return f": with network_mode {service.network_mode} `ports` means nothing"
    return " by Compose, for every network of the service is internal; Docker Swarm publishes it all the same"


def _host_port(port: Port) -> str:
    return f"port {port.host_port} of the host" if port.host_port else "a port of the host, which the engine chooses,"


def _for_whom(port: Port) -> str:
    if port.host_address == "":
        return f"for everyone, on {ANYBODY}"
    if port.host_address.startswith(LOOPBACK):
        return f"for the host alone, on {port.host_address}"
    every = port.host_address in (*EVERY_ADDRESS, "::")
    return f"for everyone, on {port.host_address}" if every else f"for who reaches {port.host_address}"


def _untold(project: Project, facts: Facts) -> Iterator[Remark]:
    for key, network in project.networks.items():
        fact = facts.network(network.name)
        if network.external and fact:
            taken = f"it is taken for {'an internal' if fact.internal else 'an ordinary'} bridge"
            says = taken if fact.driver else "what it is, and who else sits on it, stands elsewhere"
            yield Remark(f"networks.{key}", Kind.UNTOLD, f"{key} is external: {says}")
        elif not is_ours(network):
            says = f"{key} has the driver {network.driver}, whose walls are not predicted"
            yield Remark(f"networks.{key}", Kind.UNTOLD, says)
        elif network.options.get(GATEWAY_MODE, NAT) != NAT and facts.engine.release < GATEWAY_MODES:
            says = f"{key} is {network.options[GATEWAY_MODE]} on newer engines alone: --engine {MODERN} predicts it"
            yield Remark(f"networks.{key}", Kind.UNTOLD, says)


def _bare(project: Project, facts: Facts) -> Iterator[Remark]:
    """Name the networks that have no wall over IPv6, whatever the file says of them."""
    if facts.engine.release >= FILTERED:
        return
    for key, network in project.networks.items():
        if network.ipv6 and is_ours(network):
            says = (
                f"before Docker Engine 27 {key} has no wall over IPv6{INTERNAL if network.internal else ''}: whoever "
                "has a route, from outside or from another network with IPv6, gets to every port of its members; "
                "take the line out, or take Docker Engine 27 or later (--engine 27.0 predicts it)"
            )
            yield Remark(f"networks.{key}.enable_ipv6", Kind.IPV6, says)


def _of_policy(ground: Ground | None) -> Iterator[Remark]:
    if ground is None:
        return
    yield from _undeclared(ground.project, ground.rules)
    pairs = allowed(ground)
    for key, network in ground.project.networks.items():
        members = sorted(s.name for s in ground.project.services.values() if network.name in s.networks)
        alone = [pair for pair in combinations(members, 2) if frozenset(pair) not in pairs]
        if alone:
            met = _listed([f"{a} and {b}" for a, b in alone])
            says = f"{met} meet here, and the policy needs nothing between them"
            yield Remark(f"networks.{key}", Kind.COMPANY, says)


def _listed(pairs: Sequence[str], few: int = 3) -> str:
    more = [f"{len(pairs) - few} more pairs"] if len(pairs) > few + 1 else []
    return ", ".join([*pairs[:few], *more] if more else pairs)


def _undeclared(project: Project, rules: Policy) -> Iterator[Remark]:
    known: dict[str, set[tuple[Protocol, int]]] = {**declared(project, {}), HOST: set()}
    arrows = [*rules.allow, *(toleration.rule for toleration in rules.tolerate if toleration.rule)]
    for rule in arrows:
        ports = known.get(rule.target)
        if rule.port is not None and ports is not None and (rule.protocol, rule.port) not in ports:
            port = f"port {rule.port}/{rule.protocol} of {rule.target}"
            why = "is the machine's own" if rule.target == HOST else "is not declared in the file (`expose`)"
            yield Remark(rule.where, Kind.UNDECLARED, f"{port} {why}, so the policy is believed")
