"""The containers of a project and of its networks, whatever labels they have."""

from __future__ import annotations

from typing import Any

import docker as docker_library
import pytest

from cloison.engine.docker import Docker
from cloison.engine.labels import AGENT_LABEL, COMPOSE_PROJECT
from cloison.model.facts import Container

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


def inspected(**parts: Any) -> tuple[Container, ...]:
    """Return the container of an engine whose answer to an inspection has these parts."""

    class Changed(FakeAPI):
        def inspect_container(self, container: Any) -> dict[str, Any]:
            return super().inspect_container(container) | {"Id": "0123456789abcdef"} | parts

    return Docker(Changed(listed("db", BACK, **{COMPOSE_PROJECT: "shop"}))).containers("shop", frozenset({BACK}))


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


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"Running": True, "Paused": True, "Health": {"Status": "unhealthy"}}, "paused"),
        ({"Running": True, "Restarting": True}, "restarting"),
        ({"Running": True, "Health": {"Status": "unhealthy"}}, "unhealthy"),
        ({"Running": True, "Health": {"Status": "starting"}}, ""),
        ({"Running": True, "Health": None}, ""),
    ],
)
def test_an_unusual_state_of_a_container_is_read(state: dict[str, Any], expected: str) -> None:
    (found,) = inspected(State=state)

    assert expected == found.state


def test_the_names_of_a_container_on_a_network_leave_out_its_id() -> None:
    networks = {BACK: {"IPAddress": "198.18.0.2", "Aliases": ["db", "0123456789ab"], "DNSNames": ["shop-db-1", "db"]}}
    (found,) = inspected(NetworkSettings={"Networks": networks})

    assert [("db", "shop-db-1")] == [attachment.names for attachment in found.attachments]
