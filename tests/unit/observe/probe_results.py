"""Results of probes between a database, a proxy, the host and the external host; no socket is opened."""

from __future__ import annotations

from cloison.model.flow import Endpoint, EndpointKind, Protocol
from cloison.model.outcome import Outcome
from cloison.probe.probe import Probe
from cloison.probe.sockets import ProbeSockets


def probe_sockets(name: str) -> ProbeSockets:
    """Return the probe sockets of a namespace, without a socket."""
    return ProbeSockets(name, descriptor=-1, port=40000, canaries={}, per_family={})


DB, PROXY, HOST_SOCKETS, OUTSIDE_SOCKETS = map(probe_sockets, ("p-db-1", "p-proxy-1", "host", "outside"))


def endpoint(kind: EndpointKind, *, container: str = "p-db-1", protocol: Protocol = Protocol.TCP) -> Endpoint:
    """Return port 3306 of the database on the network `p_back`."""
    return Endpoint("db", container, kind, protocol, 3306, "p_back", "10.1.0.2", 3306)


LISTENER, CANARY = endpoint(EndpointKind.LISTENER), endpoint(EndpointKind.CANARY)


def result(  # noqa: PLR0913  # each is a member of a probe
    target: ProbeSockets | None,
    *,
    outcome: Outcome = Outcome.ARRIVED,
    arrived: tuple[ProbeSockets, ...] = (),
    protocol: Protocol = Protocol.TCP,
    reply: Outcome | None = None,
    detail: str = "",
    sender: ProbeSockets = PROXY,
    address: str = "10.1.0.2",
) -> Probe:
    """Return a probe with its result."""
    return Probe(
        sender,
        address,
        3306,
        target,
        protocol,
        reply=reply,
        detail=detail,
        arrived=arrived,
        outcome=outcome,
    )
