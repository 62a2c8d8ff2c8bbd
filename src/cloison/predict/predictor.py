"""The predicted matrix: the reach of every flow by the Compose file and the engine's facts, with the deciding rule.

Input: a `Project`, `Facts` and the flows. Output: a `Prediction` for each flow.
Rule: each engine has a list of rules for each version of IP, and the first prediction of a list decides. No rule
reads an observation; where the facts do not decide, the prediction is unknown and names the missing fact.

A rule sees of an unpublished port only which published ports of the file have it as target. So the rules run once
for all ports of an address that do not differ in that.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from cloison.compose.project import Project
from cloison.model.facts import Facts
from cloison.model.flow import FOREIGN, Endpoint, EndpointKind, Flow, ip_version
from cloison.predict import docker_ipv4, docker_ipv6, podman
from cloison.predict.context import Prediction, PredictionContext, PredictionRules, unknown

DEFAULT_ENGINE: Final = "docker"
"""The engine that a plan assumes."""
RULES: Final[Mapping[str, Mapping[int, PredictionRules]]] = {
    DEFAULT_ENGINE: {4: docker_ipv4.RULES, 6: docker_ipv6.RULES},
    "podman": {4: podman.RULES, 6: podman.RULES_V6},
}
"""By the engine's name in its facts, and the version of IP."""


NO_RULE: Final = unknown("no rule matches this flow")


def _rules_of(engine: str) -> Mapping[int, PredictionRules]:
    """Return an engine's rules; those of an engine without a table predict that nothing is known."""
    missing = unknown(f'the rules of the engine "{engine}" are not known to this version of cloison')
    no_rules: PredictionRules = (lambda _context, _flow: missing,)
    return RULES.get(engine, {4: no_rules, 6: no_rules})


def predict(project: Project, facts: Facts, flows: Iterable[Flow]) -> dict[Flow, Prediction]:
    """Return the prediction of every flow by the rules of the engine in `facts`."""
    context, tables = PredictionContext(project, facts), _rules_of(facts.engine.name)
    keys: dict[Endpoint, Hashable] = {}
    by_key: dict[tuple[str, Hashable], Prediction] = {}
    equal: dict[Prediction, Prediction] = {}  # what follows from predictions is computed once for each object
    predicted: dict[Flow, Prediction] = {}
    for flow in flows:
        place, end = flow.vantage.place, flow.endpoint
        key = keys.get(end) or keys.setdefault(end, _visible_properties(context, end))
        known = by_key.get((place, key))
        if known is None:
            found = _first_match(context, flow, tables[ip_version(end.address)])
            known = by_key[place, key] = equal.setdefault(found, found)
        predicted[flow] = known
    return predicted


def _visible_properties(context: PredictionContext, end: Endpoint) -> Hashable:
    """Return the properties of an endpoint that the rules read."""
    if end.kind is EndpointKind.PUBLISHED:
        return end
    return end.place, end.container, end.network, end.address, (*context.ports(end),)


def _first_match(context: PredictionContext, flow: Flow, rules: PredictionRules) -> Prediction:
    for rule in rules:
        if found := rule(context, flow):
            break
    else:
        found = NO_RULE
    # A sentence names a container that is in no file as the engine does.
    return replace(found, rule=found.rule.replace(FOREIGN, "")) if FOREIGN in found.rule else found
