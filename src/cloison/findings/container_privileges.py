"""The privileges of a container: capabilities, namespaces, mounts, devices and IP forwarding.

Input: the values that `audit` reads from /proc and the engine. Output: frozen values, and forwarding paths.
Rule: a capability that a process holds now differs from one that it could gain, and `Availability` tells them
apart. A capability outside the bounding set cannot be gained.
Source: https://man7.org/linux/man-pages/man7/capabilities.7.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import permutations
from typing import Final

from cloison.model.facts import Container, Facts

ENGINE_SOCKETS: Final = (
    "/run/docker.sock",
    "/run/docker/containerd/containerd.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/crio/crio.sock",
)
"""Sockets of engines: https://docs.docker.com/reference/cli/dockerd/#daemon-socket-option."""


class Capability(IntEnum):
    """The capabilities that affect isolation, with the kernel's numbers (CAP_* in linux/capability.h)."""

    DAC_READ_SEARCH = 2
    NET_ADMIN = 12
    NET_RAW = 13
    SYS_MODULE = 16
    SYS_RAWIO = 17
    SYS_PTRACE = 19
    SYS_ADMIN = 21
    BPF = 39


CAPABILITIES_BEFORE_PERFMON: Final = (1 << 38) - 1
"""The capabilities that every engine supports. CAP_PERFMON, CAP_BPF and CAP_CHECKPOINT_RESTORE were split from
CAP_SYS_ADMIN, which still includes them; older engines cannot grant them, not even to a privileged container."""


class Availability(IntEnum):
    """How a process can obtain a capability, the easiest last."""

    NEVER = 0
    BY_PROGRAM = 1
    """A program with setuid root or file capabilities would grant it; the image was not searched for one."""
    BY_EXEC = 2
    """The process is root, so every program that it executes has it."""
    NOW = 3


@dataclass(frozen=True, slots=True, order=True)
class Process:
    """A process of a container; `is_root` means user 0 of the container."""

    name: str
    is_root: bool
    effective: int
    permitted: int
    bounding: int
    no_new_privs: bool

    def availability(self, capability: Capability) -> Availability:
        """Return how the process can obtain a capability.

        With no_new_privs execve(2) grants no capability, not even to root: the kernel limits the new
        permitted set to the old one.
        https://www.kernel.org/doc/html/latest/userspace-api/no_new_privs.html
        """
        bit = 1 << capability
        if (self.effective | self.permitted) & bit:
            return Availability.NOW
        if self.no_new_privs or not self.bounding & bit:
            return Availability.NEVER
        return Availability.BY_EXEC if self.is_root else Availability.BY_PROGRAM


@dataclass(frozen=True, slots=True, order=True)
class Mount:
    """A mount of a container: `root` is its path in the file system `device`, `source` its path on the host."""

    device: str
    root: str
    target: str
    writable: bool
    source: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Socket:
    """A Unix socket of the host: its path, and `root`, its path in the file system `device`."""

    path: str
    device: str
    root: str

    def is_in(self, mount: Mount) -> bool:
        """Whether a mount contains the socket; connect(2) also works through a read-only mount."""
        below = mount.root.rstrip("/") + "/"
        return mount.device == self.device and (self.root == mount.root or self.root.startswith(below))


@dataclass(frozen=True, slots=True)
class ContainerPrivileges:
    """The privileges of a running container.

    `shared` names the kinds of namespaces that it shares with the host. `host_capabilities` is the set of
    capabilities that the host supports. `forwarding` names the interfaces with IP forwarding enabled.
    `unread_reason` is the reason why the other values are missing.
    """

    container: str
    networks: tuple[str, ...] = ()
    processes: tuple[Process, ...] = ()
    host_capabilities: int = 0
    shared: frozenset[str] = frozenset()
    mounts: tuple[Mount, ...] = ()
    sockets: tuple[Socket, ...] = ()
    devices: tuple[str, ...] = ()
    forwarding: tuple[str, ...] = ()
    forwarding_ipv6: tuple[str, ...] = ()
    unread_reason: str = ""

    def nearest(self, capability: Capability) -> tuple[Availability, Process | None]:
        """Return the best availability of a capability among its processes, and that process."""
        held = [(process.availability(capability), process) for process in self.processes]
        return max(held, key=lambda item: item[0], default=(Availability.NEVER, None))

    @property
    def shares_user_namespace(self) -> bool:
        """Whether it has no user namespace of its own, so its capabilities apply to the host."""
        return "user" in self.shared

    @property
    def fully_privileged(self) -> Process | None:
        """Return a process that holds every capability of the host, as in a privileged container; None without one."""
        every = self.host_capabilities & CAPABILITIES_BEFORE_PERFMON | 1 << Capability.SYS_ADMIN
        return next((process for process in self.processes if process.effective & every == every), None)


@dataclass(frozen=True, slots=True, order=True)
class ForwardingPath:
    """A path through a container on two networks, from a container of one to a container of the other."""

    router: str
    source: str
    source_network: str
    target: str
    target_network: str


def forwarding_paths(facts: Facts, routers: Iterable[str]) -> list[ForwardingPath]:
    """Return one path for every pair of networks of every router, between containers on only one of the two."""
    running_containers = {c.name: c for c in facts.containers if c.pid}
    return [
        ForwardingPath(name, source.name, source_network, target.name, target_network)
        for name in routers
        for source_network, target_network in permutations(sorted(_attached_networks(running_containers[name])), 2)
        for source in _only_on(source_network, target_network, running_containers.values())
        for target in _only_on(target_network, source_network, running_containers.values())
    ]


def _only_on(network: str, without: str, containers: Iterable[Container]) -> Iterator[Container]:
    """Yield the first container that is on one network and not on the other."""
    found = (
        c
        for c in containers
        if network in (attached_networks := _attached_networks(c)) and without not in attached_networks
    )
    yield from (first for first in (next(found, None),) if first)


def _attached_networks(container: Container) -> set[str]:
    return {attachment.network for attachment in container.attachments if attachment.address}
