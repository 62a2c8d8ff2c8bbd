"""Says what to do next about a flow: what to change in the file, or where the running system differs from it.

Rule: each list is read from top to bottom, and the first row that fits decides. Rows item at the
document's fields, never at its prose; what to do is a sentence and commands to copy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cloison.model.flow import ANY_PORT, FOREIGN, HOST, OUTSIDE, EndpointKind
from cloison.model.outcome import Outcome, Reach
from cloison.reports.scope import over_ipv6, over_unfiltered_ipv6
from cloison.reports.topology import ResolvedFlow, Topology, display_name
from cloison.verdict.judge import Cause, Judgement

RECREATE: Final = "docker compose up -d --force-recreate {}"
DISCONNECT: Final = "docker network disconnect {} {}"
FIREWALL: Final = ("iptables -S FORWARD", "iptables -S DOCKER-USER", "iptables -t nat -S")
FIREWALL_V6: Final = ("ip6tables -S FORWARD", "ip6tables -t nat -S")
UNFILTERED_IPV6: Final = "before Docker Engine 27 a network with IPv6 has no wall over IPv6, internal or not: "


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do, and the commands that do it or show more. `policy` is whether a line of policy would settle it."""

    sentence: str
    commands: tuple[str, ...] = ()
    policy: bool = False


Condition = Callable[[Topology, ResolvedFlow], bool]
AdviceBuilder = Callable[[Topology, ResolvedFlow], Advice]
AdviceRule = tuple[Condition, AdviceBuilder]


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


def _always(_scene: Topology, _item: ResolvedFlow) -> bool:
    return True


