"""The containers of a project and of its networks, whatever labels they have."""

from __future__ import annotations

from typing import Any

import docker as docker_library

from cloison.engine.docker import Docker
from cloison.engine.labels import AGENT_LABEL, COMPOSE_PROJECT

BACK = "shop_back"


def listed(name: str, network: str, **labels: str) -> dict[str, Any]:
    return {
        "Id": name,
        "State": "running",
        "Labels": labels,
        "HostConfig": {"NetworkMode": network},
        "NetworkSettings": {"Networks": {network: {}}},
    }


class FakeAPI(docker_library.APIClient):
    """A client of an engine with these containers."""

    def __init__(self, *items: dict[str, Any]) -> None:
        """Make a client that needs no connection."""
        self.items = {item["Id"]: item for item in items}

    def containers(self, *_: Any, **__: Any) -> list[dict[str, Any]]:
        """Return the answer to `GET /containers/json`."""
        return [*self.items.values()]

    def inspect_container(self, container: Any) -> dict[str, Any]:
        """Return the answer to `GET /containers/ID/json`."""
        item = self.items[container]
        return {
            "Id": container,
            "Name": f"/{container}",
            "State": {"Running": True, "Pid": 7},
            "Config": {"Labels": item["Labels"]},
            "HostConfig": item["HostConfig"],
            "NetworkSettings": {},
        }


def names(*items: dict[str, Any]) -> list[str]:
    return [c.name for c in Docker(FakeAPI(*items)).containers("shop", frozenset({BACK}))]


def test_a_foreign_container_on_a_network_of_the_project_is_found_with_the_label_of_an_agent() -> None:
    own = listed("db", BACK, **{COMPOSE_PROJECT: "shop"})

    assert names(own, listed("spy", BACK, **{AGENT_LABEL: "x"})) == ["db", "spy"]


def test_an_agent_is_no_container_of_the_project() -> None:
    own = listed("web", "host", **{COMPOSE_PROJECT: "shop"})

    assert names(own, listed("agent", "host", **{AGENT_LABEL: "x"})) == ["web"]


def test_a_container_in_the_namespace_of_one_of_the_project_is_found() -> None:
    own = listed("db", BACK, **{COMPOSE_PROJECT: "shop"})
    sharer = listed("sharer", BACK) | {"HostConfig": {"NetworkMode": "container:db"}, "NetworkSettings": {}}

    assert names(own, sharer, listed("other", "elsewhere")) == ["db", "sharer"]
