"""Small proofs for the tests of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from sqlalchemy import Engine

from cloison_view import verdict
from ledger import clock as ledger_clock
from ledger.accounts import projects

CLOSED_PORT: Final = {"intended": "shut", "predicted": "shut", "observed": "shut", "judgement": "holds"}
OPEN: Final = {"intended": "shut", "predicted": "shut", "observed": "open", "judgement": "breach"}


def document(
    connections: Mapping[tuple[str, str, int], Mapping[str, Any]],
    *,
    minute: int = 0,
    has_policy: bool = True,
    project: str = "shop",
) -> dict[str, Any]:
    """Return a proof: each connection from one place to a port of another, with its state."""
    places = sorted({place for source, target, _ in connections for place in (source, target)})
    ends = sorted({(target, port) for _, target, port in connections})
    flows = [
        {
            "vantage": places.index(source),
            "endpoint": ends.index((target, port)),
            "intended_by": "",
            "rule": "a rule",
            "outcome": "accepted" if state["observed"] == "open" else "silent",
            "evidence": "seen",
            "cause": "drift" if state["judgement"] == "breach" else None,
            "drift": state["predicted"] != state["observed"],
            "reason": "a reason",
            **state,
        }
        for (source, target, port), state in sorted(connections.items())
    ]
    totals = dict.fromkeys(("breach", "broken", "holds", "tolerated", "unjudged", "unknown", "drift"), 0)
    for flow in flows:
        totals[flow["judgement"]] += 1
        totals["drift"] += flow["drift"]
    unknown = sum(flow["observed"] == "unknown" for flow in flows)
    judgements = {flow["judgement"] for flow in flows}
    found = verdict.verdict(judgements, has_policy=has_policy, is_complete=bool(flows))
    return {
        "schema_version": "2",
        "tool": {"name": "cloison", "version": "0.1.0"},
        "verdict": found._asdict(),
        "project": {"name": project, "services": [], "networks": []},
        "machine": {"name": "vm", "kernel": "Linux 6.1"},
        "engine": {
            "name": "docker",
            "version": "20.10.24",
            "forward_policy": "DROP",
            "forward_policy_v6": "ACCEPT",
            "filters_ipv6": False,
            "has_userland_proxy": True,
            "guards_addresses": True,
            "firewall": "",
            "filters_bridges": True,
            "source_check": "",
        },
        "started": f"2026-01-{1 + minute // 1440:02}T{minute // 60 % 24:02}:{minute % 60:02}:00.000Z",
        "duration_ms": 900,
        "patience_ms": 500,
        "policy": {"allow": [], "tolerate": []} if has_policy else None,
        "vantages": [
            {"place": place, "container": f"shop-{place}-1", "positive_control": "", "negative_control": ""}
            for place in places
        ],
        "endpoints": [
            {
                "place": place,
                "container": f"shop-{place}-1",
                "kind": "listener",
                "protocol": "tcp",
                "service_port": port,
                "network": "shop_net",
                "address": "198.18.0.2",
                "port": port,
            }
            for place, port in ends
        ],
        "flows": flows,
        "totals": totals,
        "findings": [],
        "coverage": {"flows": len(flows), "unknown": unknown, "absent": [], "skipped": [], "complete": bool(flows)},
        "notes": [],
    }


def body(document: Mapping[str, Any]) -> bytes:
    """Return a proof's canonical bytes."""
    return msgspec.json.encode(document, order="sorted")


def proof(minute: int = 0, **connections: str) -> bytes:
    """Return a proof of connections to db's port 3306, each open or shut: `proof(5, app="open", proxy="shut")`."""
    states = {(source, "db", 3306): OPEN if state == "open" else CLOSED_PORT for source, state in connections.items()}
    return body(document(states, minute=minute))


def add_project(engine: Engine, *names: str) -> None:
    """Make projects."""
    with engine.begin() as connection:
        for name in names:
            projects.add(connection, name, ledger_clock.now())
