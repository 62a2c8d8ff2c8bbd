"""The words: places, vantages, endpoints, flows, and the facts that were found about an engine.

Rule: values are frozen, ordered and know no client. A place is the name of a service, `host`,
`outside`, or `stranger:NAME` for a container that the Compose file does not know.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from typing import Final

HOST: Final = "host"
OUTSIDE: Final = "outside"
STRANGER: Final = "stranger:"
EVERY_ADDRESS: Final = ("0.0.0.0", "")  # noqa: S104  # the engine's own words for it
ANY_PORT: Final = 0
"""The service port of a canary: it stands for every port on which nobody listens yet."""

OLDEST: Final = "20.10"
"""The engine that a plan takes for granted: of those that are predicted, the one whose walls have the most doors."""


class Protocol(StrEnum):
    """What the probe speaks."""

    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"


class Kind(StrEnum):
    """Why an endpoint is looked at."""

    LISTENER = "listener"
    """A process listens there: read from the kernel."""
    DECLARED = "declared"
    """The policy names the port, but nobody listens on it."""
    PUBLISHED = "published"
    """A port of the host that the engine leads to a service."""
    CANARY = "canary"
    """A socket of the prober's own: the wall itself, whatever the service does."""


@dataclass(frozen=True, slots=True, order=True)
class Vantage:
    """Where a connection starts. `container` is empty for `host` and `outside`."""

    place: str
    container: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """Where a connection ends.

    `address` and `port` are what a packet carries (a canary's port is chosen by the kernel for
    each run, so it is `ANY_PORT` here); `service_port` is the port as its owner knows it, which is
    what a policy names. `network` is the network to which the address belongs, empty for an
    address of the host's own.
    """

    place: str
    container: str
    kind: Kind
    protocol: Protocol
    service_port: int
    network: str
    address: str
    port: int


@dataclass(frozen=True, slots=True, order=True)
class Flow:
    """One vantage, one endpoint."""

    vantage: Vantage
    endpoint: Endpoint


@dataclass(frozen=True, slots=True, order=True)
class Attachment:
    """A container's seat on a network; `address` is empty where it has an IPv6 address alone."""

    network: str
    address: str
    ipv6: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Publication:
    """A port of the host that the engine leads to a container's port."""

    host_address: str
    host_port: int
    protocol: Protocol
    container_port: int

    def binds(self, address: str) -> bool:
        """Whether the host answers for this publication on `address`."""
        return self.host_address in (*EVERY_ADDRESS, address)


@dataclass(frozen=True, slots=True, order=True)
class Container:
    """A container as the engine tells it. `pid` is 0 when it does not run; ports are (protocol, number)."""

    name: str
    identity: str
    project: str
    service: str
    pid: int
    started: str
    network_mode: str = ""
    attachments: tuple[Attachment, ...] = ()
    publications: tuple[Publication, ...] = ()
    exposed: tuple[tuple[Protocol, int], ...] = ()
    one_off: bool = False
    has_ended: bool = False
    """Whether its process ended by itself and said that all went well."""


@dataclass(frozen=True, slots=True, order=True)
class NetworkFacts:
    """A network as the engine tells it; subnets in CIDR form, IPv4."""

    name: str
    driver: str = "bridge"
    internal: bool = False
    subnets: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()

    def holds(self, address: str) -> bool:
        """Whether `address` lies in one of the network's subnets."""
        return any(IPv4Address(address) in IPv4Network(subnet, strict=False) for subnet in self.subnets)


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What decides predictions and no Compose file can tell. `forward_policy` is ACCEPT, DROP or empty."""

    name: str
    version: str
    forward_policy: str = ""

    @property
    def release(self) -> tuple[int, int]:
        """Major and minor version; (0, 0) when the engine does not say."""
        parts = [int("".join(filter(str.isdecimal, part)) or 0) for part in self.version.split(".")[:2]]
        return (parts[0], parts[1]) if len(parts) == 2 else (0, 0)  # noqa: PLR2004  # major, minor


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found on the engine's machine when the proof began."""

    engine: EngineFacts
    containers: tuple[Container, ...]
    networks: tuple[NetworkFacts, ...]
    host_addresses: tuple[str, ...] = ()
    outside_address: str = ""
    listeners: frozenset[Listener] = field(default_factory=frozenset)

    def network(self, name: str) -> NetworkFacts | None:
        """Return the network called `name` by the engine."""
        return next((network for network in self.networks if network.name == name), None)

    def gateways(self, network: NetworkFacts) -> list[str]:
        """Return the host's own addresses on a network: what its containers use as gateway."""
        return [address for address in self.host_addresses if network.holds(address)]


@dataclass(frozen=True, slots=True, order=True)
class Listener:
    """A socket that listens inside a container: `address` is 0.0.0.0 when it listens on all."""

    container: str
    protocol: Protocol
    address: str
    port: int
