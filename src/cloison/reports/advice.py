"""Chooses a remedy for a flow: a change of the file, or the place where the running project differs from it.

Input: a proof and the position of a flow. Output: `Advice`: a sentence, and commands to copy.
Rule: each table is read from top to bottom, and the first row whose condition is true decides. Conditions read the
members of the document, never its prose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from cloison.model.facts import Origin
from cloison.model.flow import ANY_PORT, FOREIGN, HOST, OUTSIDE, EndpointKind
from cloison.model.outcome import Outcome, Reach
from cloison.proof.schema import Proof
from cloison.reports.topology import (
    ResolvedFlow,
    Topology,
    over_ipv6,
    over_unfiltered_ipv6,
    port_numbers,
    read_topology,
    resolve,
)
from cloison.verdict.judge import Cause, Judgement
from cloison_view.action_items import Advice, Advise
from cloison_view.labels import display_name

RECREATE: Final = "docker compose up -d --force-recreate {}"
DETACH: Final = "ip link set dev {} nomaster"
DISCONNECT: Final = "docker network disconnect {} {}"
FIREWALL: Final = ("iptables -S FORWARD", "iptables -S DOCKER-USER", "iptables -t nat -S")
FIREWALL_V6: Final = ("ip6tables -S FORWARD", "ip6tables -t nat -S")
UNFILTERED_IPV6: Final = "before Docker Engine 27 no network is isolated over IPv6, internal or not: "


Condition = Callable[[Topology, ResolvedFlow], bool]
AdviceBuilder = Callable[[Topology, ResolvedFlow], Advice]
AdviceRule = tuple[Condition, AdviceBuilder]


def proof_advice(proof: Proof) -> Advise:
    """Return a function that returns what to do about the flow at a position of a proof."""
    topology = read_topology(proof)
    return lambda position: advice(topology, resolve(proof, position))


def advice(topology: Topology, item: ResolvedFlow) -> Advice:
    """Return what to do about a flow."""
    return next(build(topology, item) for matches, build in _rows(item) if matches(topology, item))


def _rows(item: ResolvedFlow) -> Sequence[AdviceRule]:
    flow = item.flow
    if flow.judgement is Judgement.BREACH:
        return BREACH_ADVICE[flow.cause]
    if flow.judgement is Judgement.BROKEN:
        return SHUT_BY_FILE if flow.predicted is Reach.SHUT else SHUT_BY_DRIFT
    return TOLERATED if flow.judgement is Judgement.TOLERATED else NOT_KNOWN


def _always(_topology: Topology, _item: ResolvedFlow) -> bool:
    return True


def _advise(sentence: str, *commands: str, policy: bool = False) -> AdviceBuilder:
    """Return a builder of advice that fills the names of the ends of the flow into the texts."""

    def build(topology: Topology, item: ResolvedFlow) -> Advice:
        fields = {
            "source": display_name(item.source.place),
            "target": display_name(item.target.place),
            "port": port_numbers(item),
            "network": topology.label(item.target.network),
            "line": item.flow.intended_by,
            "spoken": " and ".join(map(topology.label, topology.ipv6_networks(item.source.place))) or "its networks",
        }
        return Advice(sentence.format(**fields), tuple(c.format(**fields) for c in commands), policy)

    return build


def _from(place: str) -> Condition:
    return lambda _, item: item.source.place == place


def _to(place: str) -> Condition:
    return lambda _, item: item.target.place == place


def _published(_topology: Topology, item: ResolvedFlow) -> bool:
    return item.target.kind is EndpointKind.PUBLISHED


def _shared(topology: Topology, item: ResolvedFlow) -> bool:
    return all(topology.is_declared(place, item.target.network) for place in (item.source.place, item.target.place))


def _make_internal(topology: Topology, item: ResolvedFlow) -> Advice:
    labels = " and ".join(topology.label(name) for name in topology.non_internal_networks(item.source.place))
    return Advice(f"make {labels or 'its networks'} `internal: true`", policy=True)


def _via_published_port(topology: Topology, item: ResolvedFlow) -> Advice:
    labels = " and ".join(topology.label(name) for name in topology.non_internal_networks(item.source.place))
    return Advice(
        f"the ports of the host are open to containers with a default route: make {labels or 'its networks'} "
        f"`internal: true`, or remove port {port_numbers(item)} from `ports` of "
        f"{display_name(item.target.place)}",
        policy=True,
    )


def _member(topology: Topology, item: ResolvedFlow) -> str:
    """Return the end of a flow that is on a network without the engine, empty for none."""
    return next((end.container for end in (item.source, item.target) if end.container in topology.members), "")


def _has_member(topology: Topology, item: ResolvedFlow) -> bool:
    return bool(_member(topology, item))


def _detach_member(topology: Topology, item: ResolvedFlow) -> Advice:
    name = _member(topology, item)
    port, network = topology.members[name], topology.label(item.target.network)
    return Advice(
        f"{name} is connected to {network}, and the engine did not connect it: remove the connection",
        (DETACH.format(port),) if port else (),
    )


def _is_device(topology: Topology, item: ResolvedFlow) -> bool:
    return (not item.target.address and _has_member(topology, item)) or item.source.origin is Origin.DEVICE


def _explain_device(topology: Topology, item: ResolvedFlow) -> Advice:
    name = _member(topology, item)
    port, network = topology.members[name], topology.label(item.target.network)
    return Advice(
        f"it is unknown what {name} on {network} reaches: remove it from the network, or tolerate it in the policy "
        f"with `- device: {name}` and the reason",
        (DETACH.format(port),) if port else (),
    )


OPEN_BY_FILE: Final[Sequence[AdviceRule]] = (
    (_has_member, _detach_member),
    (
        lambda topology, item: (
            _published(topology, item) and item.source.place != OUTSIDE and over_unfiltered_ipv6(topology, item)
        ),
        _advise(
            "a published port accepts connections on every IPv6 address of the host: publish port {port} of "
            "{target} on an IPv4 address only (0.0.0.0 for all of them), or remove `enable_ipv6` from {spoken}",
            policy=True,
        ),
    ),
    (lambda topology, item: _published(topology, item) and item.source.place != OUTSIDE, _via_published_port),
    (
        _published,
        _advise("remove port {port} from `ports` of {target}, or publish it on 127.0.0.1 only", policy=True),
    ),
    (
        _to(HOST),
        _advise(
            "the host has an address on every bridge: close its ports with a firewall on the host, or from Docker "
            "Engine 28 on use an internal network with the driver option "
            "com.docker.network.bridge.gateway_mode_ipv4: isolated (for IPv6 gateway_mode_ipv6)",
            policy=True,
        ),
    ),
    (
        lambda topology, item: item.target.place == OUTSIDE and over_unfiltered_ipv6(topology, item),
        _advise(UNFILTERED_IPV6 + "remove `enable_ipv6` from {spoken}, or use Docker Engine 27 or later", policy=True),
    ),
    (_to(OUTSIDE), _make_internal),
    (
        lambda topology, item: over_ipv6(topology, item) and not _shared(topology, item) and bool(item.target.network),
        _advise(UNFILTERED_IPV6 + "remove `enable_ipv6` from {network}, or use Docker Engine 27 or later", policy=True),
    ),
    (
        _from(OUTSIDE),
        _advise(
            "make {network} `internal: true`, or use Docker Engine 28 or later, which drops these packets", policy=True
        ),
    ),
    (_shared, _advise("give {source} and {target} networks of their own instead of {network}", policy=True)),
    (_always, _advise("change the networks or ports of {source} and {target} in the file", policy=True)),
)


def _has_foreign_container(_topology: Topology, item: ResolvedFlow) -> bool:
    return any(place.startswith(FOREIGN) for place in (item.source.place, item.target.place))


def _disconnect_foreign(topology: Topology, item: ResolvedFlow) -> Advice:
    name = next(display_name(p) for p in (item.source.place, item.target.place) if p.startswith(FOREIGN))
    attached_networks = sorted(topology.attached.get(name, frozenset())) or [item.target.network]
    labels = " and ".join(topology.label(network) for network in attached_networks)
    return Advice(
        f"{name}, which is not in the file, is attached to {labels}: disconnect it",
        tuple(DISCONNECT.format(network, name) for network in attached_networks),
    )


def _is_target_undeclared(topology: Topology, item: ResolvedFlow) -> bool:
    place = item.target.place
    return (
        place in topology.declared
        and bool(item.target.network)
        and not topology.is_declared(place, item.target.network)
    )


def _is_source_undeclared(topology: Topology, item: ResolvedFlow) -> bool:
    """Whether the source is attached to a network of the target to which the file does not attach it."""
    undeclared_networks = topology.undeclared_networks(item.source.place, item.source.container)
    return item.target.network in undeclared_networks or (not item.target.network and bool(undeclared_networks))


def _disconnect(place: str, container: str, networks: Sequence[str], topology: Topology) -> Advice:
    labels = " and ".join(topology.label(name) for name in networks)
    return Advice(
        f"{place} was connected to {labels} while it ran: disconnect it, or add the network to the file",
        tuple(DISCONNECT.format(name, container) for name in networks),
    )


def _disconnect_target(topology: Topology, item: ResolvedFlow) -> Advice:
    return _disconnect(item.target.place, item.target.container, [item.target.network], topology)


def _disconnect_source(topology: Topology, item: ResolvedFlow) -> Advice:
    networks = topology.undeclared_networks(item.source.place, item.source.container)
    target_network = [name for name in networks if name == item.target.network]
    return _disconnect(item.source.place, item.source.container, target_network or networks, topology)


def _lost_internal(topology: Topology, item: ResolvedFlow) -> bool:
    """Whether a network of the source is not internal at the engine, although the file predicts no egress."""
    return item.target.place == OUTSIDE and bool(topology.non_internal_networks(item.source.place))


def _recreate_networks(topology: Topology, item: ResolvedFlow) -> Advice:
    names = " and ".join(topology.label(name) for name in topology.non_internal_networks(item.source.place))
    return Advice(
        f"{names} exists at the engine without `internal`, and `up` does not change an existing network: recreate it",
        ("docker compose down", "docker compose up -d"),
    )


ASK_THE_HOST: Final = (
    "both ends are attached as the file declares, so the host forwards this: "
    "look for a change of its firewall or its networks"
)
OPEN_BY_DRIFT: Final[Sequence[AdviceRule]] = (
    (_has_member, _detach_member),
    (_has_foreign_container, _disconnect_foreign),
    (_is_target_undeclared, _disconnect_target),
    (_is_source_undeclared, _disconnect_source),
    (_lost_internal, _recreate_networks),
    (over_ipv6, _advise(ASK_THE_HOST, *FIREWALL_V6)),
    (_always, _advise(ASK_THE_HOST, *FIREWALL)),
)

BREACH_ADVICE: Final[dict[Cause | None, Sequence[AdviceRule]]] = {
    Cause.FILE: OPEN_BY_FILE,
    Cause.DRIFT: OPEN_BY_DRIFT,
    None: (
        (_has_member, _detach_member),
        (_has_foreign_container, _disconnect_foreign),
        (_is_target_undeclared, _disconnect_target),
        (_always, _advise("the file does not decide this: close it at the engine or on the host", policy=True)),
    ),
}

OR_REMOVE_POLICY_LINE: Final = ", or remove {line} from the policy"

SHUT_BY_FILE: Final[Sequence[AdviceRule]] = (
    (
        lambda _, item: item.source.place == OUTSIDE and item.target.service_port == ANY_PORT,
        _advise("{line} names no port and so needs every port of {target}: name the port that is needed"),
    ),
    (_from(OUTSIDE), _advise("publish port {port} of {target} (`ports`)" + OR_REMOVE_POLICY_LINE)),
    (_to(OUTSIDE), _advise("give {source} a network that is not internal" + OR_REMOVE_POLICY_LINE)),
    (_always, _advise("attach {source} and {target} to one network" + OR_REMOVE_POLICY_LINE)),
)


def _no_address(_topology: Topology, item: ResolvedFlow) -> bool:
    return not item.target.address


def _arrived(_topology: Topology, item: ResolvedFlow) -> bool:
    return item.flow.outcome is Outcome.ARRIVED


def _has_source_lost_network(topology: Topology, item: ResolvedFlow) -> bool:
    attached = topology.attached.get(item.source.container, frozenset())
    return topology.is_declared(item.source.place, item.target.network) and item.target.network not in attached


DROPPED: Final = "the packets are dropped on the way: look for a change of the host's firewall"
SHUT_BY_DRIFT: Final[Sequence[AdviceRule]] = (
    (_no_address, _advise("{target} is not attached to {network} any more: recreate it", RECREATE.format("{target}"))),
    (
        _arrived,
        _advise(
            "the packets arrive, but no process answers: check that {target} is healthy and listens there",
            "docker compose ps {target}",
            "docker compose logs --tail 50 {target}",
        ),
    ),
    (
        _has_source_lost_network,
        _advise("{source} is not attached to {network} any more: recreate it", RECREATE.format("{source}")),
    ),
    (over_ipv6, _advise(DROPPED, *FIREWALL_V6)),
    (_always, _advise(DROPPED, *FIREWALL)),
)

TOLERATED: Final[Sequence[AdviceRule]] = (
    (
        _always,
        _advise("with --strict the flows that {line} tolerates are breaches: close them, or list them under `allow`"),
    ),
)


def _missing_place(item: ResolvedFlow) -> str:
    """Return the end of a flow that has no running container, empty when both have."""
    ends = (item.source, item.target)
    return next((end.place for end in ends if not end.container and end.place not in (HOST, OUTSIDE)), "")


def _start_service(_topology: Topology, item: ResolvedFlow) -> Advice:
    name = _missing_place(item)
    return Advice(f"start {name} and prove again", (f"docker compose up -d {name}", f"docker compose logs {name}"))


NOT_KNOWN: Final[Sequence[AdviceRule]] = (
    (lambda _, item: bool(_missing_place(item)), _start_service),
    (_is_device, _explain_device),
    (
        lambda _, item: bool(item.source.positive_control),
        _advise("find the rule that drops the traffic of {source} in its own namespace, and prove again"),
    ),
    (
        lambda _, item: bool(item.source.negative_control),
        _advise("find the proxy that answers {source} for every address (a transparent proxy does), and prove again"),
    ),
    (
        lambda _, item: item.flow.observed is not Reach.UNKNOWN,
        _advise("the file does not say what is intended here: add a policy under x-cloison"),
    ),
    (_always, _advise("prove again when no container is starting or stopping")),
)
