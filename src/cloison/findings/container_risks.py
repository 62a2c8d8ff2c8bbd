"""What somebody who took a container over could do with what it has.

Rule: a finding says what could be done, and by what evidence; it is no flow and changes no verdict.
A finding about a container stands for nothing that was done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cloison.findings.container_privileges import (
    Availability,
    Capability,
    ContainerPrivileges,
    ForwardingPath,
    Mount,
    Process,
)
from cloison.model.text import listed

MAX_NAMED: Final = 6
"""Names in one sentence; the others are counted."""
MANUAL: Final = "https://man7.org/linux/man-pages/man7/capabilities.7.html"
NAMESPACES: Final = "https://man7.org/linux/man-pages/man7/namespaces.7.html"
SURFACE: Final = "https://docs.docker.com/engine/security/#docker-daemon-attack-surface"


@dataclass(frozen=True, slots=True, order=True)
class Risk:
    """One thing that could be done: `what` names it, `where` is a container or the engine."""

    what: str
    where: str
    sentence: str
    evidence: str
    source: str


@dataclass(frozen=True, slots=True)
class CapabilityUse:
    """What a capability is good for, as a verb phrase, and over what it rules."""

    what: str
    able: str
    source: str = MANUAL
    affects_host: bool = True


CAPABILITY_USES: Final[Mapping[Capability, CapabilityUse]] = {
    Capability.SYS_ADMIN: CapabilityUse("sys-admin", "mount file systems and change how the machine's kernel works"),
    Capability.SYS_MODULE: CapabilityUse("sys-module", "load code into the machine's kernel"),
    Capability.SYS_RAWIO: CapabilityUse("sys-rawio", "reach the machine's memory and devices past the kernel"),
    Capability.DAC_READ_SEARCH: CapabilityUse("dac-read-search", "read every file of the machine"),
    Capability.SYS_PTRACE: CapabilityUse("sys-ptrace", "read and change every process of the machine"),
    Capability.BPF: CapabilityUse("bpf", "load programs into the machine's kernel"),
    Capability.NET_ADMIN: CapabilityUse(
        "net-admin", "change its own addresses, routes and firewall rules", affects_host=False
    ),
    Capability.NET_RAW: CapabilityUse(
        "net-raw",
        "forge packets and ARP answers, and so stand in for a neighbour",
        "https://docs.docker.com/engine/security/#linux-kernel-capabilities",
        affects_host=False,
    ),
}
"""The worst first."""
AVAILABILITY_TEXTS: Final = {
    Availability.NOW: ("can {able}", "{name} holds {capability} now"),
    Availability.BY_EXEC: (
        "can {able} by starting a program",
        "{name} is root and {capability} is in its bounding set",
    ),
    Availability.BY_PROGRAM: (
        "could {able} if its image has a setuid or file capability program for it",
        "{name} does not hold {capability}, but its bounding set does, and no_new_privs is not set",
    ),
}
SHARING: Final = {
    "pid": ("host-pid", "sees every process of the machine, and may signal those of its own user"),
    "net": ("host-network", "lives in the machine's network namespace: no wall of the engine stands around it"),
    "ipc": ("host-ipc", "reaches the shared memory of the machine's processes"),
    "uts": ("host-uts", "lives in the machine's UTS namespace; with SYS_ADMIN it can rename the machine"),
}
SENSITIVE: Final = frozenset(
    {"/", "/boot", "/dev", "/etc", "/lib", "/proc", "/root", "/run", "/sys", "/usr", "/var", "/var/lib/docker"}
)
"""Directories of the host; who writes there rules it."""
WORST_FIRST: Final = (
    "privileged",
    "engine-socket",
    "host-directory",
    "devices",
    "host-network",
    "host-pid",
    "host-ipc",
    "host-uts",
    *(use.what for use in CAPABILITY_USES.values() if use.affects_host),
    "routes",
    *(use.what for use in CAPABILITY_USES.values() if not use.affects_host),
    "set-to-route",
    "may-route",
    "unread",
    "root",
)
"""Every kind of finding about a container."""


def risks(
    privileges: Iterable[ContainerPrivileges], forwarding_results: Mapping[ForwardingPath, str] | None = None
) -> list[Risk]:
    """Return what could be misused, by kind, the worst kind first.

    `tried` are the ways over a container that a packet was sent: the empty text means that it
    arrived, any other says why nothing is known to.
    """
    held = list(privileges)
    found = [risk for rule in RULES for item in held for risk in rule(item)]
    found += [risk for item in held for risk in _forwarding(item, forwarding_results or {})]
    return sorted(found, key=lambda risk: (WORST_FIRST.index(risk.what), risk))


def _unread(privileges: ContainerPrivileges) -> Iterator[Risk]:
    if privileges.unread_reason:
        yield Risk(
            "unread",
            privileges.container,
            "may have powers that could not be read",
            privileges.unread_reason,
            NAMESPACES,
        )


def _every_capability(privileges: ContainerPrivileges) -> Iterator[Risk]:
    process = privileges.fully_privileged
    if process and privileges.shares_user_namespace:
        able = "holds every capability of the machine: it is as good as root on it"
        evidence = f"{process.name} has CapEff {process.effective:016x}"
        yield Risk("privileged", privileges.container, able, evidence, SURFACE)


def _sockets(privileges: ContainerPrivileges) -> Iterator[Risk]:
    for socket in privileges.sockets:
        mount = next((mount for mount in privileges.mounts if socket.is_in(mount)), None)
        if mount:
            able = "reaches the engine itself, which is as good as root on the machine"
            evidence = f"{socket.path} of the host lies in its mount {mount.target}"
            yield Risk("engine-socket", privileges.container, able, evidence, SURFACE)


def _mounts(privileges: ContainerPrivileges) -> Iterator[Risk]:
    for mount in privileges.mounts:
        if mount.writable and mount.source in SENSITIVE and not _is_own(mount):
            able = "may write where the machine keeps what rules it"
            evidence = f"{mount.source} of the host is its {mount.target}, writable"
            yield Risk("host-directory", privileges.container, able, evidence, SURFACE)


def _is_own(mount: Mount) -> bool:
    """Whether it is the file system that every container has at this place; shared namespaces make it the host's."""
    return mount.target == mount.source and mount.source in ("/proc", "/sys", "/dev")


