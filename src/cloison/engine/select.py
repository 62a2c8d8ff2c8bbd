"""Selects the engine: the table of engines by name, and the one that answers on this machine.

Rule: an engine is recognised by the component in its answer to `GET /version`. An engine that serves Docker's API and
is not in the table is read like Docker under its own name, so that its predictions are `unknown` and not Docker's.
Source: https://docs.docker.com/reference/api/engine/version/v1.41/#tag/System/operation/SystemVersion
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import docker as docker_library

from cloison.engine import Document, Engine, EngineModule, ProxiedPort, docker, podman
from cloison.engine.connection import FAILURES, local_client, socket_path
from cloison.errors import NotProven

ENGINES: Final[Mapping[str, EngineModule]] = {docker.NAME: docker, podman.NAME: podman}
"""The engines, by their name in facts and proof documents."""
DAEMONS: Final = frozenset(module.PROGRAMS.daemon for module in ENGINES.values()) - {""}
PORT_PROXIES: Final = frozenset(name for module in ENGINES.values() for name in module.PROGRAMS.port_proxies)
TABLES: Final = frozenset(table for module in ENGINES.values() for table in module.TABLES)
"""The programs and tables of all engines, because several may run on one machine."""

LINK_PREFIXES: Final = ("br-", "veth", "docker", "podman", "cni")
"""The beginnings of the names that engines give to their bridges and the ports of these."""


def engine() -> Engine:
    """Return the engine that answers on this machine; the caller closes it.

    Raises NotProven when none does.
    """
    api = local_client()
    try:
        return engine_behind(api, api.version(), socket_path())
    except (*FAILURES, OSError) as error:
        api.close()
        raise NotProven(f"the engine at {socket_path()} stopped answering: {error}") from error


def engine_behind(api: docker_library.APIClient, version: Document, socket: str) -> Engine:
    """Return the engine behind a client that gave `version`; Docker before 18.06 names no components."""
    components = [str(part.get("Name", "")) for part in version.get("Components") or ()]
    by_component = {module.COMPONENT: module for module in ENGINES.values()}
    module = next((by_component[name] for name in components if name in by_component), None)
    if module or not components:
        return (module or docker).connect(api, socket)
    return docker.Docker(api, socket, components[0])


def unreached_rules() -> list[str]:
    """Return sentences about rules for packets of containers that the kernel never asks, of any engine."""
    return [sentence for module in ENGINES.values() for sentence in module.unreached_rules()]


def proxied_ports() -> Iterator[ProxiedPort]:
    """Yield the ports from which running programs of any engine copy."""
    for module in ENGINES.values():
        yield from module.proxied_ports()
