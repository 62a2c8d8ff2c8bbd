"""Podman, through its Docker-compatible API and, where that one hides a fact, through its own (libpod).

Input: a client of the compatible API. Output: values of the model. `podman system service` serves both APIs on one
socket. Rule: `docker.api` reads what both engines answer alike; this module has the differences, each measured on
4.3.1 or 5.4.2.
Source: https://docs.podman.io/en/latest/_static/api.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import docker
from docker.errors import NotFound

from cloison.compose.project import DEFAULT_BRIDGE
from cloison.engine import Document, Engine, HostPrograms, ProxiedPort
from cloison.engine.connection import API_TIMEOUT
from cloison.engine.docker.api import CONTAINER_MODE, LINK_NAME, Docker, network
from cloison.findings.engine_cves import Vulnerability
from cloison.findings.host_facts import DaemonFacts
from cloison.linux import iptables_chains, nftables
from cloison.linux.netfilter import forward_policy
from cloison.linux.sysctl import setting
from cloison.linux.unix_socket import peer_credentials
from cloison.model.facts import EngineFacts, NetworkFacts
from cloison.predict.context import ISOLATE

NAME: Final = "podman"
COMPONENT: Final = "Podman Engine"
"""Podman's component in the answer to `GET /version`."""
PROGRAMS: Final = HostPrograms(port_proxies=("conmon",))
"""Podman has no daemon; `conmon` holds a socket on each published port so that no other process takes the port."""
TABLES: Final = frozenset({"netavark"})
"""Netavark's table, where its firewall driver is nftables."""
LIBPOD_API: Final = "/v4.0.0/libpod"
"""Served by 4.0 and later: https://docs.podman.io/en/latest/_static/api.html"""
ISOLATION_RELIABLE: Final = (5, 0)
"""Before 5.0, inspecting a network through the Docker-compatible API makes Podman forget the option `isolate` until it
reads its files again, and leave it out of its own API, too (4.3.1; not 5.4.2)."""
NETWORKS_FOLDER: Final = "etc/containers/networks"
"""The folder of the networks that root made."""
CHAIN: Final = "NETAVARK_FORWARD"
INET: Final = 1
"""NFPROTO_INET (linux/netfilter.h), the family of the table."""


def connect(api: docker.APIClient, socket: str) -> Engine:
    """Return the engine behind a client; `socket` is the path of its Unix socket.

    Raises OSError when the socket accepts no connection.
    """
    return Podman(api, socket)


def unreached_rules() -> Iterator[str]:
    """Yield nothing: Podman has no chain for a person's rules."""
    yield from ()


def proxied_ports() -> Iterator[ProxiedPort]:
    """Yield nothing: `conmon` holds published ports and copies nothing."""
    yield from ()


class Podman(Docker):
    """A connection to Podman; `close` closes its client."""

    def __init__(self, api: docker.APIClient, socket: str) -> None:
        super().__init__(api, socket, NAME)
        self._root_folder = _root_folder(socket)

    def daemon(self) -> DaemonFacts:
        """Return no settings: Podman has no daemon."""
        return DaemonFacts()

    def vulnerabilities(self) -> Sequence[Vulnerability]:
        """Return none: Podman's are not collected yet."""
        return ()

    def _engine(self, version: Document) -> EngineFacts:
        bridges = [item["network_interface"] for item in self._native_networks() if item.get("network_interface")]
        return EngineFacts(
            NAME,
            version.get("Version", ""),
            forward_policy(4),
            forward_policy(6),
            firewall=_firewall(),
            filters_bridges=_filters_bridges(),
            source_check=_source_check(bridges),
        )

    def _container(self, identity: str) -> Document | None:
        """Return a container's document as Docker would give it.

        The default network is `bridge`, as in a Compose file. Podman repeats the networks and ports of the owner of a
        namespace in every container that shares it; Docker gives them once, in the owner.
        """
        document = super()._container(identity)
        if document is None:
            return None
        mode = document["HostConfig"].get("NetworkMode") or ""
        settings = document["NetworkSettings"]
        held = {} if mode.startswith(CONTAINER_MODE) else settings.get("Networks") or {}
        ports = {} if mode.startswith(CONTAINER_MODE) else settings.get("Ports") or {}
        attachments = {DEFAULT_BRIDGE if name == self._default else name: held[name] for name in held}
        return {**document, "NetworkSettings": {**settings, "Networks": attachments, "Ports": ports}}

    def _network(self, name: str) -> NetworkFacts | None:
        real = self._default if name == DEFAULT_BRIDGE else name
        native = next((item for item in self._native_networks() if item["name"] == real), None)
        isolation = self._isolation(native) if native else None  # read first: see ISOLATION_RELIABLE
        try:
            document = self._api.inspect_network(name)
        except NotFound:
            return None
        options = (document.get("Options") or {}) | ({ISOLATE: isolation} if isolation else {})
        link = {LINK_NAME: native["network_interface"]} if native and native.get("network_interface") else {}
        return network({**document, "Options": options | link})

    @cached_property
    def _default(self) -> str:
        """Return Podman's name of the default network, which the Docker-compatible API calls `bridge`."""
        identity = self._api.inspect_network(DEFAULT_BRIDGE)["Id"]
        return next((str(item["name"]) for item in self._native_networks() if item["id"] == identity), DEFAULT_BRIDGE)

    @cached_property
    def _release(self) -> tuple[int, int]:
        return EngineFacts(NAME, self._api.version().get("Version", "")).release

    def _native_networks(self) -> list[Mapping[str, Any]]:
        """Return the networks from Podman's own API."""
        answer = self._api.get(f"{self._api.base_url}{LIBPOD_API}/networks/json", timeout=API_TIMEOUT)
        answer.raise_for_status()
        native: list[Mapping[str, Any]] = answer.json()
        return native

    def _isolation(self, native: Mapping[str, Any]) -> str | None:
        """Return the option `isolate` of a network, None when it cannot be known.

        Only the built-in default network has no file.
        """
        network_file = self._root_folder / NETWORKS_FOLDER / f"{native['name']}.json"
        try:
            source = json.loads(network_file.read_text())
        except (OSError, ValueError):
            source = native
        isolate = (source.get("options") or {}).get(ISOLATE)
        is_reliable = source is not native or self._release >= ISOLATION_RELIABLE or native["name"] == self._default
        return str(isolate) if isolate else "false" if is_reliable else None


def _root_folder(socket: str) -> Path:
    """Return the root directory of the process that listens on `socket`, which may differ from this process's."""
    return Path(f"/proc/{peer_credentials(socket, API_TIMEOUT).pid}/root")


def _firewall() -> str:
    """Return the firewall backend of Netavark on this machine: `iptables`, `nftables`, or empty for neither."""
    try:
        if (4, "filter", CHAIN) in iptables_chains.read():
            return "iptables"
        names = {chain.table for chain in nftables.read().chains if chain.family == INET}
    except OSError:
        return ""
    return "nftables" if TABLES & names else ""


def _filters_bridges() -> bool:
    return setting("net/bridge/bridge-nf-call-iptables") == "1"


def _source_check(bridges: Iterable[str]) -> str:
    """Return the strictest `rp_filter` of the bridges; Netavark sets it there and in the containers alike.

    https://github.com/containers/netavark/pull/962; without it, both have what the machine gives new interfaces.
    """
    found = {setting(f"net/ipv4/conf/{name}/rp_filter") for name in ("all", *bridges)} - {""}
    # The higher number is in force, and 1 is strict, 2 loose: https://docs.kernel.org/networking/ip-sysctl.html
    return max(found, default="")
