"""Predicts which network carries a container's packets to other machines, by the file and the engine's version.

Input: a `Project` and `Facts`. Output: the networks of the default gateway, or None where it is not known.
Rule: networks that are internal carry nothing. Docker sorts the others by `gw_priority` (since Engine 28), prefers one
with IPv6, and then sorts by name; since Engine 28 each version of IP has a gateway of its own. Podman gives a default
route to every network.
Sources: https://docs.docker.com/engine/network/#connecting-to-multiple-networks, `Less` of
https://github.com/moby/moby/blob/v20.10.24/libnetwork/sandbox.go, https://github.com/moby/moby/pull/48936,
https://github.com/containers/netavark/issues/377.
"""

from __future__ import annotations

from typing import Final

from cloison.compose.project import Project
from cloison.model.facts import EgressNetworks, Facts
from cloison.predict.context import GATEWAY_PRIORITY, PredictionContext
from cloison.predict.predictor import DEFAULT_ENGINE, RULES

VERSIONS: Final = (4, 6)
UNKNOWN_RELEASE: Final = (0, 0)


def predicted_egress(project: Project, facts: Facts) -> tuple[EgressNetworks, ...]:
    """Return the predicted egress networks of the containers of the project, without those that are not known."""
    context = PredictionContext(project, facts)
    return tuple(
        sorted(
            EgressNetworks(container.name, version, networks)
            for container in facts.containers
            if container.project == project.name
            and container.service in project.services
            and not context.uses_host_namespace(container.service)
            for version in VERSIONS
            if (networks := egress(context, container.service, version)) is not None
        )
    )


def egress(context: PredictionContext, place: str, version: int) -> tuple[str, ...] | None:
    """Return the networks that carry a service's packets to other machines, None where the facts do not decide."""
    owner = context.project.services[context.owner(place)]
    engine = context.facts.engine
    if engine.name not in RULES or owner.network_mode.startswith("container:"):
        return None
    attached = context.attached_networks(place) if version == VERSIONS[0] else context.attached_networks_v6(place)
    if any(not context.driver(network) for network in context.attached_networks(place)):
        return None
    found = tuple(network for network in attached if not context.is_internal(network))
    if engine.name != DEFAULT_ENGINE:
        return found if version == VERSIONS[0] else None  # Podman's IPv6 is not predicted
    if len(found) < 2:  # noqa: PLR2004  # one, or none
        return found
    if engine.release == UNKNOWN_RELEASE:
        return None
    return _first(context, place, found)


def _first(context: PredictionContext, place: str, found: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the network that Docker chooses of several."""
    best = min(found, key=lambda n: (-_priority(context, place, n), not context.speaks_ipv6(n), n))
    if not context.speaks_ipv6(best) and any(map(context.speaks_ipv6, found)):
        # A network with IPv6 is taken although another has a higher priority, in some versions since 28.0:
        # https://github.com/moby/moby/pull/52328
        return None
    return (best,)


def _priority(context: PredictionContext, place: str, network: str) -> int:
    return context.project.priority(place, network) if context.facts.engine.release >= GATEWAY_PRIORITY else 0
