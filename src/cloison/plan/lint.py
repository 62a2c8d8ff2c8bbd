"""The lint findings of a Compose file: statements about its isolation that a reviewer should see.

Input: a `Project`, its synthetic facts, and the policy context or None. Output: sorted `LintFinding` values.
Rule: a finding changes no verdict. `where` is the path of a key, because Compose does not report lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import Final

from cloison.compose.policy import Policy
from cloison.compose.project import NAMESPACE_OWNER_KINDS, Port, Project, Service
from cloison.model.facts import Facts
from cloison.model.flow import EVERY_ADDRESS, HOST, Protocol
from cloison.model.outcome import Reach
from cloison.model.text import listed
from cloison.plan.declared_risks import declared_risks
from cloison.plan.port_ranges import published_ranges
from cloison.plan.rejections import has_ipv6
from cloison.plan.requirements import LOOPBACK, PolicyContext, allowed, is_project_bridge
from cloison.plan.synthetic_facts import REPLICA_CAP, publishes
from cloison.predict.context import GATEWAY_MODE, GATEWAY_MODES, NAT, PredictionContext
from cloison.predict.docker_ipv6 import IPV6_RULES_SINCE
from cloison.predict.egress_networks import egress
from cloison.verdict.flow_enumeration import declared_ports


class LintKind(StrEnum):
    """The subject of a finding; the values are part of the plan document."""

    PUBLISHED = "published"
    """A service publishes a port."""
    UNPUBLISHED = "unpublished"
    """The file publishes a port, but the engine does not."""
    EGRESS = "egress"
    """A service reaches the internet."""
    MULTIHOMED = "bridges"
    """A service is attached to several networks."""
    HOST_MODE = "host-mode"
    """A service uses the host's network namespace."""
    UNNEEDED_PEER = "company"
    """Two services share a network, and the policy needs no connection between them."""
    UNDECLARED = "undeclared"
    """The policy names a port that the file does not declare."""
    UNDETERMINED = "untold"
    """A network is external or uses an option or driver that is not predicted."""
    IPV6 = "ipv6"
    """A network has IPv6 on an engine that does not filter it."""
    REPLICAS = "replicas"
    """The plan models fewer replicas than the file has, or the file has none, so that a service is not judged."""
    # The kinds of `findings.container_risks` that a file shows:
    PRIVILEGED = "privileged"
    ENGINE_SOCKET = "engine-socket"
    HOST_DIRECTORY = "host-directory"
    DEVICES = "devices"
    HOST_PID = "host-pid"
    HOST_IPC = "host-ipc"
    HOST_UTS = "host-uts"
    SYS_ADMIN = "sys-admin"
    SYS_MODULE = "sys-module"
    SYS_RAWIO = "sys-rawio"
    DAC_READ_SEARCH = "dac-read-search"
    SYS_PTRACE = "sys-ptrace"
    BPF = "bpf"
    NET_ADMIN = "net-admin"
    NET_RAW = "net-raw"


@dataclass(frozen=True, slots=True, order=True)
class LintFinding:
    """A statement about the file, and the path of its key."""

    where: str
    kind: LintKind
    says: str


SHARED_NAMESPACES: Final = tuple(f"{kind}:" for kind in NAMESPACE_OWNER_KINDS)
RECENT_ENGINE: Final = "28.0"
"""An engine that supports every gateway mode."""
ALTHOUGH_INTERNAL: Final = ", although it is internal"
ALL_HOST_ADDRESSES: Final = "every address of the host, IPv4 and IPv6"


def lint(project: Project, facts: Facts, policy_context: PolicyContext | None) -> list[LintFinding]:
    """Return the findings in order of their position. `policy_context` is None without a policy."""
    found = [finding for service in project.services.values() for finding in _service_findings(project, facts, service)]
    return sorted(
        {
            *found,
            *_undetermined_networks(project, facts),
            *_unfiltered_ipv6(project, facts),
            *_policy_findings(policy_context),
        }
    )


