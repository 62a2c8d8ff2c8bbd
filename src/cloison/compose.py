"""The Compose file as Compose itself resolved it.

Rule: the input is the document that `docker compose config --format json` prints. Nothing here
parses YAML, merges files or interpolates variables. What of the document matters is a struct below;
a document that does not fit is a FileError with its position, whatever is in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from cloison.errors import FileError, PolicyError
from cloison.model import HOST, OUTSIDE, Protocol

POLICY_KEY: Final = "x-cloison"
DEFAULT_BRIDGE: Final = "bridge"
"""The engine's own network, and the network mode that asks for it."""
COMPLETED: Final = "service_completed_successfully"


@dataclass(frozen=True, slots=True)
class Network:
    """A network of the file: `key` is its name in the file, `name` the engine's."""

    key: str
    name: str
    internal: bool = False
    external: bool = False
    driver: str = "bridge"
    options: Mapping[str, str] = field(default_factory=dict)
    ipv6: bool = False


@dataclass(frozen=True, slots=True)
class Port:
    """A published port of the file; `host_port` is 0 where the engine chooses it, from a range too."""

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
    ends: bool = False
    """Whether another service waits for this one to complete."""
    priorities: Mapping[str, int] = field(default_factory=dict)
    """Which network the file would rather have as gateway (`gw_priority`), by engine name; 0 where it does not say."""

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

    def priority(self, service: str, network: str) -> int:
        """Return how much the file wants a network to be the gateway of `service`."""
        known = self.services.get(self.owner(service))
        return known.priorities.get(network, 0) if known else 0

    def owner(self, service: str) -> str:
        """Return the service in whose namespace `service` lives: itself, or the one that it names."""
        owner = self.services[service].shares_namespace_with if service in self.services else ""
        return self.owner(owner) if owner else service


class _Port(msgspec.Struct, frozen=True):
    target: Annotated[int, Meta(ge=1, le=65535)]
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"
    published: Annotated[str, Meta(pattern=r"^([0-9]{1,5}(-[0-9]{1,5})?)?\Z")] | None = None
    host_ip: str | None = None


class _Dependency(msgspec.Struct, frozen=True):
    condition: str = ""


class _Deploy(msgspec.Struct, frozen=True):
    replicas: Annotated[int, Meta(ge=0)] | None = None


class _Seat(msgspec.Struct, frozen=True):
    gw_priority: int | None = None


Exposed = Annotated[str, Meta(pattern=r"^[0-9]{1,5}(-[0-9]{1,5})?(/(tcp|udp|sctp))?\Z")]


class _Service(msgspec.Struct, frozen=True):
    networks: dict[str, _Seat | None] | None = None
    network_mode: str | None = None
    ports: tuple[_Port, ...] | None = None
    expose: tuple[Exposed, ...] | None = None
    deploy: _Deploy | None = None
    scale: Annotated[int, Meta(ge=0)] | None = None
    depends_on: dict[str, _Dependency] | None = None


class _Network(msgspec.Struct, frozen=True):
    name: str | None = None
    internal: bool | None = None
    external: bool | None = None
    driver: str | None = None
    driver_opts: dict[str, Any] | None = None
    enable_ipv6: bool | None = None


class _Document(msgspec.Struct, frozen=True):
    name: str
    services: dict[str, Any]
    networks: dict[str, Any] | None = None


def project(document: Mapping[str, Any]) -> Project:
    """Read the document of `docker compose config --format json`.

    Raises FileError when it is not such a document, PolicyError when its policy is empty.
    """
    read = _read(document, _Document, "the resolved Compose file")
    networks = {key: _network(key, _read(body or {}, _Network, f"networks.{key}")) for key, body in _items(read)}
    bodies = {name: _read(body, _Service, f"services.{name}") for name, body in read.services.items()}
    awaited = {name for body in bodies.values() for name in _awaited(body)}
    services = {name: _service(name, body, networks, ends=name in awaited) for name, body in bodies.items()}
    _check_namespaces(services)
    if POLICY_KEY in document and document[POLICY_KEY] is None:
        raise PolicyError(f"{POLICY_KEY}: it says nothing; list what is allowed, or take the line out")
    return Project(read.name, services, networks, document.get(POLICY_KEY))


def _awaited(body: _Service) -> Iterable[str]:
    """Return the services whose end this one waits for."""
    return (name for name, link in (body.depends_on or {}).items() if link.condition == COMPLETED)


T = TypeVar("T")


def _read(body: Any, shape: type[T], where: str) -> T:
    try:
        return msgspec.convert(body, shape)
    except msgspec.ValidationError as error:
        raise FileError(f"{where}: {error}; is this what `docker compose config` prints?") from error


def _items(document: _Document) -> Iterable[tuple[str, Any]]:
    return (document.networks or {}).items()


def _check_namespaces(services: Mapping[str, Service]) -> None:
    """Refuse a namespace that nobody owns: `service:NAME` without that service, or in a circle."""
    for service in services.values():
        lender, seen = service, {service.name}
        while owner := lender.shares_namespace_with:
            if owner not in services or owner in seen:
                what = "the namespaces go in a circle" if owner in seen else f'no service "{owner}"'
                raise FileError(f"services.{service.name}.network_mode: {what}; name a service that has its own")
            lender = services[owner]
            seen.add(owner)


def _network(key: str, body: _Network) -> Network:
    return Network(
        key=key,
        name=body.name or key,
        internal=bool(body.internal),
        external=bool(body.external),
        driver=body.driver or "bridge",
        options={k: str(v) for k, v in (body.driver_opts or {}).items()},
        ipv6=bool(body.enable_ipv6),
    )


def _service(name: str, body: _Service, networks: Mapping[str, Network], *, ends: bool) -> Service:
    if name in (HOST, OUTSIDE):
        raise FileError(f'services.{name}: "{name}" is a word of the policy language; give the service another name')
    mode = body.network_mode or ""
    seats = {networks[key].name: seat for key, seat in (body.networks or {}).items() if key in networks}
    return Service(
        name=name,
        networks=(DEFAULT_BRIDGE,) if mode == DEFAULT_BRIDGE else tuple(sorted(seats)),
        network_mode=mode,
        ports=tuple(_port(port) for port in body.ports or ()),
        exposed=tuple(pair for text in body.expose or () for pair in _exposed(text)),
        replicas=_replicas(body),
        ends=ends,
        priorities={network: seat.gw_priority for network, seat in seats.items() if seat and seat.gw_priority},
    )


def _port(port: _Port) -> Port:
    published = port.published or "0"
    return Port(
        target=port.target,
        protocol=Protocol(port.protocol),
        host_port=0 if "-" in published else int(published),
        host_address=port.host_ip or "",
    )


def _exposed(text: str) -> list[tuple[Protocol, int]]:
    """Read `5000`, `5000/udp` or `3000-3005`."""
    ports, _, protocol = text.partition("/")
    first, _, last = ports.partition("-")
    return [(Protocol(protocol or "tcp"), port) for port in range(int(first), int(last or first) + 1)]


def _replicas(body: _Service) -> int:
    wanted = (body.deploy.replicas if body.deploy else None, body.scale)
    return next((number for number in wanted if number is not None), 1)
