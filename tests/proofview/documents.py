"""Proof documents as JSON gives them: whole ones from the reports' scenes, and small ones made by hand."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Final

from tests.reports.scenes import PROOFS

from cloison.proof import canonical

SCENES: Final = tuple(PROOFS)


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
    """Return what `doors` needs of a document: app (0, 1) and proxy (2), and four endpoints of db."""
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