def _service_findings(project: Project, facts: Facts, service: Service) -> Iterator[LintFinding]:
    path = f"services.{service.name}"
    if not service.network_mode.startswith(SHARED_NAMESPACES):  # the engine refuses its ports: see `rejections`
        yield from _ports(facts, service)
    if service.network_mode == HOST:
        says = f"{service.name} uses the host's network: Docker does not isolate it"
        yield LintFinding(f"{path}.network_mode", LintKind.HOST_MODE, says)
    gateway_networks = [
        n for n in service.networks if (fact := facts.network(n)) and fact.driver == "bridge" and not fact.internal
    ]
    if gateway_networks:
        labels = _egress_labels(project, facts, service, gateway_networks)
        says = f"{service.name} has egress to the internet over {labels}"
        yield LintFinding(f"{path}.networks", LintKind.EGRESS, says)
    if len(service.networks) > 1:
        labels = _labels(project, service.networks)
        says = f"{service.name} is on {labels}: whoever compromises it is on all of these networks"
        yield LintFinding(f"{path}.networks", LintKind.MULTIHOMED, says)
    for where, kind, says in declared_risks(service):
        yield LintFinding(where, LintKind(kind), says)
    if not service.replicas:
        says = f"{service.name} has no replicas, so none of its connections is judged; Compose starts it with --scale"
        yield LintFinding(f"{path}.deploy.replicas", LintKind.REPLICAS, says)
    if service.replicas > REPLICA_CAP:
        says = f"the plan models {REPLICA_CAP} of {service.replicas} replicas; the others are predicted alike"
        yield LintFinding(f"{path}.deploy.replicas", LintKind.REPLICAS, says)


def _egress_labels(project: Project, facts: Facts, service: Service, gateway_networks: Sequence[str]) -> str:
    """Return the network that is predicted to carry the packets of a service, and those that could."""
    found = egress(PredictionContext(project, facts), service.name, 4)
    if not found or len(gateway_networks) < 2:  # noqa: PLR2004  # there is a choice
        return _labels(project, gateway_networks)
    others = _labels(project, [name for name in gateway_networks if name not in found])
    return f"{_labels(project, found)}, which the engine prefers to {others}"


def _labels(project: Project, names: Iterable[str]) -> str:
    found = sorted(known.key if (known := project.network_named(name)) else name for name in names)
    return " and ".join(part for part in (", ".join(found[:-1]), *found[-1:]) if part)


def _ports(facts: Facts, service: Service) -> Iterator[LintFinding]:
    where = f"services.{service.name}.ports"
    reach = publishes(service, facts.networks)
    for port, last in published_ranges(service.ports):
        numbers = f"{port.target}-{last}" if last else str(port.target)
        target = f"{service.name}:{numbers}{'' if port.protocol == 'tcp' else f'/{port.protocol}'}"
        host, verb = (_host_ports(port, last), "forward") if last else (_host_port(port), "forwards")
        if reach is Reach.SHUT:
            are = "are" if last else "is"
            yield LintFinding(where, LintKind.UNPUBLISHED, f"{target} {are} not published{_why_not(service)}")
        else:
            perhaps = "" if reach is Reach.OPEN else ", if one of its networks is a bridge that is not internal"
            yield LintFinding(where, LintKind.PUBLISHED, f"{host} {verb} to {target}, {_bind_scope(port)}{perhaps}")


def _why_not(service: Service) -> str:
    if service.network_mode:
        return f": `ports` has no effect with network_mode {service.network_mode}"
    return " by Compose, because every network of the service is internal; Docker Swarm publishes it"


def _host_port(port: Port) -> str:
    return f"port {port.host_port} of the host" if port.host_port else "a port of the host that the engine chooses"


