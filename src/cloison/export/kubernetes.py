"""A policy as a set of NetworkPolicy objects of Kubernetes.

Input: a project, its policy, and the label by which pods name their service. Output: the objects, and sentences.

    cloison.default-deny  closes every pod of the namespace in both directions
    cloison.allow-dns     lets every pod ask the cluster's DNS: a pod without it cannot resolve the name of any service
    SERVICE               what reaches the pods of a service, and what they reach

Rules:
  - Both ends have to allow a connection, and policies add up, so each pair stands in the ingress of its target and in
    the egress of its source. Replies need nothing.
  - The outside as a source is every address: a node may have put its own in the place of the client's. The outside as a
    target is every address but the private ones, which pods and services have.
  - The objects have an effect only where the cluster's network plugin enforces them.
Source: https://kubernetes.io/docs/concepts/services-networking/network-policies/; the label is that of kompose,
https://kompose.io/user-guide/.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from io import StringIO
from typing import Any, Final

from cloison.compose.policy import Policy
from cloison.compose.project import Project
from cloison.errors import UsageError, printable
from cloison.export.pairs import Pair, pairs, services
from cloison.model.flow import HOST, OUTSIDE

LABEL: Final = "io.kompose.service"
"""The label that kompose gives the pods of a service."""
DEFAULT_DENY, ALLOW_DNS = "cloison.default-deny", "cloison.allow-dns"
"""The names of the objects for all pods. They have a dot, and that of a service never has one: an object of the same
name would replace them, and without the first everything is open."""
NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9-]+")
MAX_LABEL: Final = 63
WORD: Final = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
LABEL_KEY: Final = re.compile(rf"([a-z0-9]([-a-z0-9.]{{0,251}}[a-z0-9])?/)?{WORD}")
"""https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set"""
MAX_WIDTH: Final = 1000
EVERYWHERE: Final = ("0.0.0.0/0", "::/0")
PRIVATE: Final = {
    "0.0.0.0/0": ["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"],
    "::/0": ["fc00::/7", "fe80::/10"],
}
"""RFC 1918, RFC 6598, RFC 3927, RFC 4193 and RFC 4291: the addresses that no other network routes to."""
DNS: Final = {
    "to": [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        }
    ],
    "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
}
"""The pods of the cluster's DNS; CoreDNS has the label, too."""
TO_HOST: Final = "{reason}: a node is no pod, so the line is left out; add the node's address as an ipBlock"
FROM_HOST: Final = "{reason}: a cluster always lets a node reach its own pods, so the line needs no rule"
IN_HOST_NETWORK: Final = "{name}: NetworkPolicy does not apply to pods in the network of their node"
SHARED: Final = "{name}: it shares the network of {owner}, so both have to be containers of one pod, {owner}"
OUTSIDE_TARGET: Final = "outside: private addresses are left out, because pods have them; add what is needed there"
OUTSIDE_SOURCE: Final = "outside: pods of other namespaces may come in like every other address"


def exported(project: Project, rules: Policy, label: str = LABEL) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the objects, and sentences about what they cannot say.

    Raises UsageError where two services have one name in Kubernetes, or a service or the label none that it takes.
    """
    if not LABEL_KEY.fullmatch(label):
        raise UsageError(f'--label "{printable(label)}" is no label of Kubernetes, such as app.kubernetes.io/name')
    found, sentences = pairs(project, rules)
    names = _names(services(project))
    objects = [
        _policy(DEFAULT_DENY, {}, ["Ingress", "Egress"]),
        _policy(ALLOW_DNS, {}, ["Egress"], egress=[DNS]),
    ]
    for service in services(project):
        ingress = [pair for pair in found if pair.target == service and pair.source != HOST]
        egress = [pair for pair in found if pair.source == service and pair.target != HOST]
        selector = {"matchLabels": {label: names[service]}}
        parts = {
            "ingress": [_rule("from", pair, pair.source, label, names) for pair in ingress],
            "egress": [_rule("to", pair, pair.target, label, names) for pair in egress],
        }
        held = {kind: held for kind, held in parts.items() if held}
        if held:
            types = [kind.capitalize() for kind in held]
            objects.append(_policy(names[service], selector, types, [*ingress, *egress], **held))
    return objects, [*sentences, *_without_counterpart(project, found)]


def _names(places: Iterable[str]) -> dict[str, str]:
    """Return the names of services as Kubernetes takes them (RFC 1123), as kompose makes them."""
    names: dict[str, str] = {}
    for place in places:
        name = NOT_IN_NAMES.sub("-", place.lower()).strip("-")
        if not 0 < len(name) <= MAX_LABEL:
            raise UsageError(f"the service {place} has no name of 1 to {MAX_LABEL} letters in Kubernetes; rename it")
        if other := next((known for known, held in names.items() if held == name), ""):
            raise UsageError(f"the services {other} and {place} would both be called {name} in Kubernetes; rename one")
        names[place] = name
    return names


def _policy(
    name: str, selector: Mapping[str, Any], types: list[str], reasons: Iterable[Pair] = (), **rules: Any
) -> dict[str, Any]:
    lines = list(dict.fromkeys(pair.reason for pair in reasons))
    metadata = {"name": name, **({"annotations": {"cloison/policy": "\n".join(lines)}} if lines else {})}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata,
        "spec": {"podSelector": dict(selector), "policyTypes": types, **rules},
    }


def _rule(side: str, pair: Pair, place: str, label: str, names: Mapping[str, str]) -> dict[str, Any]:
    if place != OUTSIDE:
        peers: list[dict[str, Any]] = [{"podSelector": {"matchLabels": {label: names[place]}}}]
    elif side == "from":
        peers = [{"ipBlock": {"cidr": cidr}} for cidr in EVERYWHERE]
    else:
        peers = [{"ipBlock": {"cidr": cidr, "except": PRIVATE[cidr]}} for cidr in EVERYWHERE]
    if not pair.port:
        return {side: peers}
    port = {"protocol": pair.protocol.upper(), "port": pair.port}
    return {side: peers, "ports": [port | ({"endPort": pair.last_port} if pair.last_port else {})]}


def _without_counterpart(project: Project, found: Iterable[Pair]) -> Iterator[str]:
    held = list(found)
    yield from dict.fromkeys(TO_HOST.format(reason=pair.reason) for pair in held if pair.target == HOST)
    yield from dict.fromkeys(FROM_HOST.format(reason=pair.reason) for pair in held if pair.source == HOST)
    for name, service in sorted(project.services.items()):
        if service.network_mode == HOST:
            yield IN_HOST_NETWORK.format(name=name)
        elif project.owner(name) != name:
            yield SHARED.format(name=name, owner=project.owner(name))
    if any(pair.target == OUTSIDE for pair in held):
        yield OUTSIDE_TARGET
    if any(pair.source == OUTSIDE for pair in held):
        yield OUTSIDE_SOURCE


def yaml(objects: Iterable[Mapping[str, Any]]) -> str:
    """Return objects as a stream of YAML documents."""
    from ruamel.yaml import YAML  # noqa: PLC0415  # slow, and only the export needs it

    writer = YAML(typ="rt", pure=True)
    writer.explicit_start, writer.width = True, MAX_WIDTH
    writer.representer.ignore_aliases = lambda _: True
    written = StringIO()
    writer.dump_all(objects, written)
    return written.getvalue()
