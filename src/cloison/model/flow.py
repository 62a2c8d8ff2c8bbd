"""The words of a flow: where a connection starts, where it ends, and over which protocol.

Output: frozen, ordered values that know no client and hash in constant time.
Rule: a place is the name of a service, `host`, `outside`, or `stranger:NAME` for a foreign container: one
that the Compose file does not know.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

HOST: Final = "host"
OUTSIDE: Final = "outside"
FOREIGN: Final = "stranger:"
EVERY_ADDRESS: Final = ("0.0.0.0", "::", "")  # noqa: S104  # the engine's own words for it
WILDCARD: Final = {4: "0.0.0.0", 6: "::"}  # noqa: S104  # the kernel's words for it, by the version of IP
LINK_LOCAL: Final = "fe80:"
"""How an IPv6 address begins that is valid on one link alone (RFC 4291 section 2.5.6)."""
ANY_PORT: Final = 0
"""The service port of a canary: it stands for every port on which nobody listens yet."""


class Protocol(StrEnum):
    """What the probe speaks."""

    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"
    ICMP = "icmp"
    """An echo request: looked at beside the canaries, never a flow."""


TRANSPORT_PROTOCOLS: Final = (Protocol.TCP, Protocol.UDP, Protocol.SCTP)
"""The protocols that a file or a policy can name."""


def ip_version(address: str) -> int:
    """Return the version of IP that an address belongs to."""
    return 6 if ":" in address else 4


class EndpointKind(StrEnum):
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
    kind: EndpointKind
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
