"""The needs that a Compose file shows: published ports, dependencies, links, and hosts that its settings name.

Input: a `Project`, and the resolved document that it was made from. Output: `Need` values with their origin.
Rules:
  - A service that only waits until another one has completed connects to nothing.
  - A port published on a loopback address is no need of the outside.
  - A name outside the project shows a need of the internet only in a variable such as `SMTP_HOST` or `S3_ENDPOINT`:
    most public names are the project's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

from cloison.compose.project import COMPLETED, Port, Project, Service
from cloison.draft.named_hosts import NamedHost, named_hosts
from cloison.draft.need import Need, port_ranges
from cloison.draft.usual_ports import IMAGE_PORTS, image_name
from cloison.model.flow import HOST, OUTSIDE, SERVICE_PREFIX, Protocol, service_place
from cloison.verdict.flow_enumeration import declared_ports

ENGINE_HOST_NAMES: Final = frozenset({"host.docker.internal", "gateway.docker.internal"})
"""Names of the engine's machine: https://docs.docker.com/desktop/features/networking/"""
PUBLIC_NAME: Final = re.compile(r"(?:[A-Za-z0-9-]+\.)+(?!local$|localhost$|internal$|lan$|home$|test$)[A-Za-z]{2,}")
EGRESS_VARIABLE: Final = re.compile(
    r"SMTP|MAIL|WEBHOOK|S3_|API_|OAUTH|OIDC|ISSUER|SENTRY|UPSTREAM|REMOTE|REGISTRY|ENDPOINT", re.IGNORECASE
)


def is_loopback(port: Port) -> bool:
    """Whether a port is published on a loopback address of the host."""
    return bool(port.host_address) and ip_address(port.host_address).is_loopback


def declared_needs(project: Project, document: Mapping[str, Any]) -> list[Need]:
    """Return the needs that the file shows, sorted."""
    bodies = {service_place(name): body for name, body in document["services"].items()}
    file = _File(project, bodies, declared_ports(project, {}))
    found = {
        need
        for service in project.services.values()
        for need in (*_published(service), *file.dependencies(service), *file.hosts(service))
    }
    return sorted(need for need in found if project.owner(need.source) != project.owner(need.target))


def _published(service: Service) -> Iterator[Need]:
    if service.network_mode == HOST:  # the engine publishes nothing for it
        return
    published = ((port.protocol, port.target) for port in service.ports if not is_loopback(port))
    for protocol, first, last in port_ranges(published):
        yield Need(OUTSIDE, service.name, protocol, first, last, f"published in {_where(service.name)}.ports")


def _where(place: str) -> str:
    return f"services.{place.removeprefix(SERVICE_PREFIX)}"


@dataclass(frozen=True, slots=True)
class _File:
    """The project, the resolved services by their place, and the declared ports by namespace owner."""

    project: Project
    bodies: Mapping[str, Mapping[str, Any]]
    declared: Mapping[str, set[tuple[Protocol, int]]]

    def dependencies(self, service: Service) -> Iterator[Need]:
        """Yield the needs of `depends_on` and `links`."""
        body = self.bodies[service.name]
        for name, link in sorted((body.get("depends_on") or {}).items()):
            if service_place(name) in self.bodies and (link or {}).get("condition") != COMPLETED:
                yield from self._to(service.name, service_place(name), f"{_where(service.name)}.depends_on")
        for name in sorted(_linked(body)):
            if service_place(name) in self.bodies:
                yield from self._to(service.name, service_place(name), f"{_where(service.name)}.links")

    def hosts(self, service: Service) -> Iterator[Need]:
        """Yield the needs of the hosts that the settings of a service name."""
        body, places = self.bodies[service.name], self._places(service)
        for named in named_hosts(body.get("environment"), body.get("command")):
            origin = f"{_where(service.name)}.{named.setting}"
            if place := places.get(named.host):
                yield from self._to(service.name, place, origin, named.port)
            elif named.host in ENGINE_HOST_NAMES:
                yield Need(service.name, HOST, origin=origin)
            elif _is_egress(named):
                yield Need(service.name, OUTSIDE, origin=origin)

    def _places(self, service: Service) -> dict[str, str]:
        """Return the places of the names that a service resolves: services, containers, aliases and links."""
        found: dict[str, str] = {}
        for place, body in self.bodies.items():
            attachments = (body.get("networks") or {}).values()
            aliases = [alias for known in attachments for alias in (known or {}).get("aliases") or ()]
            for name in (*aliases, body.get("container_name")):
                found.setdefault(str(name), place)
        names = {place.removeprefix(SERVICE_PREFIX): place for place in self.bodies}
        links = {alias: names[name] for name, alias in _linked(self.bodies[service.name]).items() if name in names}
        return {**found, **links, **names}

    def _to(self, source: str, target: str, origin: str, port: int = 0) -> Iterator[Need]:
        """Yield the needs of a service for another: at a port, at the ports that it declares, or at its usual one."""
        if port:
            yield Need(source, target, port=port, origin=origin)
            return
        if ports := self.declared.get(self.project.owner(target)):
            for protocol, first, last in port_ranges(ports):
                yield Need(
                    source,
                    target,
                    protocol,
                    first,
                    last,
                    f"{origin}; {_where(target)} declares the port",
                    is_guess=True,
                )
            return
        image = image_name(str(self.bodies[target].get("image") or ""))
        if usual := IMAGE_PORTS.get(image):
            shown = f"{origin}; {_where(target)} declares no port, and {usual} is the usual one of {image}"
            yield Need(source, target, port=usual, origin=shown, is_guess=True)
        else:
            yield Need(source, target, origin=f"{origin}; no port of {_where(target)} is known")


def _linked(body: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of the linked services with their aliases: `db`, `db:database`."""
    pairs = (str(text).partition(":") for text in body.get("links") or ())
    return {name: alias or name for name, _, alias in pairs}


def _is_egress(named: NamedHost) -> bool:
    """Whether a setting shows that its service needs the internet."""
    return bool(EGRESS_VARIABLE.search(named.setting) and PUBLIC_NAME.fullmatch(named.host))
