"""The project that a resolved Compose file describes: its services, networks, published ports and raw policy.

Input: the document that `docker compose config --format json` prints, typed by `compose.schema`.
Output: a frozen `Project`. A document that cannot be a project raises a FileError with its position.
Rule: Compose itself resolves the file; nothing here parses YAML, merges files or interpolates variables.
Source: https://docs.docker.com/reference/cli/docker/compose/config/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from ipaddress import ip_address
from typing import Any, Final

from cloison.compose.policy_key import POLICY_KEY, check_policy_key
from cloison.compose.privileges import DeclaredPrivileges, declared_privileges
from cloison.compose.schema import MAX_PORT, DocumentForm, NetworkForm, PortForm, ServiceForm, read
from cloison.compose.suggest import suggestion
from cloison.errors import FileError, PolicyError
from cloison.model.flow import SERVICE_PREFIX, Protocol, service_place

DEFAULT_BRIDGE: Final = "bridge"
"""The engine's default network, and the network mode that selects it."""
COMPLETED: Final = "service_completed_successfully"
NETWORK_MODES: Final = ("", "none", "host", DEFAULT_BRIDGE)
NAMESPACE_OWNER_KINDS: Final = ("service", "container")
"""The prefixes of a network mode that joins the namespace of another container; `:NAME` follows."""
NETWORK_MODE_ALIASES: Final = {"default": DEFAULT_BRIDGE}
"""Synonyms of a network mode: https://github.com/moby/moby/blob/v20.10.24/runconfig/hostconfig_unix.go"""


@dataclass(frozen=True, slots=True)
class Network:
    """A network of the Compose file: `key` is its key in the file, `name` its name in the engine."""

    key: str
    name: str
    internal: bool = False
    external: bool = False
    driver: str = "bridge"
    options: Mapping[str, str] = field(default_factory=dict)
    ipv6: bool = False
    subnets: tuple[str, ...] = ()
    """The subnets that the file configures, as it writes them; the engine chooses where there are none."""


