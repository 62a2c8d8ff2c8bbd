"""Says what to do next about a flow: what to change in the file, or where the running system differs from it.

Rule: each list is read from top to bottom, and the first row that fits decides. Rows item at the
document's fields, never at its prose; what to do is a sentence and commands to copy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cloison.model.facts import ANY_PORT, HOST, OUTSIDE, STRANGER, Kind
from cloison.model.outcome import Outcome, Reach
from cloison.reports.scope import over_bare_v6, over_v6
from cloison.reports.topology import Scene, Seen, called
from cloison.verdict.judge import Cause, Judgement

RECREATE: Final = "docker compose up -d --force-recreate {}"
DISCONNECT: Final = "docker network disconnect {} {}"
FIREWALL: Final = ("iptables -S FORWARD", "iptables -S DOCKER-USER", "iptables -t nat -S")
FIREWALL_V6: Final = ("ip6tables -S FORWARD", "ip6tables -t nat -S")
BARE: Final = "before Docker Engine 27 a network with IPv6 has no wall over IPv6, internal or not: "


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do, and the commands that do it or show more. `policy` is whether a line of policy would settle it."""

    sentence: str
    commands: tuple[str, ...] = ()
    policy: bool = False


Fits = Callable[[Scene, Seen], bool]
Says = Callable[[Scene, Seen], Advice]
Row = tuple[Fits, Says]


def advice(scene: Scene, item: Seen) -> Advice:
    """Return what to do about a flow."""
    return next(says(scene, item) for fits, says in _rows(item) if fits(scene, item))


def _rows(item: Seen) -> Sequence[Row]:
    flow = item.flow
    if flow.judgement is Judgement.BREACH:
        return OPEN_BY[flow.cause]
    if flow.judgement is Judgement.BROKEN:
        return SHUT_BY_FILE if flow.predicted is Reach.SHUT else SHUT_BY_DRIFT
    return TOLERATED if flow.judgement is Judgement.TOLERATED else NOT_KNOWN


def _always(_scene: Scene, _item: Seen) -> bool:
    return True


def _say(sentence: str, *commands: str, policy: bool = False) -> Says:
    """Return an advice whose blanks are the names of the flow's own ends."""

    def says(scene: Scene, item: Seen) -> Advice:
        blanks = {
            "source": called(item.source.place),
            "target": called(item.target.place),
            "port": item.target.service_port or "",
            "network": scene.label(item.target.network),
            "line": item.flow.intended_by,
            "spoken": " and ".join(map(scene.label, scene.networks_v6(item.source.place))) or "its networks",
        }
        return Advice(sentence.format(**blanks), tuple(c.format(**blanks) for c in commands), policy)

    return says


def _from(place: str) -> Fits:
    return lambda _, item: item.source.place == place


def _to(place: str) -> Fits:
    return lambda _, item: item.target.place == place


def _published(_scene: Scene, item: Seen) -> bool:
    return item.target.kind is Kind.PUBLISHED


def _shared(scene: Scene, item: Seen) -> bool:
    return all(scene.is_drawn(place, item.target.network) for place in (item.source.place, item.target.place))


def _egress(scene: Scene, item: Seen) -> Advice:
    ways = " and ".join(scene.label(name) for name in scene.open_networks(item.source.place))
    return Advice(f"make {ways or 'its networks'} `internal: true`", policy=True)


def _through_host(scene: Scene, item: Seen) -> Advice:
    ways = " and ".join(scene.label(name) for name in scene.open_networks(item.source.place))
    return Advice(
        f"whoever has a way out gets to the ports of the host: make {ways or 'its networks'} `internal: true`, "
        f"or take port {item.target.service_port} out of `ports` of {called(item.target.place)}",
        policy=True,
    )


