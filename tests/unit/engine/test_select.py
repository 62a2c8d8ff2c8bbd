"""The engine is recognised by the component that only it has, and an unknown engine is never taken for Docker."""

from __future__ import annotations

from typing import Any

import docker as docker_library
import pytest

from cloison.engine import podman, select
from cloison.engine.docker import Docker
from cloison.engine.podman import Podman
from cloison.findings.engine_cves import VULNERABILITIES
from cloison.findings.host_facts import DaemonFacts
from cloison.predict.predictor import RULES


class FakeAPI(docker_library.APIClient):
    """A client of an engine of version 5.4.2 without containers."""

    def __init__(self) -> None:
        """Make a client that needs no connection."""

    def version(self, api_version: bool = True) -> dict[str, Any]:  # noqa: FBT002  # the library's own signature
        """Return the answer to `GET /version`."""
        return {"Version": "5.4.2"} if api_version else {}

    def containers(self, *_: Any, **__: Any) -> list[dict[str, Any]]:
        """Return the answer to `GET /containers/json`."""
        return []


def test_every_engine_has_a_table_of_rules_and_every_table_has_an_engine() -> None:
    assert select.ENGINES.keys() == RULES.keys()


def test_every_engine_is_listed_under_its_own_name_and_component() -> None:
    assert [*select.ENGINES] == [module.NAME for module in select.ENGINES.values()]
    assert len({module.COMPONENT for module in select.ENGINES.values()}) == len(select.ENGINES)


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ({"Components": [{"Name": "Engine"}, {"Name": "containerd"}]}, "docker"),
        ({"Components": None}, "docker"),
        ({}, "docker"),
        ({"Components": [{"Name": "Other Engine"}]}, "Other Engine"),
        ({"Components": [{}]}, ""),
    ],
)
def test_an_engine_is_recognised_by_its_component(version: dict[str, Any], name: str) -> None:
    engine = select.engine_behind(FakeAPI(), version, "")

    assert isinstance(engine, Docker)
    assert not isinstance(engine, Podman)
    assert engine.facts("shop", frozenset()).engine.name == name
    assert bool(engine.vulnerabilities()) == (name == "docker")


def test_podman_is_recognised_by_its_component(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(podman, "_root_folder", lambda _socket: None)
    engine = select.engine_behind(FakeAPI(), {"Components": [{"Name": "Podman Engine"}]}, "")

    assert isinstance(engine, Podman)
    assert (engine.daemon(), engine.vulnerabilities()) == (DaemonFacts(), ())
    assert VULNERABILITIES


def test_the_programs_of_all_engines_are_known_together() -> None:
    assert select.DAEMONS == {"dockerd"}
    assert select.PORT_PROXIES == {"docker-proxy", "conmon"}
