"""The Compose file as Compose itself resolved it.

Rule: the input is the document that `docker compose config --format json` prints. Nothing here
parses YAML, merges files or interpolates variables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cloison.errors import FileError
from cloison.model import HOST, OUTSIDE, Protocol

POLICY_KEY: Final = "x-cloison"
DEFAULT_BRIDGE: Final = "bridge"
"""The engine's own network, and the network mode that asks for it."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network of the file: `key` is its name in the file, `name` the engine's."""

    key: str
    name: str
    internal: bool = False
    external: bool = False
    driver: str = "bridge"
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Port:
    """A published port of the file; `host_port` is 0 where the engine chooses it."""

    target: int
    protocol: Protocol
    host_port: int = 0
    host_address: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """A service of the file; `networks` are engine names, `exposed` is (protocol, port)."""

    name: str
    networks: tuple[str, ...] = ()
    network_mode: str = ""
    ports: tuple[Port, ...] = ()
    exposed: tuple[tuple[Protocol, int], ...] = ()
    replicas: int = 1

    @property
    def shares_namespace_with(self) -> str:
        """The service whose namespace this one lives in, empty when it has its own."""
        mode, _, name = self.network_mode.partition(":")
        return name if mode == "service" else ""


@dataclass(frozen=True, slots=True)
class Project:
    """A resolved Compose file. `policy` is what stands under `x-cloison`, None without it."""

    name: str
    services: Mapping[str, Service]
    networks: Mapping[str, Network]
    policy: Any = None

    def network_named(self, name: str) -> Network | None:
        """Return the file's network whose engine name is `name`."""
        return next((network for network in self.networks.values() if network.name == name), None)

    def seats(self, service: str) -> tuple[str, ...]:
        """Return the engine names of the networks that the file gives to `service`, through a shared namespace too."""
        known = self.services.get(service)
        if known is None:
            return ()
        owner = known.shares_namespace_with
        return self.seats(owner) if owner else known.networks

    def owner(self, service: str) -> str:
        """Return the service in whose namespace `service` lives: itself, or the one that it names."""
        owner = self.services[service].shares_namespace_with if service in self.services else ""
        return self.owner(owner) if owner else service


def project(document: Mapping[str, Any]) -> Project:
    """Read the document of `docker compose config --format json`.

    Raises FileError when it is not such a document.
    """
    if not isinstance(document.get("name"), str) or not isinstance(document.get("services"), Mapping):
        raise FileError("the resolved Compose file has no project name or no services: is it a Compose file?")
    networks = {key: _network(key, body or {}) for key, body in (document.get("networks") or {}).items()}
    services = {name: _service(name, body, networks) for name, body in document["services"].items()}
    return Project(document["name"], services, networks, document.get(POLICY_KEY))


def _network(key: str, body: Mapping[str, Any]) -> Network:
    return Network(
        key=key,
        name=body.get("name", key),
        internal=bool(body.get("internal", False)),
        external=bool(body.get("external", False)),
        driver=body.get("driver") or "bridge",
        options={k: str(v) for k, v in (body.get("driver_opts") or {}).items()},
    )


def _service(name: str, body: Mapping[str, Any], networks: Mapping[str, Network]) -> Service:
    if name in (HOST, OUTSIDE):
        raise FileError(f'services.{name}: "{name}" is a word of the policy language; give the service another name')
    mode = body.get("network_mode") or ""
    seats = [networks[key].name for key in body.get("networks") or {} if key in networks]
    return Service(
        name=name,
        networks=(DEFAULT_BRIDGE,) if mode == DEFAULT_BRIDGE else tuple(sorted(seats)),
        network_mode=mode,
        ports=tuple(_port(port) for port in body.get("ports") or ()),
        exposed=tuple(pair for text in body.get("expose") or () for pair in _exposed(str(text))),
        replicas=_replicas(body),
    )


def _port(port: Mapping[str, Any]) -> Port:
    return Port(
        target=int(port["target"]),
        protocol=Protocol(port.get("protocol", "tcp")),
        host_port=int(port.get("published") or 0),
        host_address=port.get("host_ip", ""),
    )


def _exposed(text: str) -> list[tuple[Protocol, int]]:
    """Read `5000`, `5000/udp` or `3000-3005`."""
    ports, _, protocol = text.partition("/")
    first, _, last = ports.partition("-")
    return [(Protocol(protocol or "tcp"), port) for port in range(int(first), int(last or first) + 1)]


def _replicas(body: Mapping[str, Any]) -> int:
    replicas = (body.get("deploy") or {}).get("replicas", body.get("scale", 1))
    return 1 if replicas is None else int(replicas)
