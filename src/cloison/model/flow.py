"""The parts of a flow: the vantage where a connection starts, the endpoint where it ends, and the protocol.

Output: frozen, ordered values without a client, with a cached hash: a proof looks up each of a hundred thousand flows
many times.
Rule: a place is the name of a service, `host`, `outside`, or `stranger:NAME` for a foreign container, which is
one that the Compose file does not describe.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

HOST: Final = "host"
OUTSIDE: Final = "outside"
FOREIGN: Final = "stranger:"
SERVICE_PREFIX: Final = "service:"
"""The prefix of a service's name in a policy, and of the place of a service that is called `host` or `outside`."""
EVERY_ADDRESS: Final = ("0.0.0.0", "::", "")  # noqa: S104  # the engine's notations of the wildcard
WILDCARD: Final = {4: "0.0.0.0", 6: "::"}  # noqa: S104  # the kernel's wildcard, by the version of IP
LINK_LOCAL: Final = "fe80:"
"""The prefix of IPv6 addresses that are valid on one link only (RFC 4291 section 2.5.6)."""
ANY_PORT: Final = 0
"""The service port of a canary: it represents every port without a listener."""


def service_place(name: str) -> str:
    """Return the place of a service: its name, with a prefix where the name is that of another place."""
    return SERVICE_PREFIX + name if name in (HOST, OUTSIDE) else name


class Protocol(StrEnum):
    """The protocol of a probe."""

    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"
    ICMP = "icmp"
    """An echo request: observed beside the canaries, never a flow."""


TRANSPORT_PROTOCOLS: Final = (Protocol.TCP, Protocol.UDP, Protocol.SCTP)
"""The protocols that a Compose file or a policy can name."""


def ip_version(address: str) -> int:
    """Return the version of IP of an address: 4 or 6."""
    return 6 if ":" in address else 4


class EndpointKind(StrEnum):
    """The reason why an endpoint is probed."""

    LISTENER = "listener"
    """A process listens on the port, by the kernel's socket tables."""
    DECLARED = "declared"
    """The policy names the port, but no process listens on it."""
    PUBLISHED = "published"
    """A port of the host that the engine forwards to a service."""
    CANARY = "canary"
    """A socket of the prober: it tests the path, whatever the service does."""


class Vantage(msgspec.Struct, frozen=True, order=True, cache_hash=True):
    """Where a connection starts. `container` is empty for `host` and `outside`."""

    place: str
    container: str = ""


class Endpoint(msgspec.Struct, frozen=True, order=True, cache_hash=True):
    """Where a connection ends.

    `address` and `port` are the destination of a packet (the kernel chooses the port of a canary in
    each run, so it is `ANY_PORT` here); `service_port` is the port inside the container, the one that
    a policy names. `network` is the network of the address, empty for an address of the host that
    belongs to no network.
    """

    place: str
    container: str
    kind: EndpointKind
    protocol: Protocol
    service_port: int
    network: str
    address: str
    port: int
    last_port: int = 0
    """The last service port of a range whose ports all have the same fate; 0 for a single port."""


class Flow(msgspec.Struct, frozen=True, order=True, cache_hash=True):
    """A vantage and an endpoint."""

    vantage: Vantage
    endpoint: Endpoint
