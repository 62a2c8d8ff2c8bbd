"""The facts of an engine: its version and settings, its containers, networks and listeners.

Output: frozen, ordered values without a client; `engine` and `observe` create them, or `plan` from a file.
Rule: a value that could not be read is empty, never guessed.
Source: the Engine API (https://docs.docker.com/reference/api/engine/), netlink and /proc of the host.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, lru_cache
from ipaddress import ip_address, ip_network
from typing import Final

from cloison.model.flow import HOST, WILDCARD, Protocol, ip_version
from cloison.model.version import parse_version

JOINED: Final = "container:"
"""The prefix of the network mode of a container in the network namespace of another one."""


@dataclass(frozen=True, slots=True, order=True)
class UnmanagedAddress:
    """An address of a container's namespace that the engine did not assign; empty for an interface without one.

    `reachable_from` names the containers, `host` or `outside` that may probe it: their packets stay on this host.
    """

    container: str
    link: str
    address: str
    reachable_from: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The finding as a sentence."""
        what = f"the address {self.address} on {self.link}" if self.address else f"the interface {self.link}"
        return f"{self.container} has {what}, which the engine does not manage; its traffic is not proven"


@dataclass(frozen=True, slots=True, order=True)
class Attachment:
    """A container's attachment to a network; `address` is its IPv4 address and `ipv6` its IPv6 address, or empty."""

    network: str
    address: str
    ipv6: str = ""
    names: tuple[str, ...] = field(default=(), kw_only=True)
    """The names by which the network's members find it, sorted; a name that the engine makes of its ID is left out."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of the attachment, of both versions of IP."""
        return tuple(filter(None, (self.address, self.ipv6)))


@dataclass(frozen=True, slots=True, order=True)
class PublishedPort:
    """A port of the host that the engine forwards to a port of a container."""

    host_address: str
    host_port: int
    protocol: Protocol
    container_port: int

    def binds(self, address: str) -> bool:
        """Whether the port is published on `address` of the host."""
        return self.host_address in (WILDCARD[ip_version(address)], "", address)


class Origin(StrEnum):
    """The source of a container in the facts."""

    ENGINE = ""
    """The engine reports it."""
    NAMESPACE = "namespace"
    """A network namespace that the engine does not know, with an address of one of the project's networks."""
    DEVICE = "device"
    """A device on one of the project's networks that cannot be followed: it is unknown what reaches the network."""


@dataclass(frozen=True, slots=True, order=True)
class Container:
    """A container as the engine reports it, or a member of a network that the engine does not know: see `origin`.

    `pid` is 0 when it does not run; ports are (protocol, number) pairs.
    """

    name: str
    identity: str
    project: str
    service: str
    pid: int
    started: str
    network_mode: str = ""
    attachments: tuple[Attachment, ...] = ()
    published_ports: tuple[PublishedPort, ...] = ()
    exposed: tuple[tuple[Protocol, int], ...] = ()
    redirect_candidates: tuple[PublishedPort, ...] = ()
    """Ports of the host that DNAT rules may redirect to this container, known to the engine or not."""
    one_off: bool = False
    has_completed: bool = False
    """Whether its process exited by itself with status 0."""
    origin: Origin = Origin.ENGINE
    via: str = ""
    """The port of the host's bridge through which a member is on a network that the engine does not know; or empty."""
    description: str = ""
    """What is known of such a member, as a phrase."""
    state: str = ""
    """`paused`, `restarting` or `unhealthy`, empty where nothing is unusual."""

    @property
    def is_vantage(self) -> bool:
        """Whether connections may start or end at it: it runs, or it is a member of a network without the engine."""
        return bool(self.pid) or self.origin is not Origin.ENGINE


@dataclass(frozen=True, slots=True, order=True)
class EgressNetworks:
    """The networks that carry a container's packets to other machines over a version of IP, the kernel's choice first.

    Several have default routes of the same metric. A default route over an interface of no network is named
    `interface NAME`; without a default route there is none.
    """

    container: str
    version: int
    networks: tuple[str, ...]


@dataclass(frozen=True, slots=True, order=True)
class NetworkFacts:
    """A network as the engine reports it: subnets in CIDR notation, and the host's interface for it, if any."""

    name: str
    driver: str = "bridge"
    internal: bool = False
    subnets: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    link: str = ""

    def contains(self, address: str) -> bool:
        """Whether `address` is in one of the network's subnets."""
        return any(_in_subnet(address, subnet) for subnet in self.subnets)


@lru_cache(maxsize=1 << 16)
def _in_subnet(address: str, subnet: str) -> bool:
    return ip_address(address) in ip_network(subnet, strict=False)


