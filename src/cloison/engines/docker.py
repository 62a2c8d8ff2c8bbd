"""Docker Engine through its API, on this machine.

Rule: everything that Docker says is read here and leaves as values of the model.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from typing import Any, Final

import docker
import requests
from docker.context import ContextAPI
from docker.errors import DockerException, NotFound

from cloison.command import run
from cloison.errors import NotProven
from cloison.model import Attachment, Container, EngineFacts, Facts, NetworkFacts, Protocol, Publication

SECONDS: Final = 20
"""How long one question may take before the engine counts as stuck."""
UNIX: Final = "unix://"
NOBODYS: Final = frozenset({"host", "none"})
"""Networks on which nobody meets anybody."""
PROJECT: Final = "com.docker.compose.project"
SERVICE: Final = "com.docker.compose.service"
ONE_OFF: Final = "com.docker.compose.oneoff"
FAILURES: Final = (DockerException, requests.RequestException)
Document = Mapping[str, Any]


class Docker:
    """One engine, through a client that it closes with `close`."""

    def __init__(self, api: docker.APIClient) -> None:
        self._api = api

    def close(self) -> None:
        """Give the connection back."""
        self._api.close()

    def facts(self, project: str, networks: frozenset[str]) -> Facts:
        """Return the facts; see the Protocol."""
        try:
            version = self._api.version()
            containers = self.containers(project, networks)
            named = {seat.network for c in containers for seat in c.attachments} | networks
            found = tuple(filter(None, (self._network(name) for name in sorted(named))))
            engine = self._engine(version.get("Version", ""))
        except FAILURES as error:
            raise NotProven(f"the engine stopped answering: {error}") from error
        return Facts(engine, containers, found)

    def containers(self, project: str, networks: frozenset[str]) -> tuple[Container, ...]:
        """Return the containers; see the Protocol."""
        try:
            listed = self._api.containers(all=True)
            # A container may sit on a network that the file does not give it, and meet strangers there.
            held = {name for item in listed if _is_of(item, project) for name in _networks(item)}
            near = [item["Id"] for item in listed if _is_near(item, project, networks | held - NOBODYS)]
            inspected = [document for identity in near if (document := self._container(identity))]
        except FAILURES as error:
            raise NotProven(f"the engine stopped answering: {error}") from error
        return tuple(sorted(map(_container, inspected)))

    def _engine(self, version: str) -> EngineFacts:
        return EngineFacts("docker", version, forward_policy())

    def _container(self, identity: str) -> Document | None:
        try:
            document: Document = self._api.inspect_container(identity)
        except NotFound:  # it was removed between the two questions
            return None
        return document

    def _network(self, name: str) -> NetworkFacts | None:
        try:
            return network(self._api.inspect_network(name))
        except NotFound:
            return None


def connected() -> docker.APIClient:
    """Return a client of the engine; the caller closes it.

    Raises NotProven when none answers.
    """
    where = address()
    try:
        return _client(where)
    except FAILURES as error:
        raise NotProven(f"the engine at {where} does not answer: {error}") from error
    except OSError as error:
        raise NotProven(f"no Docker engine answers at {where}: {error.strerror}. Is it running?") from error


def address() -> str:
    """Return the engine that `docker` itself would use: by DOCKER_HOST, else by the current context.

    Raises NotProven when it runs on another machine, whose namespaces cannot be entered from here.
    """
    found = os.environ.get("DOCKER_HOST") or str(ContextAPI.get_current_context().Host)
    if not found.startswith(UNIX):
        raise NotProven(
            f"the engine is at {found}: the namespaces of another machine's containers cannot be entered "
            "from here; run cloison on that machine"
        )
    return found


def _client(where: str) -> docker.APIClient:
    """Return a client that speaks the engine's own version of the API.

    The library's own way leaves a socket open when nobody answers, hence the try by hand.
    """
    with socket.socket(socket.AF_UNIX) as trial:
        trial.connect(where.removeprefix(UNIX))
    return docker.APIClient(base_url=where, version="auto", timeout=SECONDS)


def _is_near(item: Document, project: str, networks: frozenset[str]) -> bool:
    return _is_of(item, project) or (item.get("State") == "running" and not networks.isdisjoint(_networks(item)))


def _is_of(item: Document, project: str) -> bool:
    return bool((item.get("Labels") or {}).get(PROJECT) == project)


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
        project=labels.get(PROJECT, ""),
        service=labels.get(SERVICE, ""),
        pid=state.get("Pid", 0) if running else 0,
        started=state.get("StartedAt", ""),
        network_mode=document["HostConfig"].get("NetworkMode", ""),
        attachments=tuple(sorted(_attachments(settings.get("Networks") or {}))),
        publications=tuple(sorted(_publications(settings.get("Ports") or {}))),
        exposed=tuple(sorted(map(_port, document["Config"].get("ExposedPorts") or {}))),
        one_off=labels.get(ONE_OFF) == "True",
        has_ended=state.get("Status") == "exited" and state.get("ExitCode") == 0,
    )


def _attachments(networks: Document) -> Iterator[Attachment]:
    for name, seat in networks.items():
        if seat.get("IPAddress") or seat.get("GlobalIPv6Address"):
            yield Attachment(name, seat.get("IPAddress") or "", seat.get("GlobalIPv6Address") or "")


def _publications(ports: Document) -> Iterator[Publication]:
    for text, bindings in ports.items():
        protocol, port = _port(text)
        for binding in bindings or ():
            yield Publication(binding["HostIp"], int(binding["HostPort"]), protocol, port)


def _port(text: str) -> tuple[Protocol, int]:
    port, _, protocol = text.partition("/")
    return Protocol(protocol or "tcp"), int(port)


def network(document: Document) -> NetworkFacts:
    """Read a network as the API tells it."""
    pools = [pool for pool in (document.get("IPAM") or {}).get("Config") or () if ":" not in pool["Subnet"]]
    return NetworkFacts(
        name=document["Name"],
        driver=document.get("Driver", ""),
        internal=bool(document.get("Internal")),
        subnets=tuple(pool["Subnet"] for pool in pools),
        options=tuple(sorted((document.get("Options") or {}).items())),
    )


def forward_policy() -> str:
    """Return the policy of the host's FORWARD chain, empty when it cannot be read."""
    result = run(["iptables", "--wait", "-S", "FORWARD"])
    words = result.out.split()
    return words[2] if result.code == 0 and words[:2] == ["-P", "FORWARD"] else ""