def _devices(privileges: ContainerPrivileges) -> Iterator[Risk]:
    if privileges.devices:
        able = "has devices of the machine; what its device cgroup lets it do with them was not looked at"
        source = "https://docs.docker.com/reference/cli/docker/container/run/#device"
        yield Risk("devices", privileges.container, able, listed(privileges.devices, MAX_NAMED), source)


def _capabilities(privileges: ContainerPrivileges) -> Iterator[Risk]:
    if privileges.fully_privileged and privileges.shares_user_namespace:
        return  # said once, as a whole
    for capability, use in CAPABILITY_USES.items():
        availability, process = privileges.nearest(capability)
        if process and availability is not Availability.NEVER and _counts(privileges, capability):
            able, evidence = AVAILABILITY_TEXTS[availability]
            evidence_text = evidence.format(name=process.name, capability=capability.name)
            on = (
                ""
                if use.affects_host
                else f"; it sits on {listed(privileges.networks, MAX_NAMED) or 'the machine itself'}"
            )
            sentence = able.format(able=use.able)
            yield Risk(use.what, privileges.container, sentence, f"{evidence_text} ({_masks(process)}){on}", use.source)


def _counts(privileges: ContainerPrivileges, capability: Capability) -> bool:
    """Whether a capability reaches anybody else."""
    if capability is Capability.SYS_PTRACE and "pid" not in privileges.shared:
        return False  # it sees its own processes alone
    if CAPABILITY_USES[capability].affects_host or "net" in privileges.shared:
        return privileges.shares_user_namespace
    return bool(privileges.networks)


def _masks(process: Process) -> str:
    user = "root" if process.is_root else "not root"
    return f"{user}, CapEff {process.effective:016x}, CapBnd {process.bounding:016x}"


def _shared(privileges: ContainerPrivileges) -> Iterator[Risk]:
    for kind, (what, able) in SHARING.items():
        if kind in privileges.shared:
            yield Risk(what, privileges.container, able, f"its {kind} namespace is the machine's", NAMESPACES)


def _root(privileges: ContainerPrivileges) -> Iterator[Risk]:
    process = next((process for process in privileges.processes if process.is_root), None)
    if process and privileges.shares_user_namespace:
        able = "runs as root without a user namespace of its own: root in it is user 0 of the machine"
        source = "https://docs.docker.com/engine/security/userns-remap/"
        yield Risk("root", privileges.container, able, f"{process.name} is user 0, as the machine counts", source)


RULES: Final[tuple[Callable[[ContainerPrivileges], Iterator[Risk]], ...]] = (
    _unread,
    _every_capability,
    _sockets,
    _mounts,
    _devices,
    _shared,
    _capabilities,
    _root,
)

ARRIVED: Final = ""
ROUTING: Final = "https://docs.kernel.org/networking/ip-sysctl.html"


def routers(privileges: Iterable[ContainerPrivileges]) -> list[str]:
    """Return the containers whose kernel is set to forward IPv4 and has where to: a packet can tell whether it does."""
    return [item.container for item in privileges if item.forwarding and _can_forward(item)]


def _can_forward(privileges: ContainerPrivileges) -> bool:
    return len(privileges.networks) > 1 and "net" not in privileges.shared


def _forwarding(privileges: ContainerPrivileges, forwarding_results: Mapping[ForwardingPath, str]) -> Iterator[Risk]:
    results = {
        path: result for path, result in sorted(forwarding_results.items()) if path.router == privileges.container
    }
    if not _can_forward(privileges) or not (privileges.forwarding or privileges.forwarding_ipv6):
        return
    arrived = [path for path, result in results.items() if result == ARRIVED]
    if arrived:
        able = "forwards packets between its networks: who sits on one of them reaches the other over it"
        evidence = "; ".join(f"{_path_text(path)} arrived" for path in arrived)
        yield Risk("routes", privileges.container, able, evidence, ROUTING)
    elif results:
        able = "is set to forward between its networks, but what it was handed did not arrive"
        evidence = "; ".join(f"{_path_text(path)} did not: {result}" for path, result in results.items())
        yield Risk("set-to-route", privileges.container, able, f"{_forwarding_text(privileges)}; {evidence}", ROUTING)
    else:
        able = "is set to forward between its networks; whether it does was not tried"
        evidence = f"{_forwarding_text(privileges)}; it sits on {listed(privileges.networks, MAX_NAMED)}"
        yield Risk("may-route", privileges.container, able, evidence, ROUTING)


def _path_text(path: ForwardingPath) -> str:
    return (
        f"a packet from {path.source}, handed to it on {path.source_network} "
        f"for {path.target} on {path.target_network},"
    )


def _forwarding_text(privileges: ContainerPrivileges) -> str:
    families = {"IPv4": privileges.forwarding, "IPv6": privileges.forwarding_ipv6}
    evidence_text = ", ".join(f"{family} on {listed(links, MAX_NAMED)}" for family, links in families.items() if links)
    return f"forwarding is on for {evidence_text}"