OPEN_BY_FILE: Final[Sequence[Row]] = (
    (
        lambda scene, item: _published(scene, item) and item.source.place != OUTSIDE and over_bare_v6(scene, item),
        _say(
            "the engine answers for a published port on every IPv6 address of the host: publish port {port} of "
            "{target} on an IPv4 address alone (0.0.0.0 is every one), or take `enable_ipv6` out of {spoken}",
            policy=True,
        ),
    ),
    (lambda scene, item: _published(scene, item) and item.source.place != OUTSIDE, _through_host),
    (
        _published,
        _say("take port {port} out of `ports` of {target}, or publish it on 127.0.0.1 alone", policy=True),
    ),
    (
        _to(HOST),
        _say(
            "the host has an address on every bridge: a firewall on the host shuts it, or from Docker Engine 28 on "
            "an internal network with the driver option com.docker.network.bridge.gateway_mode_ipv4: isolated "
            "(for IPv6 gateway_mode_ipv6)",
            policy=True,
        ),
    ),
    (
        lambda scene, item: item.target.place == OUTSIDE and over_bare_v6(scene, item),
        _say(BARE + "take `enable_ipv6` out of {spoken}, or take Docker Engine 27 or later", policy=True),
    ),
    (_to(OUTSIDE), _egress),
    (
        lambda scene, item: over_v6(scene, item) and not _shared(scene, item) and bool(item.target.network),
        _say(BARE + "take `enable_ipv6` out of {network}, or take Docker Engine 27 or later", policy=True),
    ),
    (
        _from(OUTSIDE),
        _say("make {network} `internal: true`, or take Docker Engine 28 or later, which drops this", policy=True),
    ),
    (_shared, _say("give {source} and {target} networks of their own instead of {network}", policy=True)),
    (_always, _say("change what the file says about {source} and {target}", policy=True)),
)


def _has_stranger(_scene: Scene, item: Seen) -> bool:
    return any(place.startswith(STRANGER) for place in (item.source.place, item.target.place))


def _send_away(scene: Scene, item: Seen) -> Advice:
    name = next(called(p) for p in (item.source.place, item.target.place) if p.startswith(STRANGER))
    seats = sorted(scene.held.get(name, frozenset())) or [item.target.network]
    labels = " and ".join(scene.label(seat) for seat in seats)
    return Advice(
        f"somebody put {name}, which the file does not know, on {labels}; take it off",
        tuple(DISCONNECT.format(seat, name) for seat in seats),
    )


def _target_moved(scene: Scene, item: Seen) -> bool:
    place = item.target.place
    return place in scene.drawn and bool(item.target.network) and not scene.is_drawn(place, item.target.network)


def _source_moved(scene: Scene, item: Seen) -> bool:
    """Whether the source sits on a network that leads there, and the file did not put it there."""
    uninvited = scene.uninvited(item.source.place, item.source.container)
    return item.target.network in uninvited or (not item.target.network and bool(uninvited))


def _move_back(place: str, container: str, networks: Sequence[str], scene: Scene) -> Advice:
    labels = " and ".join(scene.label(name) for name in networks)
    return Advice(
        f"somebody connected {place} to {labels} while it ran; take it off, or write the network into the file",
        tuple(DISCONNECT.format(name, container) for name in networks),
    )


def _move_target_back(scene: Scene, item: Seen) -> Advice:
    return _move_back(item.target.place, item.target.container, [item.target.network], scene)


def _move_source_back(scene: Scene, item: Seen) -> Advice:
    networks = scene.uninvited(item.source.place, item.source.container)
    near = [name for name in networks if name == item.target.network]
    return _move_back(item.source.place, item.source.container, near or networks, scene)


def _lost_internal(scene: Scene, item: Seen) -> bool:
    """Whether the file shuts the way out, and yet one of its networks is not internal at the engine."""
    return item.target.place == OUTSIDE and bool(scene.open_networks(item.source.place))


def _remake(scene: Scene, item: Seen) -> Advice:
    names = " and ".join(scene.label(name) for name in scene.open_networks(item.source.place))
    return Advice(
        f"the engine holds {names} without `internal`, and a network that exists is not changed by `up`; make it anew",
        ("docker compose down", "docker compose up -d"),
    )


