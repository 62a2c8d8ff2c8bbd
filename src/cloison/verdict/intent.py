"""What is intended of every flow: by the policy, or, without one, by the walls that the file draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from cloison.compose.policy import Policy, Toleration
from cloison.compose.project import Project
from cloison.model.flow import HOST, OUTSIDE, Endpoint, EndpointKind, Flow, Vantage
from cloison.model.outcome import Reach
from cloison.predict.context import Prediction


class Intent(StrEnum):
    """What the owner wants of a flow."""

    OPEN = "open"
    SHUT = "shut"
    TOLERATED = "tolerated"
    OPTIONAL = "optional"
    """Allowed, and not needed here: by a star, or because the file carries the door at another address."""
    UNJUDGED = "unjudged"
    """From the host, and not named by the policy."""
    UNDECIDED = "undecided"
    """There is no policy, and the file alone cannot say."""


@dataclass(frozen=True, slots=True)
class Intention:
    """What is wanted of one flow, and which line of the policy says so (empty: the default)."""

    intent: Intent
    where: str = ""
    why: str = ""


def intended(
    project: Project,
    rules: Policy | None,
    predicted: Mapping[Flow, Prediction],
) -> dict[Flow, Intention]:
    """Return what is intended of every flow of `predicted`."""
    if rules is None:
        return {flow: _intended_by_file(flow, prediction) for flow, prediction in predicted.items()}
    is_open = [flow for flow, prediction in predicted.items() if prediction.reach is Reach.OPEN]
    reachable, published = (
        {_without_address(flow) for flow in is_open},
        {_without_address(flow) for flow in is_open if _is_published(flow)},
    )
    return {
        flow: _intention(project, rules, flow, prediction.reach, (reachable, published))
        for flow, prediction in predicted.items()
    }


CACHED_INTENTIONS: Final = 1 << 12
"""Lines of a policy whose words are kept."""
DEFAULT_INTENTIONS: Final = {intent: Intention(intent) for intent in Intent}
"""What no line of the policy says: one object for all flows."""
INTENT_BY_REACH: Final = {Reach.OPEN: Intent.OPEN, Reach.SHUT: Intent.SHUT, Reach.UNKNOWN: Intent.UNDECIDED}


def _intended_by_file(flow: Flow, prediction: Prediction) -> Intention:
    """Return what the file draws, which is not always what the engine makes of it."""
    if flow.vantage.place == HOST:
        return DEFAULT_INTENTIONS[Intent.UNJUDGED]
    if flow.endpoint.place == HOST and prediction.reach is not Reach.SHUT:
        return DEFAULT_INTENTIONS[Intent.OPTIONAL]  # what the host offers is its owner's, and the file needs none of it
    return DEFAULT_INTENTIONS[Intent.SHUT if prediction.is_unfiltered else INTENT_BY_REACH[prediction.reach]]


def _intention(
    project: Project,
    rules: Policy,
    flow: Flow,
    reach: Reach,
    reachable_and_published: tuple[set[tuple[Vantage, Endpoint]], set[tuple[Vantage, Endpoint]]],
) -> Intention:
    reachable, published = reachable_and_published
    for rule in rules.allow:
        if rule.matches(flow):
            # A star allows everything it covers and needs only what the file carries.
            optional = reach is not Reach.OPEN and (rule.has_wildcard or _without_address(flow) in reachable)
            optional |= _is_direct_from_outside(flow) and _without_address(flow) in published
            return _shared_intention(Intent.OPTIONAL if optional else Intent.OPEN, rule.where)
    for toleration in rules.tolerate:
        if _tolerates(project, toleration, flow):
            return _shared_intention(Intent.TOLERATED, toleration.where, toleration.why)
    return DEFAULT_INTENTIONS[Intent.UNJUDGED if flow.vantage.place == HOST else Intent.SHUT]


@lru_cache(CACHED_INTENTIONS)
def _shared_intention(intent: Intent, where: str, why: str = "") -> Intention:
    """Return one object for all flows of which a line of the policy says the same."""
    return Intention(intent, where, why)


def _is_published(flow: Flow) -> bool:
    return flow.endpoint.kind is EndpointKind.PUBLISHED


def _is_direct_from_outside(flow: Flow) -> bool:
    """Whether a flow comes from outside to a container's own address: it may, and nobody counts on it."""
    return flow.vantage.place == OUTSIDE and not _is_published(flow)


def _without_address(flow: Flow) -> tuple[Vantage, Endpoint]:
    """Return what all addresses of one door have in common: any one of them serves who is allowed through."""
    end = flow.endpoint
    return flow.vantage, Endpoint(
        end.place, end.container, EndpointKind.LISTENER, end.protocol, end.service_port, "", "", 0
    )


def _tolerates(project: Project, toleration: Toleration, flow: Flow) -> bool:
    if toleration.rule:
        return toleration.rule.matches(flow)
    name = project.networks[toleration.network].name
    members = (project.attached_networks(flow.vantage.place), project.attached_networks(flow.endpoint.place))
    return flow.endpoint.network == name and all(name in attached_networks for attached_networks in members)
