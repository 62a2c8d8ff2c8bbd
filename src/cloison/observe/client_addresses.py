"""Says with which source address the client of a published port arrives in the service's network namespace.

Input: the flows from the external host with their probes. Output: notes.
Rule: allow-lists and rate limits of a service see this address. The namespace of the service is watched, so it is known
for IPv4; over IPv6 only a connection that the engine's proxy makes anew is, because a raw socket gets no IPv6 header.
Sources: https://github.com/moby/moby/issues/15086, https://github.com/moby/moby/issues/45629, raw(7).
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from typing import Final

from cloison.model.facts import Facts
from cloison.model.flow import OUTSIDE, Endpoint, EndpointKind, Flow, Protocol, ip_version
from cloison.model.outcome import Observation, Outcome
from cloison.model.text import listed
from cloison.probe.probe import Probe

MAX_NAMED: Final = 6
"""Ports in one note; the others are counted."""
OWN: Final = "with their own address"
PROXIED: Final = "with the address of the gateway, because a proxy on the host connects in their place"


def client_addresses(flows: Iterable[tuple[Flow, Probe | Observation]], facts: Facts) -> list[str]:
    """Return a note for each kind of address with which clients arrive, with the published ports."""
    found: dict[str, set[str]] = {}
    for flow, probe in flows:
        if flow.vantage.place == OUTSIDE and flow.endpoint.kind is EndpointKind.PUBLISHED and isinstance(probe, Probe):
            for how in _source(probe, facts):
                found.setdefault(how, set()).add(_port(flow.endpoint))
    return [f"clients of {listed(sorted(ports), MAX_NAMED)} arrive {how}" for how, ports in sorted(found.items())]


def _source(probe: Probe, facts: Facts) -> Iterator[str]:
    """Yield how the client of a probe arrives, nothing where it is not known."""
    if probe.target in probe.arrived:
        if probe.source:
            address = socket.inet_ntop(socket.AF_INET, probe.source)
            yield OWN if address in facts.outside_addresses else f"with the address {address}"
    elif probe.outcome is Outcome.ACCEPTED:
        yield PROXIED


def _port(end: Endpoint) -> str:
    over = " over IPv6" * (ip_version(end.address) == 6)  # noqa: PLR2004  # of IP
    return f"{end.place}:{end.service_port}{'/udp' * (end.protocol is Protocol.UDP)}{over}"