def _host_ports(port: Port, last: int) -> str:
    """Return the ports of the host that a range of ports from `port` to `last` is published at."""
    end = port.host_port + last - port.target
    return (
        f"ports {port.host_port}-{end} of the host" if port.host_port else "ports of the host that the engine chooses"
    )


def _bind_scope(port: Port) -> str:
    if port.host_address == "":
        return f"for every machine, on {ALL_HOST_ADDRESSES}"
    if port.host_address.startswith(LOOPBACK):
        return f"for the host only, on {port.host_address}"
    every = port.host_address in (*EVERY_ADDRESS, "::")
    return f"for {'every machine' if every else 'machines that reach it'}, on {port.host_address}"


def _undetermined_networks(project: Project, facts: Facts) -> Iterator[LintFinding]:
    for key, network in project.networks.items():
        fact = facts.network(network.name)
        if network.external and fact:
            assumed = f"the plan assumes {'an internal' if fact.internal else 'an ordinary'} bridge"
            says = assumed if fact.driver else "the file gives neither its driver nor its other members"
            yield LintFinding(f"networks.{key}", LintKind.UNDETERMINED, f"{key} is external: {says}")
        elif not is_project_bridge(network):
            says = f"{key} has the driver {network.driver}, which is not predicted"
            yield LintFinding(f"networks.{key}", LintKind.UNDETERMINED, says)
        elif network.options.get(GATEWAY_MODE, NAT) != NAT and facts.engine.release < GATEWAY_MODES:
            says = (
                f"{key} is {network.options[GATEWAY_MODE]} only on newer engines: --engine {RECENT_ENGINE} predicts it"
            )
            yield LintFinding(f"networks.{key}", LintKind.UNDETERMINED, says)


def _unfiltered_ipv6(project: Project, facts: Facts) -> Iterator[LintFinding]:
    """Yield a finding for each network whose IPv6 the engine does not filter."""
    if facts.engine.release >= IPV6_RULES_SINCE:
        return
    for key, network in project.networks.items():
        if has_ipv6(network, facts.engine.release) and is_project_bridge(network):
            although = ALTHOUGH_INTERNAL if network.internal else ""
            says = (
                f"{key} is not filtered over IPv6 before Docker Engine 27{although}: "
                "every machine or network with an IPv6 route to it can reach every port of its members; "
                "remove `enable_ipv6`, or use Docker Engine 27 or later (--engine 27.0 predicts it)"
            )
            yield LintFinding(f"networks.{key}.enable_ipv6", LintKind.IPV6, says)


def _policy_findings(policy_context: PolicyContext | None) -> Iterator[LintFinding]:
    if policy_context is None:
        return
    yield from _undeclared(policy_context.project, policy_context.rules)
    pairs = allowed(policy_context)
    for key, network in policy_context.project.networks.items():
        members = sorted(s.name for s in policy_context.project.services.values() if network.name in s.networks)
        alone = [pair for pair in combinations(members, 2) if frozenset(pair) not in pairs]
        if alone:
            peer_pairs = listed((f"{a} and {b}" for a, b in alone), 3, "more pairs")
            says = f"{peer_pairs} share this network, and the policy needs no connection between them"
            yield LintFinding(f"networks.{key}", LintKind.UNNEEDED_PEER, says)


def _undeclared(project: Project, rules: Policy) -> Iterator[LintFinding]:
    known: dict[str, set[tuple[Protocol, int]]] = {**declared_ports(project, {}), HOST: set()}
    flow_rules = [*rules.allow, *(toleration.rule for toleration in rules.tolerate if toleration.rule)]
    for rule in flow_rules:
        ports = known.get(rule.target)
        if rule.port is not None and ports is not None and not any(rule.covers(*port) for port in ports):
            port = f"port {rule.port_text} of {rule.target}"
            why = "is not in any Compose file" if rule.target == HOST else "is not declared in the file (`expose`)"
            yield LintFinding(rule.where, LintKind.UNDECLARED, f"{port} {why}; the plan assumes a listener")
