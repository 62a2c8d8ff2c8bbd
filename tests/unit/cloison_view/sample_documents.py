"""Proof documents as JSON gives them: whole ones from the reports' scenes, and small ones made by hand."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Final

from tests.unit.reports.sample_project import seen_as, service, world
from tests.unit.reports.sample_proofs import PROOFS

from cloison.model.flow import HOST, OUTSIDE, Flow
from cloison.model.outcome import Observation, Outcome
from cloison.proof.schema import canonical

SAMPLE_NAMES: Final = tuple(PROOFS)


@cache
def text(scene: str) -> bytes:
    """Return the bytes of a scene's document."""
    return canonical(PROOFS[scene]())


def document(scene: str) -> dict[str, Any]:
    """Return a scene's document, the caller's own to change."""
    loaded: dict[str, Any] = json.loads(text(scene))
    return loaded


def flow(**changes: Any) -> dict[str, Any]:
    """Return a flow of which everything holds, shut, but for the changes."""
    return {
        "vantage": 0,
        "endpoint": 0,
        "intended": "shut",
        "intended_by": "",
        "predicted": "shut",
        "rule": "they share no network",
        "observed": "shut",
        "outcome": "silent",
        "evidence": "SYN was lost twice",
        "judgement": "holds",
        "cause": None,
        "drift": False,
        "reason": "no way leads there",
        **changes,
    }


def endpoint(place: str, port: int, address: str, protocol: str = "tcp") -> dict[str, Any]:
    """Return an endpoint on one network."""
    kind = "listener" if port else "canary"
    return {
        "place": place,
        "container": f"shop-{place}-1",
        "kind": kind,
        "protocol": protocol,
        "service_port": port,
        "network": "shop_back",
        "address": address,
        "port": port,
    }


def small(*flows: dict[str, Any]) -> dict[str, Any]:
    """Return the members of a document that `connections` reads: app (0, 1) and proxy (2), and four endpoints of db."""
    return {
        "vantages": [
            {"place": place, "container": f"shop-{place}-{n}", "positive_control": "", "negative_control": ""}
            for place, n in (("app", 1), ("app", 2), ("proxy", 1))
        ],
        "endpoints": [
            endpoint("db", 3306, "198.18.0.2"),
            endpoint("db", 3306, "2001:db8::2"),
            endpoint("db", 0, "198.18.0.2"),
            endpoint("db", 0, "198.18.0.2", "udp"),
        ],
        "flows": list(flows),
    }


def large_document(number: int) -> dict[str, Any]:
    """Return the document of a crowd, the caller's own to change."""
    made: dict[str, Any] = json.loads(_large_document(number))
    return made


@cache
def _large_document(number: int) -> bytes:
    """Return a document of so many services on ten networks, of which one is not tolerated, with many breaches."""
    names = [f"service{i}" for i in range(number)]
    nets = [f"n{i}" for i in range(10)]
    services = {
        name: service(5432 if i % 3 else 80, f"n{i % 10}", *([f"n{(i + 1) % 10}"] if i % 6 == 0 else []))
        for i, name in enumerate(names)
    }
    tolerate = [{"network": net, "why": "shared"} for net in nets[:-1]]
    rules = {"allow": ["service0 -> service1:5432"], "tolerate": tolerate}
    networks = {net: {"internal": bool(i % 2)} for i, net in enumerate(nets)}
    leaking = ("service2", "service3", "service4")

    def seen(flow: Flow) -> Observation | None:
        ends = flow.vantage.place, flow.endpoint.place
        leaks = ends[1] in leaking and ends[0] not in (HOST, OUTSIDE)
        return seen_as(flow, Outcome.ACCEPTED) if leaks else None

    return canonical(world({"services": services, "networks": networks, "x-cloison": rules}).proof(seen))


HOSTILE: Final = (
    '"><script>alert(1)</script>',
    "</style></script></svg></title><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "' onmouseover='alert(1)' x='",
    "db\u202egnp.\u0000\u2066",
    "]]><!--",
    "&lt;b&gt;",
    "界" * 40,
)
"""What somebody may call a thing who wants the reader's browser to do something."""


def renamed(document: dict[str, Any], evil: str) -> dict[str, Any]:
    """Return a document with this in front of every text that is somebody's own, and places still told apart."""
    names = {part["place"] for part in (*document["vantages"], *document["endpoints"])} - {HOST, OUTSIDE}
    networks = {part["name"] for part in document["project"]["networks"]}
    words = {"schema_version", "word", "kind", "protocol", "intended", "predicted", "observed", "outcome", "judgement"}

    def changed(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: changed(part, name) for name, part in value.items()}
        if isinstance(value, list):
            return [changed(part, key) for part in value]
        if not isinstance(value, str) or key in words or value in (HOST, OUTSIDE, "") or key in ("cause", "started"):
            return value
        return f"{evil}{value}" if value in names | networks else f"{value}{evil}"

    found: dict[str, Any] = changed(document)
    return found
