"""The words: places, vantages, endpoints, flows, and the facts that were found about an engine.

Rule: values are frozen, ordered and know no client. A place is the name of a service, `host`,
`outside`, or `stranger:NAME` for a container that the Compose file does not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, lru_cache
from ipaddress import ip_address, ip_network
from typing import Final

HOST: Final = "host"
OUTSIDE: Final = "outside"
STRANGER: Final = "stranger:"
EVERY_ADDRESS: Final = ("0.0.0.0", "::", "")  # noqa: S104  # the engine's own words for it
WILDCARD: Final = {4: "0.0.0.0", 6: "::"}  # noqa: S104  # the kernel's words for it, by the version of IP
LINK_LOCAL: Final = "fe80:"
"""How an IPv6 address begins that is valid on one link alone (RFC 4291 section 2.5.6)."""
ANY_PORT: Final = 0
"""The service port of a canary: it stands for every port on which nobody listens yet."""

OLDEST: Final = "20.10"
"""The engine that a plan takes for granted: of those that are predicted, the one whose walls have the most doors."""


class Protocol(StrEnum):
    """What the probe speaks."""

    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"
    ICMP = "icmp"
    """An echo request: looked at beside the canaries, never a flow."""


PORTED: Final = (Protocol.TCP, Protocol.UDP, Protocol.SCTP)
"""The protocols that a file or a policy can name."""


def version_of(address: str) -> int:
    """Return the version of IP that an address belongs to."""
    return 6 if ":" in address else 4


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
    _hash: int = field(init=False, repr=False, compare=False, default=0)
    """Kept, for a proof looks up every one of a hundred thousand flows many times."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.place, self.container)))

    def __hash__(self) -> int:
        return self._hash


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
    _hash: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        where = (self.place, self.container, self.network, self.address)
        object.__setattr__(self, "_hash", hash((where, self.kind, self.protocol, self.service_port, self.port)))

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, slots=True, order=True)
class Flow:
    """One vantage, one endpoint."""

    vantage: Vantage
    endpoint: Endpoint
    _hash: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.vantage, self.endpoint)))

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, slots=True, order=True)
class Untold:
    """An address that a namespace holds and the engine does not know, on a link; empty where the link has none.

    `askers` are those who may ask it, by container, or by `host` or `outside`: what they send stays on this machine.
    """

    container: str
    link: str
    address: str
    askers: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """What is wrong with it."""
        what = f"{self.address} on {self.link}" if self.address else f"the link {self.link}"
        return f"{self.container} holds {what}, which the engine does not know; what comes and goes there is not proven"


@dataclass(frozen=True, slots=True, order=True)
class Attachment:
    """A container's seat on a network; `address` is IPv4 and `ipv6` is not, each empty where there is none."""

    network: str
    address: str
    ipv6: str = ""

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of the seat, in both versions of IP."""
        return tuple(filter(None, (self.address, self.ipv6)))


@dataclass(frozen=True, slots=True, order=True)
class Publication:
    """A port of the host that the engine leads to a container's port."""

    host_address: str
    host_port: int
    protocol: Protocol
    container_port: int

    def binds(self, address: str) -> bool:
        """Whether the host answers for this publication on `address`."""
        return self.host_address in (WILDCARD[version_of(address)], "", address)


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
    led: tuple[Publication, ...] = ()
    """Ports elsewhere that seem to lead here, of which the engine need not know: see `leads`."""
    one_off: bool = False
    has_ended: bool = False
    """Whether its process ended by itself and said that all went well."""


@dataclass(frozen=True, slots=True, order=True)
class NetworkFacts:
    """A network as the engine tells it: subnets in CIDR form, and the host's link that carries it, if any."""

    name: str
    driver: str = "bridge"
    internal: bool = False
    subnets: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    link: str = ""

    def holds(self, address: str) -> bool:
        """Whether `address` lies in one of the network's subnets."""
        return any(_lies_in(address, subnet) for subnet in self.subnets)


@lru_cache(maxsize=1 << 16)
def _lies_in(address: str, subnet: str) -> bool:
    return ip_address(address) in ip_network(subnet, strict=False)


@dataclass(frozen=True)
class EngineFacts:
    """What decides predictions and no Compose file can tell. A policy is ACCEPT, DROP or empty."""

    name: str
    version: str
    forward_policy: str = ""
    """What the host does with forwarded IPv4 packets that no rule speaks about."""
    forward_policy_v6: str = ""
    """The same for IPv6."""
    filters_ipv6: bool = False
    """Whether the engine sets rules for IPv6, of itself or because it was told to (`--ip6tables`)."""
    platform: str = ""
    """What the engine says it is part of, for instance `Docker Desktop 4.43.0`."""
    has_userland_proxy: bool = True
    """Whether a process of the engine stands at published ports; without one the packet filter alone leads there."""
    guards_addresses: bool = True
    """Whether the engine, if its version does so at all, drops what others route to a container's own address."""
    firewall: str = ""
    """Whose rules the engine writes, where it has the choice: iptables, nftables, or empty when it cannot be told."""
    filters_bridges: bool = False
    """Whether packets inside one bridge pass the host's FORWARD chain, too (`bridge-nf-call-iptables`)."""
    source_check: str = ""
    """The `rp_filter` of the engine's networks: 0 is none, 1 strict, 2 loose; empty when it cannot be told."""

    @cached_property
    def release(self) -> tuple[int, int]:
        """Major and minor version; (0, 0) when the engine does not say."""
        parts = [int("".join(filter(str.isdecimal, part)) or 0) for part in self.version.split(".")[:2]]
        return (parts[0], parts[1]) if len(parts) == 2 else (0, 0)  # noqa: PLR2004  # major, minor


@dataclass(frozen=True)
class Facts:
    """What was found on the engine's machine when the proof began. Addresses are of both versions of IP."""

    engine: EngineFacts
    containers: tuple[Container, ...]
    networks: tuple[NetworkFacts, ...]
    host_addresses: tuple[str, ...] = ()
    link_locals: tuple[tuple[str, str], ...] = ()
    """The host's addresses that are valid on one network alone, with that network's name."""
    outside_addresses: tuple[str, ...] = ()
    outside_gateways: tuple[str, ...] = ()
    """The host's addresses on the outside's segment, which go with the proof."""
    listeners: frozenset[Listener] = field(default_factory=frozenset)
    untold: tuple[Untold, ...] = ()

    def network(self, name: str) -> NetworkFacts | None:
        """Return the network called `name` by the engine."""
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> dict[str, NetworkFacts]:
        return {network.name: network for network in self.networks}

    @cached_property
    def seats(self) -> dict[str, str]:
        """Return the addresses of all containers, each with the name of who holds it."""
        return {address: c.name for c in self.containers for seat in c.attachments for address in seat.addresses}

    @cached_property
    def host_seats(self) -> tuple[tuple[str, str], ...]:
        """The host's own addresses, each with the network to which it belongs, empty for none of them."""
        return tuple(sorted({*self._seats_of_host(), *self.link_locals}))

    def _seats_of_host(self) -> Iterator[tuple[str, str]]:
        for address in self.host_addresses:
            yield next((network.name for network in self.networks if network.holds(address)), ""), address


@dataclass(frozen=True, slots=True, order=True)
class Listener:
    """A socket that takes connections or datagrams: `address` is the wildcard of its family when it is any.

    `container` is empty for a process of the host's.
    """

    container: str
    protocol: Protocol
    address: str
    port: int

    def listens_on(self, address: str) -> bool:
        """Whether what is sent to `address` of its namespace comes to this socket."""
        return self.address in (address, WILDCARD[version_of(address)])
