"""The facts that were found about an engine: its version and settings, its containers, networks and listeners.

Output: frozen, ordered values that know no client; written by `engine` and `observe`, or by `plan` from a file.
Rule: what could not be read is empty, never made up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from ipaddress import ip_address, ip_network
from typing import Final

from cloison.model.flow import WILDCARD, Protocol, ip_version
from cloison.model.version import parse_version

DEFAULT_ENGINE_VERSION: Final = "20.10"
"""The engine that a plan assumes: of the versions that are predicted, the one that isolates least."""


@dataclass(frozen=True, slots=True, order=True)
class UnmanagedAddress:
    """An address that a namespace holds and the engine does not know, on a link; empty where the link has none.

    `reachable_from` are the containers, `host` or `outside` that may ask it: what they send stays on this machine.
    """

    container: str
    link: str
    address: str
    reachable_from: tuple[str, ...] = ()

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
class PublishedPort:
    """A port of the host that the engine leads to a container's port."""

    host_address: str
    host_port: int
    protocol: Protocol
    container_port: int

    def binds(self, address: str) -> bool:
        """Whether the host answers for this publication on `address`."""
        return self.host_address in (WILDCARD[ip_version(address)], "", address)


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
    published_ports: tuple[PublishedPort, ...] = ()
    exposed: tuple[tuple[Protocol, int], ...] = ()
    redirect_candidates: tuple[PublishedPort, ...] = ()
    """Ports elsewhere that seem to lead here, of which the engine need not know: see `leads`."""
    one_off: bool = False
    has_completed: bool = False
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

    def contains(self, address: str) -> bool:
        """Whether `address` lies in one of the network's subnets."""
        return any(_in_subnet(address, subnet) for subnet in self.subnets)


@lru_cache(maxsize=1 << 16)
def _in_subnet(address: str, subnet: str) -> bool:
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
        """Major and minor version; (0, 0) when the engine gives no version that can be read."""
        version = parse_version(self.version)
        return (version.major, version.minor) if version else (0, 0)


@dataclass(frozen=True)
class Facts:
    """What was found on the engine's machine when the proof began. Addresses are of both versions of IP."""

    engine: EngineFacts
    containers: tuple[Container, ...]
    networks: tuple[NetworkFacts, ...]
    host_addresses: tuple[str, ...] = ()
    link_local_addresses: tuple[tuple[str, str], ...] = ()
    """The host's addresses that are valid on one network alone, with that network's name."""
    outside_addresses: tuple[str, ...] = ()
    outside_gateways: tuple[str, ...] = ()
    """The host's addresses on the outside's segment, which go with the proof."""
    listeners: frozenset[Listener] = field(default_factory=frozenset)
    unmanaged_addresses: tuple[UnmanagedAddress, ...] = ()

    def network(self, name: str) -> NetworkFacts | None:
        """Return the network called `name` by the engine."""
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> dict[str, NetworkFacts]:
        return {network.name: network for network in self.networks}

    @cached_property
    def container_addresses(self) -> dict[str, str]:
        """Return the addresses of all containers, each with the name of who holds it."""
        return {
            address: c.name for c in self.containers for attachment in c.attachments for address in attachment.addresses
        }

    @cached_property
    def host_attachments(self) -> tuple[tuple[str, str], ...]:
        """The host's own addresses, each with the network to which it belongs, empty for none of them."""
        return tuple(sorted({*self._host_attachments(), *self.link_local_addresses}))

    def _host_attachments(self) -> Iterator[tuple[str, str]]:
        for address in self.host_addresses:
            yield next((network.name for network in self.networks if network.contains(address)), ""), address


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
        return self.address in (address, WILDCARD[ip_version(address)])
