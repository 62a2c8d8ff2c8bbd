"""Rewrites what a resolved Compose file says in two ways, so that every verb reads it in one.

Input: the document of `docker compose config`. Output: the document, and a sentence for each service left out.
Rules:
  - `network_mode: container:NAME`, where NAME is the `container_name` of a service, is `network_mode: service:SERVICE`.
  - A service with a `provider` is no container: Compose hands it to a program, so it has no flows here.
Sources: https://docs.docker.com/reference/compose-file/services/#network_mode, #container_name and #provider
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

CONTAINER: Final = "container:"


def normalized(document: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """Return the document in one spelling, and what is left out; a document of another shape is returned as it is."""
    services = document.get("services")
    if not isinstance(services, Mapping) or not all(isinstance(body, Mapping) for body in services.values()):
        return document, []
    provided = sorted(name for name, body in services.items() if body.get("provider"))
    owners = {body["container_name"]: name for name, body in services.items() if body.get("container_name")}
    kept = {name: _with_owner(body, owners) for name, body in services.items() if name not in provided}
    left_out = [f"service {name} has a provider, so it is no container and has no flows" for name in provided]
    return {**document, "services": kept}, left_out


def _with_owner(body: Mapping[str, Any], owners: Mapping[str, str]) -> Mapping[str, Any]:
    mode = body.get("network_mode")
    if not isinstance(mode, str) or not mode.startswith(CONTAINER):
        return body
    owner = owners.get(mode.removeprefix(CONTAINER))
    return {**body, "network_mode": f"service:{owner}"} if owner else body
