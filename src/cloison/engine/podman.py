"""Podman through its Docker-compatible API, on this machine; what that API hides is asked of Podman's own.

Rule: Podman answers as Docker does, so what is the same is Docker's. Here stands what differs, each point seen on 4.3.1
or 5.4.2. `podman system service` serves both APIs on one socket.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import docker
from docker.errors import NotFound
from pyroute2.netlink.exceptions import NetlinkError

from cloison.compose.project import DEFAULT_BRIDGE
from cloison.engine.connection import API_TIMEOUT
from cloison.engine.docker import LINK_NAME, Docker, Document, network
from cloison.linux import pyroute
from cloison.linux.netfilter import forward_policy
from cloison.linux.subprocesses import run
from cloison.model.facts import EngineFacts, NetworkFacts
from cloison.predict.context import ISOLATE

LIBPOD_API: Final = "/v4.0.0/libpod"
"""Served by 4.0 and later: https://docs.podman.io/en/latest/_static/api.html"""
ISOLATION_RELIABLE: Final = (5, 0)
"""Before, whoever asked the Docker-compatible API about a network made Podman forget the network's isolation until it
read its files again, and deny it on its own API, too (4.3.1; not 5.4.2)."""
NETWORKS_FOLDER: Final = "etc/containers/networks"
"""Where Podman keeps the networks that root made."""
CHAIN: Final = "NETAVARK_FORWARD"
TABLE: Final = "netavark"
INET: Final = 1
"""The family of the table, NFPROTO_INET."""
PROC_SYS_NET: Final = Path("/proc/sys/net")
CONTAINER_MODE: Final = "container:"
"""How the network mode of a container begins that lives in another's namespace."""
UCRED: Final = struct.Struct("3i")
"""SO_PEERCRED: process, user, group."""


class Podman(Docker):
    """One engine, through a client that it closes with `close`."""

    def __init__(self, api: docker.APIClient, address: str) -> None:
        super().__init__(api)
        self._root_folder = _root_folder(address)

    def _engine(self, version: Document) -> EngineFacts:
        bridges = [item["network_interface"] for item in self._native_networks() if item.get("network_interface")]
        return EngineFacts(
            "podman",
            version.get("Version", ""),
            forward_policy(4),
            forward_policy(6),
            firewall=_firewall(),
            filters_bridges=_filters_bridges(),
            source_check=_source_check(bridges),
        )

    def _container(self, identity: str) -> Document | None:
        """Return a container whose seat on the default network is called as in the file, `bridge`.

        Podman repeats the seats and ports of a namespace's owner for everybody who lives in it; Docker tells them once.
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
        isolation = self._isolation(native) if native else None  # asked first: see TRUTHFUL
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
        return EngineFacts("podman", self._api.version().get("Version", "")).release

    def _native_networks(self) -> list[Mapping[str, Any]]:
        """Return the networks as Podman's own API tells them."""
        answer = self._api.get(f"{self._api.base_url}{LIBPOD_API}/networks/json", timeout=API_TIMEOUT)
        answer.raise_for_status()
        native: list[Mapping[str, Any]] = answer.json()
        return native

    def _isolation(self, native: Mapping[str, Any]) -> str | None:
        """Return the option `isolate` of a network, None when nobody tells it.

        A network that was never written to a file is the default one as it is built in.
        """
        network_file = self._root_folder / NETWORKS_FOLDER / f"{native['name']}.json"
        try:
            source = json.loads(network_file.read_text())
        except (OSError, ValueError):
            source = native
        isolate = (source.get("options") or {}).get(ISOLATE)
        is_reliable = source is not native or self._release >= ISOLATION_RELIABLE or native["name"] == self._default
        return str(isolate) if isolate else "false" if is_reliable else None


def _root_folder(address: str) -> Path:
    """Return the root directory of the process that listens at `address`: it may have one of its own."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(API_TIMEOUT)
        peer.connect(address)
        process, _, _ = UCRED.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED.size))
    return Path(f"/proc/{process}/root")


def _firewall() -> str:
    """Return whose rules Netavark has written on this machine."""
    if run(["iptables", "--wait", "-S", CHAIN]).code == 0:
        return "iptables"
    try:
        with pyroute.nftables(INET) as nftables:
            names = {table.get("NFTA_TABLE_NAME") for table in nftables.get_tables()}
    except (NetlinkError, OSError):
        return ""
    return "nftables" if TABLE in names else ""


def _filters_bridges() -> bool:
    return _setting("bridge/bridge-nf-call-iptables") == "1"


def _source_check(bridges: Iterable[str]) -> str:
    """Return the strictest check in force on the bridges: Netavark sets it there and in the containers alike.

    https://github.com/containers/netavark/pull/962; without it, both have what the machine gives new interfaces.
    """
    found = {_setting(f"ipv4/conf/{name}/rp_filter") for name in ("all", *bridges)} - {""}
    # The higher number is in force, and 1 is strict, 2 loose: https://docs.kernel.org/networking/ip-sysctl.html
    return max(found, default="")


def _setting(name: str) -> str:
    try:
        return (PROC_SYS_NET / name).read_text().strip()
    except OSError:
        return ""
