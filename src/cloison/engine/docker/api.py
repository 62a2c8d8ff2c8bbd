"""Docker Engine's HTTP API, on this machine.

Input: a client of the API. Output: values of the model; no document of the API leaves this module.
An engine that serves the same API under another name is read in the same way, and keeps its own name.
Source: https://docs.docker.com/reference/api/engine/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

import docker
from docker.errors import NotFound

from cloison.engine import Document, Engine, HostPrograms
from cloison.engine.connection import FAILURES
from cloison.engine.docker import daemon, firewall, port_proxy
from cloison.engine.labels import COMPOSE_ONE_OFF, COMPOSE_PROJECT, COMPOSE_SERVICE
from cloison.errors import NotProven
from cloison.findings.engine_cves import VULNERABILITIES, Vulnerability
from cloison.findings.host_facts import DaemonFacts
from cloison.linux.netfilter import forward_policy
from cloison.model.facts import Attachment, Container, EngineFacts, Facts, NetworkFacts, PublishedPort
from cloison.model.flow import Protocol, service_place
from cloison.predict.docker_ipv4 import DIRECT_ROUTING_CLOSED
from cloison.predict.docker_ipv6 import IPV6_RULES_SINCE

NAME: Final = "docker"
COMPONENT: Final = "Engine"
"""Docker's component in the answer to `GET /version`."""
PROGRAMS: Final = HostPrograms(daemon=daemon.PROGRAM, port_proxies=(port_proxy.PROGRAM,))
TABLES: Final = frozenset({"docker-bridges"})
"""Engine 29 and later with `firewall-backend: nftables`: https://docs.docker.com/engine/network/firewall-nftables/"""
WORKERS: Final = 4
"""How many containers the engine is asked about at the same time."""
NON_NETWORKS: Final = frozenset({"host", "none"})
"""Networks of the engine that connect no containers."""
LINK_NAME: Final = "com.docker.network.bridge.name"
CONTAINER_MODE: Final = "container:"
"""The prefix of the network mode of a container that shares another container's namespace."""


def connect(api: docker.APIClient, socket: str) -> Engine:
    """Return the engine behind a client; `socket` is the path of its Unix socket."""
    return Docker(api, socket)


class Docker:
    """A connection to an engine with Docker's API; `close` closes its client."""

    def __init__(self, api: docker.APIClient, socket: str = "", name: str = NAME) -> None:
        self._api = api
        self._socket = socket
        self._name = name

    def close(self) -> None:
        """Close the connection."""
        self._api.close()

    def daemon(self) -> DaemonFacts:
        """Return the settings of the daemon; see the Protocol."""
        return daemon.daemon_facts(self._socket)

    def vulnerabilities(self) -> Sequence[Vulnerability]:
        """Return the known vulnerabilities; see the Protocol."""
        return VULNERABILITIES if self._name == NAME else ()

    def facts(self, project: str, networks: frozenset[str]) -> Facts:
        """Return the facts; see the Protocol."""
        try:
            version = self._api.version()
            containers = self.containers(project, networks)
            named = {attachment.network for c in containers for attachment in c.attachments} | networks
            found = tuple(filter(None, (self._network(name) for name in sorted(named))))
            engine = self._engine(version)
        except FAILURES as error:
            raise NotProven(f"the engine stopped answering: {error}") from error
        return Facts(engine, containers, found)

    def containers(self, project: str, networks: frozenset[str]) -> tuple[Container, ...]:
        """Return the containers; see the Protocol."""
        try:
            listed = self._api.containers(all=True)
            # A container may be attached to a network that the file does not name, together with foreign containers.
            held = {name for item in listed if _is_of(item, project) for name in _networks(item)}
            relevant = {item["Id"] for item in listed if _is_relevant(item, project, networks | held - NON_NETWORKS)}
            namespace_sharers = {
                item["Id"] for item in listed if _is_running(item) and _namespace_owner_id(item) in relevant
            }
            inspected = self._inspected(sorted(relevant | namespace_sharers))
            inspected += self._inspected({*map(_namespace_owner_id, inspected)} - relevant - {""})
        except FAILURES as error:
            raise NotProven(f"the engine stopped answering: {error}") from error
        return tuple(sorted(map(_container, inspected)))

    def _inspected(self, identities: Iterable[str]) -> list[Document]:
        with ThreadPoolExecutor(WORKERS) as pool:
            return [document for document in pool.map(self._container, identities) if document]

    def _engine(self, version: Document) -> EngineFacts:
        rules = firewall.read()
        engine = EngineFacts(
            self._name,
            version.get("Version", ""),
            forward_policy(4),
            forward_policy(6),
            platform=(version.get("Platform") or {}).get("Name", ""),
            has_userland_proxy=rules.has_userland_proxy,
        )
        engine = replace(engine, filters_ipv6=engine.release >= IPV6_RULES_SINCE or rules.has_ipv6_rules)
        if engine.release < DIRECT_ROUTING_CLOSED:
            return engine
        return replace(engine, guards_addresses=rules.guards_addresses)

    def _container(self, identity: str) -> Document | None:
        try:
            document: Document = self._api.inspect_container(identity)
        except NotFound:  # it was removed after the list was read
            return None
        return document

    def _network(self, name: str) -> NetworkFacts | None:
        try:
            return network(self._api.inspect_network(name))
        except NotFound:
            return None


