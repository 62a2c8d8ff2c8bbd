"""A project for exports: three tiers, a service in the network of the host, and one that shares a namespace."""

from __future__ import annotations

from typing import Any

from tests.unit.plan.sample_documents import service

from cloison.compose import project as compose_project
from cloison.compose.policy import Policy, policy
from cloison.compose.project import Project


def shop(more: dict[str, Any] | None = None, **parts: Any) -> tuple[Project, Policy]:
    """Return a project with a policy, and more services."""
    services = {
        "proxy": service("front", "back", ports=("8080:80",)),
        "app": service("back", expose=(5000,)),
        "db": service("back", expose=(3306,)),
        **(more or {}),
    }
    networks = {"front": {"name": "shop_front"}, "back": {"name": "shop_back", "internal": True}}
    document = {"name": "shop", "services": services, "networks": networks, "x-cloison": parts}
    project = compose_project.project(document)
    found = policy(project)
    assert found
    return project, found


HOST_SERVICE = {"agent": service(network_mode="host")}
SHARER = {"sidecar": service(network_mode="service:app")}
