"""What is predicted while a policy is enforced: the file's prediction, but for what enforcement closes.

Input: the predictions of the file, the policy, and the facts. Output: predictions for the same flows.
Rule: enforcement closes what no rule of `allow`, and no toleration with `keep`, names, on networks that a bridge of
this host carries. It opens nothing, so a flow that is predicted closed stays so. Whether the rules really stand is not
asked here: the probes say it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cloison.compose.flow_rule import PolicyRule, RulesByPlaces
from cloison.compose.policy import Policy
from cloison.compose.project import Project
from cloison.model.facts import Facts
from cloison.model.flow import HOST, LINK_LOCAL, OUTSIDE, EndpointKind, Flow
from cloison.model.outcome import Reach
from cloison.predict.context import Prediction, shut

CLOSED: Final = shut("enforcement closes what the policy does not allow")
BRIDGE: Final = "bridge"


def with_enforcement(
    project: Project, policy: Policy | None, facts: Facts, predicted: Mapping[Flow, Prediction]
) -> dict[Flow, Prediction]:
    """Return the predictions with enforcement."""
    if policy is None:
        return dict(predicted)
    opened = _Opened(project, policy, facts)
    return {
        flow: prediction if prediction.reach is Reach.SHUT or opened.holds(flow) else CLOSED
        for flow, prediction in predicted.items()
    }


class _Opened:
    """Tells which flows enforcement leaves as they are."""

    def __init__(self, project: Project, policy: Policy, facts: Facts) -> None:
        self._project, self._facts = project, facts
        kept = [toleration for toleration in policy.tolerate if toleration.keep]
        rules: list[PolicyRule] = [*policy.allow, *(toleration.rule for toleration in kept if toleration.rule)]
        self._rules = RulesByPlaces(rules)
        self._networks = {project.networks[t.network].name for t in kept if t.network}

    def holds(self, flow: Flow) -> bool:
        """Whether enforcement does not close a flow: it is allowed, or its packets pass no bridge of the project."""
        start, end = flow.vantage, flow.endpoint
        if self._passes_no_bridge(flow):
            return True
        if end.address.startswith(LINK_LOCAL):
            return False  # an address that the engine does not give identifies nobody
        if self._is_allowed(start.place, flow):
            return True
        # The engine's proxy of a published port connects from the host, so what the outside may do, the host can.
        return start.place == HOST and self._is_allowed(OUTSIDE, flow)

    def _is_allowed(self, source: str, flow: Flow) -> bool:
        end = flow.endpoint
        rules = self._rules.between(source, end.place)
        if any(rule.covers(end.protocol, end.service_port) for rule in rules):
            return True
        return end.network in self._networks and end.network in self._project.attached_networks(source)

    def _passes_no_bridge(self, flow: Flow) -> bool:
        start, end = flow.vantage, flow.endpoint
        namespaces = self._facts.network_namespaces
        owner = namespaces.get(start.container, HOST if start.place == HOST else "")
        if owner and owner == (HOST if end.place == HOST else namespaces.get(end.container, "")):
            return True
        if start.place == HOST and end.kind is EndpointKind.PUBLISHED:
            return True  # the engine's proxy answers on the host itself
        network = self._facts.network(end.network)
        return network is not None and network.driver != BRIDGE
