"""Compose documents as Compose resolves them, and their plans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cloison.compose import project as compose_project
from cloison.plan import planner
from cloison.plan.schema import Plan
from cloison.plan.synthetic_facts import Assumptions
from cloison.proof.schema import Tool

TOOL: Final = Tool("cloison", "0.1.0")
Document = Mapping[str, Any]


def service(*networks: str, expose: tuple[int, ...] = (), ports: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """Return a service; a port is `host:container`, `address:host:container`, with or without `/udp`."""
    attachments = {"networks": dict.fromkeys(networks)} if networks else {}
    return {**attachments, "expose": [str(port) for port in expose], "ports": [_port(text) for text in ports], **more}


def _port(text: str) -> dict[str, Any]:
    path, _, protocol = text.partition("/")
    *address, published, target = path.rsplit(":", 2)
    return {
        "target": int(target),
        "published": published,
        "protocol": protocol or "tcp",
        **({"host_ip": address[0].strip("[]")} if address else {}),
    }


def shop(policy: Document | None = None, **changes: Any) -> dict[str, Any]:
    """Return three tiers: a proxy, an application and a database that share one network."""
    services = {
        "app": service("back", expose=(5000,)),
        "db": service("back", expose=(3306,)),
        "proxy": service("back", "front", ports=("8080:80",)),
    }
    document: dict[str, Any] = {
        "name": "shop",
        "services": {**services, **changes},
        "networks": {"back": {"name": "shop_back", "internal": True}, "front": {"name": "shop_front"}},
    }
    return document | ({"x-cloison": policy} if policy is not None else {})


ALLOW: Final = ["outside -> proxy:80", "proxy -> app:5000", "app -> db:3306"]
TOLERATE: Final = [
    {"network": "back", "why": "Docker has no policy inside a network"},
    {"flow": "proxy -> outside", "why": "front must not be internal, or nothing could be published"},
    {"flow": "* -> host", "why": "the host's firewall is not this file's business"},
]
POLICY: Final[dict[str, Any]] = {"allow": ALLOW, "tolerate": TOLERATE}


def planned(document: Document, **assumed: str) -> Plan:
    """Return the plan of a document."""
    return planner.plan(compose_project.project(document), Assumptions(**assumed), TOOL)


def flow_texts(plan: Plan, judgement: str) -> set[str]:
    """Return the flows that have a judgement, as `source -> place:port`; `*` is a canary."""
    found = (flow for flow in plan.flows if flow.judgement == judgement)
    pairs = ((plan.vantages[flow.vantage], plan.endpoints[flow.endpoint]) for flow in found)
    return {f"{start.place} -> {end.place}:{end.service_port or '*'}" for start, end in pairs}


def remarks(plan: Plan, kind: str) -> list[tuple[str, str]]:
    """Return the lint findings of a kind, with their positions."""
    return [(finding.where, finding.says) for finding in plan.remarks if finding.kind == kind]