def _advise(sentence: str, *commands: str, policy: bool = False) -> AdviceBuilder:
    """Return an advice whose blanks are the names of the flow's own ends."""

    def build(topology: Topology, item: ResolvedFlow) -> Advice:
        fields = {
            "source": display_name(item.source.place),
            "target": display_name(item.target.place),
            "port": item.target.service_port or "",
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


def _published(_scene: Topology, item: ResolvedFlow) -> bool:
    return item.target.kind is EndpointKind.PUBLISHED


def _shared(topology: Topology, item: ResolvedFlow) -> bool:
    return all(topology.is_declared(place, item.target.network) for place in (item.source.place, item.target.place))


def _make_internal(topology: Topology, item: ResolvedFlow) -> Advice:
    labels = " and ".join(topology.label(name) for name in topology.non_internal_networks(item.source.place))
    return Advice(f"make {labels or 'its networks'} `internal: true`", policy=True)


def _via_published_port(topology: Topology, item: ResolvedFlow) -> Advice:
    labels = " and ".join(topology.label(name) for name in topology.non_internal_networks(item.source.place))
    return Advice(
        f"whoever has a way out gets to the ports of the host: make {labels or 'its networks'} `internal: true`, "
        f"or take port {item.target.service_port} out of `ports` of {display_name(item.target.place)}",
        policy=True,
    )


OPEN_BY_FILE: Final[Sequence[AdviceRule]] = (
    (
        lambda topology, item: (
            _published(topology, item) and item.source.place != OUTSIDE and over_unfiltered_ipv6(topology, item)
        ),
        _advise(
            "the engine answers for a published port on every IPv6 address of the host: publish port {port} of "
            "{target} on an IPv4 address alone (0.0.0.0 is every one), or take `enable_ipv6` out of {spoken}",
            policy=True,
        ),
    ),
    (lambda topology, item: _published(topology, item) and item.source.place != OUTSIDE, _via_published_port),
    (
        _published,
        _advise("take port {port} out of `ports` of {target}, or publish it on 127.0.0.1 alone", policy=True),
    ),
    (
        _to(HOST),
        _advise(
            "the host has an address on every bridge: a firewall on the host shuts it, or from Docker Engine 28 on "
            "an internal network with the driver option com.docker.network.bridge.gateway_mode_ipv4: isolated "
            "(for IPv6 gateway_mode_ipv6)",
            policy=True,
        ),
    ),
    (
        lambda topology, item: item.target.place == OUTSIDE and over_unfiltered_ipv6(topology, item),
        _advise(UNFILTERED_IPV6 + "take `enable_ipv6` out of {spoken}, or take Docker Engine 27 or later", policy=True),
    ),
    (_to(OUTSIDE), _make_internal),
    (
        lambda topology, item: over_ipv6(topology, item) and not _shared(topology, item) and bool(item.target.network),
        _advise(
            UNFILTERED_IPV6 + "take `enable_ipv6` out of {network}, or take Docker Engine 27 or later", policy=True
        ),
    ),
    (
        _from(OUTSIDE),
        _advise("make {network} `internal: true`, or take Docker Engine 28 or later, which drops this", policy=True),
    ),
    (_shared, _advise("give {source} and {target} networks of their own instead of {network}", policy=True)),
    (_always, _advise("change what the file says about {source} and {target}", policy=True)),
)


def _has_foreign_container(_scene: Topology, item: ResolvedFlow) -> bool:
    return any(place.startswith(FOREIGN) for place in (item.source.place, item.target.place))


def _disconnect_foreign(topology: Topology, item: ResolvedFlow) -> Advice:
    name = next(display_name(p) for p in (item.source.place, item.target.place) if p.startswith(FOREIGN))
    attached_networks = sorted(topology.attached.get(name, frozenset())) or [item.target.network]
    labels = " and ".join(topology.label(network) for network in attached_networks)
    return Advice(
        f"somebody put {name}, which the file does not know, on {labels}; take it off",
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
    """Whether the source sits on a network that leads there, and the file did not put it there."""
    undeclared_networks = topology.undeclared_networks(item.source.place, item.source.container)
    return item.target.network in undeclared_networks or (not item.target.network and bool(undeclared_networks))


def _disconnect(place: str, container: str, networks: Sequence[str], topology: Topology) -> Advice:
    labels = " and ".join(topology.label(name) for name in networks)
    return Advice(
        f"somebody connected {place} to {labels} while it ran; take it off, or write the network into the file",
        tuple(DISCONNECT.format(name, container) for name in networks),
    )


def _disconnect_target(topology: Topology, item: ResolvedFlow) -> Advice:
    return _disconnect(item.target.place, item.target.container, [item.target.network], topology)


def _disconnect_source(topology: Topology, item: ResolvedFlow) -> Advice:
    networks = topology.undeclared_networks(item.source.place, item.source.container)
    target_network = [name for name in networks if name == item.target.network]
    return _disconnect(item.source.place, item.source.container, target_network or networks, topology)


def _lost_internal(topology: Topology, item: ResolvedFlow) -> bool:
    """Whether the file shuts the way out, and yet one of its networks is not internal at the engine."""
    return item.target.place == OUTSIDE and bool(topology.non_internal_networks(item.source.place))


def _recreate_networks(topology: Topology, item: ResolvedFlow) -> Advice:
    names = " and ".join(topology.label(name) for name in topology.non_internal_networks(item.source.place))
    return Advice(
        f"the engine holds {names} without `internal`, and a network that exists is not changed by `up`; make it anew",
        ("docker compose down", "docker compose up -d"),
    )


ASK_THE_HOST: Final = (
    "both sit where the file puts them, so it is the host that lets this pass: "
    "see who changed its firewall or its networks"
)
OPEN_BY_DRIFT: Final[Sequence[AdviceRule]] = (
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
        (_has_foreign_container, _disconnect_foreign),
        (_is_target_undeclared, _disconnect_target),
        (_always, _advise("the file alone does not decide this: shut it on the engine or on the host", policy=True)),
    ),
}

OR_REMOVE_POLICY_LINE: Final = ", or take {line} out of the policy"

SHUT_BY_FILE: Final[Sequence[AdviceRule]] = (
    (
        lambda _, item: item.source.place == OUTSIDE and item.target.service_port == ANY_PORT,
        _advise("{line} names no port, and so asks for every port of {target}: name the one that is needed"),
    ),
    (_from(OUTSIDE), _advise("publish port {port} of {target} (`ports`)" + OR_REMOVE_POLICY_LINE)),
    (_to(OUTSIDE), _advise("give {source} a network that is not internal" + OR_REMOVE_POLICY_LINE)),
    (_always, _advise("put {source} and {target} on one network" + OR_REMOVE_POLICY_LINE)),
)


def _no_address(_scene: Topology, item: ResolvedFlow) -> bool:
    return not item.target.address


def _arrived(_scene: Topology, item: ResolvedFlow) -> bool:
    return item.flow.outcome is Outcome.ARRIVED


def _has_source_lost_network(topology: Topology, item: ResolvedFlow) -> bool:
    attached = topology.attached.get(item.source.container, frozenset())
    return topology.is_declared(item.source.place, item.target.network) and item.target.network not in attached


DROPPED: Final = "something on the way drops it: see who changed the host's firewall"
SHUT_BY_DRIFT: Final[Sequence[AdviceRule]] = (
    (_no_address, _advise("{target} lost its seat on {network}; give it back", RECREATE.format("{target}"))),
    (
        _arrived,
        _advise(
            "the way is open, but nothing answers at the end of it: see whether {target} is well and listens there",
            "docker compose ps {target}",
            "docker compose logs --tail 50 {target}",
        ),
    ),
    (
        _has_source_lost_network,
        _advise("{source} lost its seat on {network}; give it back", RECREATE.format("{source}")),
    ),
    (over_ipv6, _advise(DROPPED, *FIREWALL_V6)),
    (_always, _advise(DROPPED, *FIREWALL)),
)

TOLERATED: Final[Sequence[AdviceRule]] = (
    (_always, _advise("with --strict what {line} tolerates is a breach: shut it, or name it under `allow` instead")),
)


def _missing_place(item: ResolvedFlow) -> str:
    """Return the end of a flow that has no running container, empty when both have."""
    ends = (item.source, item.target)
    return next((end.place for end in ends if not end.container and end.place not in (HOST, OUTSIDE)), "")


def _start_service(_scene: Topology, item: ResolvedFlow) -> Advice:
    name = _missing_place(item)
    return Advice(f"start {name} and prove again", (f"docker compose up -d {name}", f"docker compose logs {name}"))


NOT_KNOWN: Final[Sequence[AdviceRule]] = (
    (lambda _, item: bool(_missing_place(item)), _start_service),
    (
        lambda _, item: bool(item.source.positive_control),
        _advise("see what holds back {source}'s own traffic in its namespace, and prove again"),
    ),
    (
        lambda _, item: bool(item.source.negative_control),
        _advise("find what answers {source} for every address (a transparent proxy does), and prove again"),
    ),
    (
        lambda _, item: item.flow.observed is not Reach.UNKNOWN,
        _advise("the file alone cannot say what is meant here: say it with a policy under x-cloison"),
    ),
    (_always, _advise("prove again when nothing is starting or stopping")),
)