@dataclass(frozen=True)
class EngineFacts:
    """The settings of an engine and its host that predictions need. A FORWARD policy is ACCEPT, DROP or empty."""

    name: str
    version: str
    forward_policy: str = ""
    """The policy of the host's FORWARD chain for IPv4: the fate of packets that no rule matches."""
    forward_policy_v6: str = ""
    """The same for IPv6."""
    filters_ipv6: bool = False
    """Whether the engine sets rules for IPv6, by default or with `--ip6tables`."""
    platform: str = ""
    """The product that the engine reports to belong to, for instance `Docker Desktop 4.43.0`."""
    has_userland_proxy: bool = True
    """Whether docker-proxy listens on published ports; without it only DNAT rules forward them."""
    guards_addresses: bool = True
    """Whether the engine, if its version can, drops packets that other machines route to a container's address."""
    firewall: str = ""
    """The firewall backend of the engine: iptables, nftables, or empty when it is unknown."""
    filters_bridges: bool = False
    """Whether packets inside one bridge also pass the host's FORWARD chain (`bridge-nf-call-iptables`)."""
    source_check: str = ""
    """The `rp_filter` of the engine's interfaces: 0 is off, 1 strict, 2 loose; empty when it is unknown."""

    @cached_property
    def release(self) -> tuple[int, int]:
        """Major and minor version; (0, 0) when the engine gives no version that can be read."""
        version = parse_version(self.version)
        return (version.major, version.minor) if version else (0, 0)


@dataclass(frozen=True)
class Facts:
    """The facts found on the engine's host when the proof began. Addresses are of both versions of IP."""

    engine: EngineFacts
    containers: tuple[Container, ...]
    networks: tuple[NetworkFacts, ...]
    host_addresses: tuple[str, ...] = ()
    link_local_addresses: tuple[tuple[str, str], ...] = ()
    """The host's link-local addresses, as (network name, address) pairs."""
    outside_addresses: tuple[str, ...] = ()
    outside_gateways: tuple[str, ...] = ()
    """The host's addresses on the veth link to the outside, which exist only during the proof."""
    listeners: frozenset[Listener] = field(default_factory=frozenset)
    unmanaged_addresses: tuple[UnmanagedAddress, ...] = ()
    egress_networks: tuple[EgressNetworks, ...] = ()
    """The egress networks of the containers, without those that are not known."""
    is_enforced: bool = False
    """Whether the tables that enforce the project's policy stand on the host."""

    def network(self, name: str) -> NetworkFacts | None:
        """Return the network with the engine name `name`, None when there is none."""
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> dict[str, NetworkFacts]:
        return {network.name: network for network in self.networks}

    @cached_property
    def container_addresses(self) -> dict[str, str]:
        """Return the addresses of all containers, each with the name of its container."""
        return {
            address: c.name for c in self.containers for attachment in c.attachments for address in attachment.addresses
        }

    @cached_property
    def network_namespaces(self) -> dict[str, str]:
        """Return the network namespace of each container, by its name: the identity of the owner, or the host.

        With `container:ID` the engine puts a container into the namespace of another one, which may not be known here.
        """
        modes = {c.identity: c.network_mode for c in self.containers}
        return {c.name: _namespace(c.identity, modes) for c in self.containers}

    @cached_property
    def host_attachments(self) -> tuple[tuple[str, str], ...]:
        """The host's addresses as sorted (network name, address) pairs; the name is empty outside every network."""
        return tuple(sorted({*self._host_attachments(), *self.link_local_addresses}))

    def _host_attachments(self) -> Iterator[tuple[str, str]]:
        for address in self.host_addresses:
            yield next((network.name for network in self.networks if network.contains(address)), ""), address


def _namespace(identity: str, modes: Mapping[str, str]) -> str:
    """Return the namespace of the container `identity`. Owners that form a cycle, which no engine makes, end it."""
    seen: set[str] = set()
    while identity not in seen:
        seen.add(identity)
        mode = modes.get(identity, "")
        if mode == HOST:
            return HOST
        identity = mode.removeprefix(JOINED) if mode.startswith(JOINED) else identity
    return identity


@dataclass(frozen=True, slots=True, order=True)
class Listener:
    """A socket that accepts connections or datagrams: `address` may be the wildcard of its family.

    `container` is empty for a process of the host.
    """

    container: str
    protocol: Protocol
    address: str
    port: int

    def listens_on(self, address: str) -> bool:
        """Whether the socket receives packets to `address` of its namespace."""
        return self.address in (address, WILDCARD[ip_version(address)])
