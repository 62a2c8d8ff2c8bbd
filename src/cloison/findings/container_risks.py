"""The risks of a compromised container: the actions that its privileges allow.

Input: `ContainerPrivileges`, and the results of forwarding tests. Output: `Risk` values, the worst first.
Rule: a risk names a possible action and its evidence; it reports no attack, is no flow and changes no verdict.
Sources: the manual pages and the Docker documentation that each risk names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
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
    """A risk: `what` is its kind, `where` is a container or the engine, `sentence` continues the name of `where`."""

    what: str
    where: str
    sentence: str
    evidence: str
    source: str


@dataclass(frozen=True, slots=True)
class CapabilityUse:
    """The use of a capability for an attacker as a verb phrase, and whether it affects the host."""

    what: str
    able: str
    source: str = MANUAL
    affects_host: bool = True


FORGES: Final = "forge packets and ARP replies, and so impersonate other containers on its networks"
FORGES_WHILE_ENFORCED: Final = "forge packets and ARP replies, which enforcement drops on the bridges of this project"
CAPABILITY_USES: Final[Mapping[Capability, CapabilityUse]] = {
    Capability.SYS_ADMIN: CapabilityUse("sys-admin", "mount file systems and reconfigure the host's kernel"),
    Capability.SYS_MODULE: CapabilityUse("sys-module", "load modules into the host's kernel"),
    Capability.SYS_RAWIO: CapabilityUse("sys-rawio", "access the host's memory and devices directly"),
    Capability.DAC_READ_SEARCH: CapabilityUse("dac-read-search", "read every file of the host"),
    Capability.SYS_PTRACE: CapabilityUse("sys-ptrace", "read and modify every process of the host"),
    Capability.BPF: CapabilityUse("bpf", "load BPF programs into the host's kernel"),
    Capability.NET_ADMIN: CapabilityUse(
        "net-admin", "change its own addresses, routes and firewall rules", affects_host=False
    ),
    Capability.NET_RAW: CapabilityUse(
        "net-raw",
        FORGES,
        "https://docs.docker.com/engine/security/#linux-kernel-capabilities",
        affects_host=False,
    ),
}
"""The worst first."""
AVAILABILITY_TEXTS: Final = {
    Availability.NOW: ("can {able}", "{name} holds {capability} now"),
    Availability.BY_EXEC: (
        "can {able} by executing a program",
        "{name} is root and {capability} is in its bounding set",
    ),
    Availability.BY_PROGRAM: (
        "could {able} if its image has a program with setuid or file capabilities for it",
        "{name} does not hold {capability}, but its bounding set does, and no_new_privs is not set",
    ),
}
SHARING: Final = {
    "pid": ("host-pid", "sees every process of the host, and can signal those of its own user"),
    "net": ("host-network", "shares the host's network namespace: the engine does not isolate it"),
    "ipc": ("host-ipc", "can access the shared memory of the host's processes"),
    "uts": ("host-uts", "shares the host's UTS namespace: with SYS_ADMIN it can change the host name"),
}
SENSITIVE: Final = frozenset(
    {"/", "/boot", "/dev", "/etc", "/lib", "/proc", "/root", "/run", "/sys", "/usr", "/var", "/var/lib/docker"}
)
"""Directories of the host whose writer controls the host."""
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
"""Every kind of risk of a container, the worst first."""


def risks(
    privileges: Iterable[ContainerPrivileges],
    forwarding_results: Mapping[ForwardingPath, str] | None = None,
    *,
    is_enforced: bool = False,
) -> list[Risk]:
    """Return the risks by kind, the worst kind first.

    `forwarding_results` maps each tested forwarding path to its result: empty when the packet arrived,
    otherwise the reason why no arrival is known. With `is_enforced` a port sends with its own addresses only; the
    host's namespace has no port.
    """
    held = list(privileges)
    found = [risk for rule in RULES for item in held for risk in rule(item)]
    found += [risk for item in held for risk in _forwarding(item, forwarding_results or {})]
    if is_enforced:
        on_bridges = {item.container for item in held if item.networks}
        found = [_while_enforced(risk) if risk.where in on_bridges else risk for risk in found]
    return sorted(found, key=lambda risk: (WORST_FIRST.index(risk.what), risk))


def _while_enforced(risk: Risk) -> Risk:
    return replace(risk, sentence=risk.sentence.replace(FORGES, FORGES_WHILE_ENFORCED))


def _unread(privileges: ContainerPrivileges) -> Iterator[Risk]:
    if privileges.unread_reason:
        yield Risk(
            "unread",
            privileges.container,
            "may have privileges that could not be read",
            privileges.unread_reason,
            NAMESPACES,
        )


def _every_capability(privileges: ContainerPrivileges) -> Iterator[Risk]:
    process = privileges.fully_privileged
    if process and privileges.shares_user_namespace:
        able = "holds every capability of the host, which is equivalent to root on the host"
        evidence = f"{process.name} has CapEff {process.effective:016x}"
        yield Risk("privileged", privileges.container, able, evidence, SURFACE)


def _sockets(privileges: ContainerPrivileges) -> Iterator[Risk]:
    for socket in privileges.sockets:
        mount = next((mount for mount in privileges.mounts if socket.is_in(mount)), None)
        if mount:
            able = "can use the engine's API, which is equivalent to root on the host"
            evidence = f"{socket.path} of the host is in its mount {mount.target}"
            yield Risk("engine-socket", privileges.container, able, evidence, SURFACE)


def _mounts(privileges: ContainerPrivileges) -> Iterator[Risk]:
    for mount in privileges.mounts:
        if mount.writable and mount.source in SENSITIVE and not _is_own(mount):
            able = "can write to a system directory of the host"
            evidence = f"{mount.source} of the host is mounted on {mount.target}, writable"
            yield Risk("host-directory", privileges.container, able, evidence, SURFACE)


def _is_own(mount: Mount) -> bool:
    """Whether it is a file system that every container has there; a shared namespace makes it the host's."""
    return mount.target == mount.source and mount.source in ("/proc", "/sys", "/dev")