@dataclass(frozen=True, slots=True)
class Port:
    """A published port of the Compose file; `host_port` is 0 where the engine chooses it, also from a range."""

    target: int
    protocol: Protocol
    host_port: int = 0
    host_address: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """A service of the Compose file; `networks` holds engine names, `exposed` holds (protocol, port) pairs."""

    name: str
    networks: tuple[str, ...] = ()
    network_mode: str = ""
    ports: tuple[Port, ...] = ()
    exposed: tuple[tuple[Protocol, int], ...] = ()
    replicas: int = 1
    completion_awaited: bool = False
    """Whether another service depends on this one with `condition: service_completed_successfully`."""
    priorities: Mapping[str, int] = field(default_factory=dict)
    """The `gw_priority` of each network, by engine name, where it is not 0; the highest is the default gateway's."""
    static_addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The addresses that the file gives the service, by engine name of the network."""
    sysctls: Mapping[str, str] = field(default_factory=dict)
    """The kernel settings of the service's own network namespace."""
    attachment_settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The aliases and other settings of the attachment to each network, by engine name, as the file writes them."""
    privileges: DeclaredPrivileges = field(default_factory=DeclaredPrivileges)

    @property
    def shares_namespace_with(self) -> str:
        """The service whose network namespace this one shares, empty when it has its own."""
        mode, _, name = self.network_mode.partition(":")
        return service_place(name) if mode == "service" else ""


@dataclass(frozen=True)
class Project:
    """A resolved Compose file. `policy` is the raw value of `x-cloison`, None without it."""

    name: str
    services: Mapping[str, Service]
    networks: Mapping[str, Network]
    policy: Any = None

    def network_named(self, name: str) -> Network | None:
        """Return the network of the file whose engine name is `name`, None when the file has none."""
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> dict[str, Network]:
        # Two keys may name one network of the engine; the first key wins.
        return {network.name: network for network in reversed([*self.networks.values()])}

    def attached_networks(self, service: str) -> tuple[str, ...]:
        """Return the engine names of the networks of `service`, also those that a shared namespace gives it."""
        known = self.services.get(service)
        if known is None:
            return ()
        owner = known.shares_namespace_with
        return self.attached_networks(owner) if owner else known.networks

    def priority(self, service: str, network: str) -> int:
        """Return the `gw_priority` of a network for `service`, 0 by default."""
        known = self.services.get(self.owner(service))
        return known.priorities.get(network, 0) if known else 0

    def owner(self, service: str) -> str:
        """Return the service that owns the network namespace of `service`: itself, or the one that it shares."""
        owner = self.services[service].shares_namespace_with if service in self.services else ""
        return self.owner(owner) if owner else service


def project(document: Mapping[str, Any]) -> Project:
    """Return the project of a document of `docker compose config --format json`.

    Raises FileError when the document is not one, PolicyError when its policy is empty.
    """
    whole = read(document, DocumentForm, "the resolved Compose file")
    networks = {key: _network(key, read(body or {}, NetworkForm, f"networks.{key}")) for key, body in _items(whole)}
    volumes = document.get("volumes") or {}
    entries = {service_place(name): body for name, body in whole.services.items()}
    bodies = {service_place(name): read(body, ServiceForm, f"services.{name}") for name, body in whole.services.items()}
    awaited = {name for body in bodies.values() for name in _awaited(body)}
    services = {
        name: replace(
            _service(name, body, networks, completion_awaited=name in awaited),
            attachment_settings=_attachment_settings(entries[name], networks),
            privileges=declared_privileges(f"services.{name.removeprefix(SERVICE_PREFIX)}", entries[name], volumes),
        )
        for name, body in bodies.items()
    }
    _check_namespaces(services)
    check_policy_key(document)
    if POLICY_KEY in document and document[POLICY_KEY] is None:
        raise PolicyError(f"{POLICY_KEY}: the policy is empty; add `allow:` with the allowed flows, or remove the key")
    return Project(whole.name, services, networks, document.get(POLICY_KEY))


def _awaited(body: ServiceForm) -> Iterable[str]:
    """Return the services that must complete before this one starts."""
    return (service_place(name) for name, link in (body.depends_on or {}).items() if link.condition == COMPLETED)


def _items(document: DocumentForm) -> Iterable[tuple[str, Any]]:
    return (document.networks or {}).items()


def _check_namespaces(services: Mapping[str, Service]) -> None:
    """Refuse `network_mode: service:NAME` where no service NAME exists or the references form a cycle."""
    for service in services.values():
        namespace_owner, seen = service, {service.name}
        while owner := namespace_owner.shares_namespace_with:
            if owner not in services or owner in seen:
                unknown = f'no service "{owner}"{suggestion(owner, services)}'
                what = (
                    "the references form a cycle; name a service that has its own namespace"
                    if owner in seen
                    else unknown
                )
                raise FileError(f"services.{service.name}.network_mode: {what}")
            namespace_owner = services[owner]
            seen.add(owner)


def _network(key: str, body: NetworkForm) -> Network:
    return Network(
        key=key,
        name=body.name or key,
        internal=bool(body.internal),
        external=bool(body.external),
        driver=body.driver or "bridge",
        options={k: str(v) for k, v in (body.driver_opts or {}).items()},
        ipv6=bool(body.enable_ipv6),
        subnets=tuple(pool.subnet for pool in (body.ipam and body.ipam.config) or () if pool.subnet),
    )


def _service(name: str, body: ServiceForm, networks: Mapping[str, Network], *, completion_awaited: bool) -> Service:
    written = name.removeprefix(SERVICE_PREFIX)
    where, mode = f"services.{written}", _mode(written, body.network_mode or "")
    attached_networks = {
        _network_name(where, key, networks): attachment for key, attachment in (body.networks or {}).items()
    }
    return Service(
        name=name,
        networks=(DEFAULT_BRIDGE,) if mode == DEFAULT_BRIDGE else tuple(sorted(attached_networks)),
        network_mode=mode,
        ports=tuple(_port(f"{where}.ports[{i}]", port) for i, port in enumerate(body.ports or ())),
        exposed=tuple(pair for text in body.expose or () for pair in _exposed(f"{where}.expose", text)),
        replicas=_replicas(body),
        completion_awaited=completion_awaited,
        priorities={
            network: attachment.gw_priority
            for network, attachment in attached_networks.items()
            if attachment and attachment.gw_priority
        },
        static_addresses={
            network: addresses
            for network, attachment in attached_networks.items()
            if attachment and (addresses := tuple(filter(None, (attachment.ipv4_address, attachment.ipv6_address))))
        },
        sysctls={key: str(value) for key, value in (body.sysctls or {}).items()},
    )


def _attachment_settings(body: Mapping[str, Any], networks: Mapping[str, Network]) -> dict[str, Mapping[str, Any]]:
    attachments = body.get("networks") or {}
    return {networks[key].name: settings for key, settings in attachments.items() if settings}


def _network_name(where: str, key: str, networks: Mapping[str, Network]) -> str:
    if key not in networks:
        raise FileError(f'{where}.networks: no network "{key}"{suggestion(key, networks)}')
    return networks[key].name


def _mode(service: str, text: str) -> str:
    """Return the network mode without synonyms.

    Raises FileError for a mode that names a network of the engine: the file does not describe its members.
    """
    mode = NETWORK_MODE_ALIASES.get(text, text)
    namespace_owner, _, name = mode.partition(":")
    if mode not in NETWORK_MODES and not (namespace_owner in NAMESPACE_OWNER_KINDS and name):
        raise FileError(
            f'services.{service}.network_mode: "{text}" is a network that the file does not describe; '
            "declare it under `networks:` with `external: true`"
        )
    return mode


def _port(where: str, port: PortForm) -> Port:
    published = port.published or "0"
    first = _span(f"{where}.published", published).start if published != "0" else 0
    return Port(
        target=port.target,
        protocol=Protocol(port.protocol),
        host_port=0 if "-" in published else first,
        host_address=_address(f"{where}.host_ip", port.host_ip or ""),
    )


def _address(where: str, text: str) -> str:
    try:
        if text:
            ip_address(text)
    except ValueError:
        raise FileError(f'{where}: "{text}" is not an IP address; use one of the host, e.g. "127.0.0.1"') from None
    return text


def _exposed(where: str, text: str) -> list[tuple[Protocol, int]]:
    """Parse `5000`, `5000/udp` or `3000-3005`."""
    ports, _, protocol = text.lower().partition("/")
    return [(Protocol(protocol or "tcp"), port) for port in _span(where, ports)]


def _span(where: str, text: str) -> range:
    """Parse `5000` or `3000-3005`."""
    first, _, last = text.partition("-")
    span = range(int(first), int(last or first) + 1)
    if not span or span[0] < 1 or span[-1] > MAX_PORT:
        raise FileError(f'{where}: "{text}" is not a port or port range; ports are 1 to {MAX_PORT}, ranges ascend')
    return span


def _replicas(body: ServiceForm) -> int:
    wanted = (body.deploy.replicas if body.deploy else None, body.scale)
    return next((number for number in wanted if number is not None), 1)