HOLE: Final = (
    "both sit where the file puts them, so it is the host that lets this pass: "
    "see who changed its firewall or its networks"
)
OPEN_BY_DRIFT: Final[Sequence[Row]] = (
    (_has_stranger, _send_away),
    (_target_moved, _move_target_back),
    (_source_moved, _move_source_back),
    (_lost_internal, _remake),
    (over_v6, _say(HOLE, *FIREWALL_V6)),
    (_always, _say(HOLE, *FIREWALL)),
)

OPEN_BY: Final[dict[Cause | None, Sequence[Row]]] = {
    Cause.FILE: OPEN_BY_FILE,
    Cause.DRIFT: OPEN_BY_DRIFT,
    None: (
        (_has_stranger, _send_away),
        (_target_moved, _move_target_back),
        (_always, _say("the file alone does not decide this: shut it on the engine or on the host", policy=True)),
    ),
}

DROP_LINE: Final = ", or take {line} out of the policy"

SHUT_BY_FILE: Final[Sequence[Row]] = (
    (
        lambda _, item: item.source.place == OUTSIDE and item.target.service_port == ANY_PORT,
        _say("{line} names no port, and so asks for every port of {target}: name the one that is needed"),
    ),
    (_from(OUTSIDE), _say("publish port {port} of {target} (`ports`)" + DROP_LINE)),
    (_to(OUTSIDE), _say("give {source} a network that is not internal" + DROP_LINE)),
    (_always, _say("put {source} and {target} on one network" + DROP_LINE)),
)


def _no_address(_scene: Scene, item: Seen) -> bool:
    return not item.target.address


def _arrived(_scene: Scene, item: Seen) -> bool:
    return item.flow.outcome is Outcome.ARRIVED


def _source_absent_there(scene: Scene, item: Seen) -> bool:
    held = scene.held.get(item.source.container, frozenset())
    return scene.is_drawn(item.source.place, item.target.network) and item.target.network not in held


DROPPED: Final = "something on the way drops it: see who changed the host's firewall"
SHUT_BY_DRIFT: Final[Sequence[Row]] = (
    (_no_address, _say("{target} lost its seat on {network}; give it back", RECREATE.format("{target}"))),
    (
        _arrived,
        _say(
            "the way is open, but nothing answers at the end of it: see whether {target} is well and listens there",
            "docker compose ps {target}",
            "docker compose logs --tail 50 {target}",
        ),
    ),
    (_source_absent_there, _say("{source} lost its seat on {network}; give it back", RECREATE.format("{source}"))),
    (over_v6, _say(DROPPED, *FIREWALL_V6)),
    (_always, _say(DROPPED, *FIREWALL)),
)

TOLERATED: Final[Sequence[Row]] = (
    (_always, _say("with --strict what {line} tolerates is a breach: shut it, or name it under `allow` instead")),
)


def _missing(item: Seen) -> str:
    """Return the end of a flow that has no running container, empty when both have."""
    ends = (item.source, item.target)
    return next((end.place for end in ends if not end.container and end.place not in (HOST, OUTSIDE)), "")


def _start(_scene: Scene, item: Seen) -> Advice:
    name = _missing(item)
    return Advice(f"start {name} and prove again", (f"docker compose up -d {name}", f"docker compose logs {name}"))


NOT_KNOWN: Final[Sequence[Row]] = (
    (lambda _, item: bool(_missing(item)), _start),
    (
        lambda _, item: bool(item.source.positive_control),
        _say("see what holds back {source}'s own traffic in its namespace, and prove again"),
    ),
    (
        lambda _, item: bool(item.source.negative_control),
        _say("find what answers {source} for every address (a transparent proxy does), and prove again"),
    ),
    (
        lambda _, item: item.flow.observed is not Reach.UNKNOWN,
        _say("the file alone cannot say what is meant here: say it with a policy under x-cloison"),
    ),
    (_always, _say("prove again when nothing is starting or stopping")),
)
