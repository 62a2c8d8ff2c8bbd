"""The three tiers as Podman runs them."""

from __future__ import annotations

from typing import Any

from tests.integration.compose_project import POLICY, service, three_tiers
from tests.integration.enforce.link_image import IMAGE

ROUTED = {"flow": "outside -> proxy", "why": "Podman keeps nobody out who routes to its networks through the host"}


def small(*ports: int, **more: Any) -> dict[str, Any]:
    """Return a service that listens on `ports`, with the programs of Podman's own root directory."""
    return service(*ports, **_here(), **more)


def podman_tiers() -> dict[str, Any]:
    """Return the three tiers, with what Podman opens tolerated."""
    document = three_tiers(**POLICY | {"tolerate": [*POLICY["tolerate"], ROUTED]})
    services = {name: body | _here() for name, body in document["services"].items()}
    services["proxy"]["ports"] = ["80"]
    return document | {"services": services}


def _here() -> dict[str, Any]:
    return {"image": IMAGE, "volumes": ["/usr:/usr:ro"]}