def _devices(privileges: ContainerPrivileges) -> Iterator[Risk]:
    if privileges.devices:
        able = "has devices of the host; its access by the device cgroup was not checked"
        source = "https://docs.docker.com/reference/cli/docker/container/run/#device"
        yield Risk("devices", privileges.container, able, listed(privileges.devices, MAX_NAMED), source)


def _capabilities(privileges: ContainerPrivileges) -> Iterator[Risk]:
    if privileges.fully_privileged and privileges.shares_user_namespace:
        return  # _every_capability reports it
    for capability, use in CAPABILITY_USES.items():
        availability, process = privileges.nearest(capability)
        if process and availability is not Availability.NEVER and _counts(privileges, capability):
            able, evidence = AVAILABILITY_TEXTS[availability]
            evidence_text = evidence.format(name=process.name, capability=capability.name)
            networks = listed(privileges.networks, MAX_NAMED) or "the network of the host"
            on = "" if use.affects_host else f"; it is on {networks}"
            sentence = able.format(able=use.able)
            yield Risk(use.what, privileges.container, sentence, f"{evidence_text} ({_masks(process)}){on}", use.source)


def _counts(privileges: ContainerPrivileges, capability: Capability) -> bool:
    """Whether a capability affects anything outside the container."""
    if capability is Capability.SYS_PTRACE and "pid" not in privileges.shared:
        return False  # it sees only its own processes
    if CAPABILITY_USES[capability].affects_host or "net" in privileges.shared:
        return privileges.shares_user_namespace
    return bool(privileges.networks)


def _masks(process: Process) -> str:
    user = "root" if process.is_root else "not root"
    return f"{user}, CapEff {process.effective:016x}, CapBnd {process.bounding:016x}"


def _shared(privileges: ContainerPrivileges) -> Iterator[Risk]:
    for kind, (what, able) in SHARING.items():
        if kind in privileges.shared:
            yield Risk(what, privileges.container, able, f"its {kind} namespace is the host's", NAMESPACES)


def _root(privileges: ContainerPrivileges) -> Iterator[Risk]:
    process = next((process for process in privileges.processes if process.is_root), None)
    if process and privileges.shares_user_namespace:
        able = "runs as root without its own user namespace: its root is user 0 of the host"
        source = "https://docs.docker.com/engine/security/userns-remap/"
        yield Risk("root", privileges.container, able, f"{process.name} is user 0 of the host", source)


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
    """Return the containers on several networks with IPv4 forwarding enabled, which a forwarding test can check."""
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
        able = "forwards packets between its networks: a container on one of them reaches the others through it"
        evidence = "; ".join(f"{_path_text(path)} arrived" for path in arrived)
        yield Risk("routes", privileges.container, able, evidence, ROUTING)
    elif results:
        able = "has IP forwarding enabled between its networks, but the test packet did not arrive"
        evidence = "; ".join(f"{_path_text(path)} did not arrive: {result}" for path, result in results.items())
        yield Risk("set-to-route", privileges.container, able, f"{_forwarding_text(privileges)}; {evidence}", ROUTING)
    else:
        able = "has IP forwarding enabled between its networks, which was not tested"
        evidence = f"{_forwarding_text(privileges)}; it is on {listed(privileges.networks, MAX_NAMED)}"
        yield Risk("may-route", privileges.container, able, evidence, ROUTING)


def _path_text(path: ForwardingPath) -> str:
    return (
        f"a packet from {path.source}, sent to it on {path.source_network} for {path.target} on {path.target_network},"
    )


def _forwarding_text(privileges: ContainerPrivileges) -> str:
    families = {"IPv4": privileges.forwarding, "IPv6": privileges.forwarding_ipv6}
    evidence_text = ", ".join(f"{family} on {listed(links, MAX_NAMED)}" for family, links in families.items() if links)
    return f"forwarding is enabled for {evidence_text}"
