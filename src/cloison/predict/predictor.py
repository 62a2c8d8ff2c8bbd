"""Predicts every flow from the Compose file and the engine's facts, with the rule that decides.

Input: a project, facts and flows. Output: a prediction for each flow.
Rules: each engine has a table of rules for each version of IP. A table is read from top to bottom and the first rule
that applies decides. Nothing here depends on an observation; where the facts do not decide, or the engine has no table,
the prediction is `unknown` and says what is missing.

The rules see of an unpublished port only which ports of the file lead to it, so they are evaluated once for all ports
of an address that look alike.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Final

from cloison.compose.project import Project
from cloison.model.facts import Facts
from cloison.model.flow import Endpoint, EndpointKind, Flow, ip_version
from cloison.predict import docker_ipv4, docker_ipv6, podman
from cloison.predict.context import Prediction, PredictionContext, PredictionRules, unknown

DEFAULT_ENGINE: Final = "docker"
"""The engine that a plan assumes."""
RULES: Final[Mapping[str, Mapping[int, PredictionRules]]] = {
    DEFAULT_ENGINE: {4: docker_ipv4.RULES, 6: docker_ipv6.RULES},
    "podman": {4: podman.RULES, 6: podman.RULES_V6},
}
"""By the engine's name in its facts, and the version of IP."""


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
    predicted: dict[Flow, Prediction] = {}
    for flow in flows:
        place, end = flow.vantage.place, flow.endpoint
        key = keys.get(end) or keys.setdefault(end, _visible_properties(context, end))
        known = by_key.get((place, key))
        if known is None:
            known = by_key[place, key] = _first_match(context, flow, tables[ip_version(end.address)])
        predicted[flow] = known
    return predicted


def _visible_properties(context: PredictionContext, end: Endpoint) -> Hashable:
    """Return the properties of an endpoint that a rule may read."""
    if end.kind is EndpointKind.PUBLISHED:
        return end
    return end.place, end.container, end.network, end.address, (*context.ports(end),)


def _first_match(context: PredictionContext, flow: Flow, rules: PredictionRules) -> Prediction:
    by_key = (rule(context, flow) for rule in rules)
    return next(filter(None, by_key), unknown("no rule speaks about this flow"))