def _namespace_owner_id(item: Document) -> str:
    """Return the identity of the container whose network namespace this one shares, empty for none.

    A container that shares a namespace has no networks of its own in the API's answer.
    """
    mode = (item.get("HostConfig") or {}).get("NetworkMode") or ""
    return mode.removeprefix(CONTAINER_MODE) if mode.startswith(CONTAINER_MODE) else ""


def _is_relevant(item: Document, project: str, networks: frozenset[str]) -> bool:
    return _is_of(item, project) or (_is_running(item) and not networks.isdisjoint(_networks(item)))


def _is_running(item: Document) -> bool:
    return bool(item.get("State") == "running")


def _is_of(item: Document, project: str) -> bool:
    return bool((item.get("Labels") or {}).get(COMPOSE_PROJECT) == project)


def _networks(item: Document) -> Document:
    held: Document = (item.get("NetworkSettings") or {}).get("Networks") or {}
    return held


def _container(document: Document) -> Container:
    labels = document["Config"].get("Labels") or {}
    state, settings = document["State"], document["NetworkSettings"]
    running = state.get("Running", False) and not state.get("Restarting", False)
    return Container(
        name=document["Name"].lstrip("/"),
        identity=document["Id"],
        project=labels.get(COMPOSE_PROJECT, ""),
        service=service_place(labels.get(COMPOSE_SERVICE, "")),
        pid=state.get("Pid", 0) if running else 0,
        started=state.get("StartedAt", ""),
        network_mode=document["HostConfig"].get("NetworkMode", ""),
        attachments=tuple(sorted(_attachments(settings.get("Networks") or {}, document["Id"]))),
        published_ports=tuple(sorted(_publications(settings.get("Ports") or {}))),
        exposed=tuple(sorted(map(_port, document["Config"].get("ExposedPorts") or {}))),
        one_off=labels.get(COMPOSE_ONE_OFF) == "True",
        has_completed=state.get("Status") == "exited" and state.get("ExitCode") == 0,
        state=_unusual(state),
    )


def _unusual(state: Document) -> str:
    """Return the unusual state of a container: a paused one is also running, a restarting one may be paused."""
    if state.get("Paused"):
        return "paused"
    if state.get("Restarting"):
        return "restarting"
    return "unhealthy" if (state.get("Health") or {}).get("Status") == "unhealthy" else ""


def _attachments(networks: Document, identity: str) -> Iterator[Attachment]:
    for name, attachment in networks.items():
        if attachment.get("IPAddress") or attachment.get("GlobalIPv6Address"):
            names = {*(attachment.get("Aliases") or ()), *(attachment.get("DNSNames") or ())}
            yield Attachment(
                name,
                attachment.get("IPAddress") or "",
                attachment.get("GlobalIPv6Address") or "",
                names=tuple(sorted(known for known in names if not identity.startswith(known))),
            )


def _publications(ports: Document) -> Iterator[PublishedPort]:
    for text, bindings in ports.items():
        protocol, port = _port(text)
        for binding in bindings or ():
            if not binding["HostPort"]:
                continue  # a routed network opens the container's own port: https://github.com/moby/moby/pull/47871
            yield PublishedPort(binding["HostIp"], int(binding["HostPort"]), protocol, port)


def _port(text: str) -> tuple[Protocol, int]:
    port, _, protocol = text.partition("/")
    return Protocol(protocol or "tcp"), int(port)


def network(document: Document) -> NetworkFacts:
    """Return the facts of a network from its document in the API."""
    pools = [pool for pool in (document.get("IPAM") or {}).get("Config") or () if pool.get("Subnet")]
    options = document.get("Options") or {}
    return NetworkFacts(
        name=document["Name"],
        driver=document.get("Driver", ""),
        internal=bool(document.get("Internal")),
        subnets=tuple(pool["Subnet"] for pool in pools),
        options=tuple(sorted(options.items())),
        link=options.get(LINK_NAME) or f"br-{document['Id'][:12]}",
    )
