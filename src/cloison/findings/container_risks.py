"""What somebody who took a container over could do with what it has.

Rule: a finding says what could be done, and by what evidence; it is no flow and changes no verdict.
A finding about a container stands for nothing that was done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cloison.findings.container_privileges import Capability, Hold, Hop, Mount, Powers, Process

MANUAL: Final = "https://man7.org/linux/man-pages/man7/capabilities.7.html"
NAMESPACES: Final = "https://man7.org/linux/man-pages/man7/namespaces.7.html"
SURFACE: Final = "https://docs.docker.com/engine/security/#docker-daemon-attack-surface"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that could be done: `what` names it, `where` is a container or the engine."""

    what: str
    where: str
    sentence: str
    evidence: str
    source: str


@dataclass(frozen=True, slots=True)
class Says:
    """What a capability is good for, as a verb phrase, and over what it rules."""

    what: str
    able: str
    source: str = MANUAL
    on_machine: bool = True


SAYS: Final[Mapping[Capability, Says]] = {
    Capability.SYS_ADMIN: Says("sys-admin", "mount file systems and change how the machine's kernel works"),
    Capability.SYS_MODULE: Says("sys-module", "load code into the machine's kernel"),
    Capability.SYS_RAWIO: Says("sys-rawio", "reach the machine's memory and devices past the kernel"),
    Capability.DAC_READ_SEARCH: Says("dac-read-search", "read every file of the machine"),
    Capability.SYS_PTRACE: Says("sys-ptrace", "read and change every process of the machine"),
    Capability.BPF: Says("bpf", "load programs into the machine's kernel"),
    Capability.NET_ADMIN: Says("net-admin", "change its own addresses, routes and firewall rules", on_machine=False),
    Capability.NET_RAW: Says(
        "net-raw",
        "forge packets and ARP answers, and so stand in for a neighbour",
        "https://docs.docker.com/engine/security/#linux-kernel-capabilities",
        on_machine=False,
    ),
}
"""The worst first."""
NEAR: Final = {
    Hold.NOW: ("can {able}", "{name} holds {capability} now"),
    Hold.BY_EXEC: ("can {able} by starting a program", "{name} is root and {capability} is in its bounding set"),
    Hold.BY_PROGRAM: (
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
    *(says.what for says in SAYS.values() if says.on_machine),
    "routes",
    *(says.what for says in SAYS.values() if not says.on_machine),
    "set-to-route",
    "may-route",
    "unread",
    "root",
)
"""Every kind of finding about a container."""


def findings(powers: Iterable[Powers], tried: Mapping[Hop, str] | None = None) -> list[Finding]:
    """Return what could be misused, by kind, the worst kind first.

    `tried` are the ways over a container that a packet was sent: the empty text means that it
    arrived, any other says why nothing is known to.
    """
    held = list(powers)
    found = [finding for rule in RULES for item in held for finding in rule(item)]
    found += [finding for item in held for finding in _forwarding(item, tried or {})]
    return sorted(found, key=lambda finding: (WORST_FIRST.index(finding.what), finding))


def _unread(powers: Powers) -> Iterator[Finding]:
    if powers.unread:
        yield Finding("unread", powers.container, "may have powers that could not be read", powers.unread, NAMESPACES)


def _every_capability(powers: Powers) -> Iterator[Finding]:
    process = powers.all_powerful
    if process and powers.rules_machine:
        able = "holds every capability of the machine: it is as good as root on it"
        evidence = f"{process.name} has CapEff {process.effective:016x}"
        yield Finding("privileged", powers.container, able, evidence, SURFACE)


def _sockets(powers: Powers) -> Iterator[Finding]:
    for socket in powers.sockets:
        mount = next((mount for mount in powers.mounts if socket.is_in(mount)), None)
        if mount:
            able = "reaches the engine itself, which is as good as root on the machine"
            evidence = f"{socket.path} of the host lies in its mount {mount.target}"
            yield Finding("engine-socket", powers.container, able, evidence, SURFACE)


def _mounts(powers: Powers) -> Iterator[Finding]:
    for mount in powers.mounts:
        if mount.writable and mount.source in SENSITIVE and not _is_own(mount):
            able = "may write where the machine keeps what rules it"
            evidence = f"{mount.source} of the host is its {mount.target}, writable"
            yield Finding("host-directory", powers.container, able, evidence, SURFACE)


def _is_own(mount: Mount) -> bool:
    """Whether it is the file system that every container has at this place; shared namespaces make it the host's."""
    return mount.target == mount.source and mount.source in ("/proc", "/sys", "/dev")


def _devices(powers: Powers) -> Iterator[Finding]:
    if powers.devices:
        able = "has devices of the machine; what its device cgroup lets it do with them was not looked at"
        source = "https://docs.docker.com/reference/cli/docker/container/run/#device"
        yield Finding("devices", powers.container, able, _some(powers.devices), source)


def _capabilities(powers: Powers) -> Iterator[Finding]:
    if powers.all_powerful and powers.rules_machine:
        return  # said once, as a whole
    for capability, says in SAYS.items():
        near, process = powers.nearest(capability)
        if process and near is not Hold.NEVER and _counts(powers, capability):
            able, evidence = NEAR[near]
            told = evidence.format(name=process.name, capability=capability.name)
            on = "" if says.on_machine else f"; it sits on {_some(powers.networks) or 'the machine itself'}"
            sentence = able.format(able=says.able)
            yield Finding(says.what, powers.container, sentence, f"{told} ({_masks(process)}){on}", says.source)


def _counts(powers: Powers, capability: Capability) -> bool:
    """Whether a capability reaches anybody else."""
    if capability is Capability.SYS_PTRACE and "pid" not in powers.shared:
        return False  # it sees its own processes alone
    if SAYS[capability].on_machine or "net" in powers.shared:
        return powers.rules_machine
    return bool(powers.networks)


def _masks(process: Process) -> str:
    user = "root" if process.is_root else "not root"
    return f"{user}, CapEff {process.effective:016x}, CapBnd {process.bounding:016x}"


def _shared(powers: Powers) -> Iterator[Finding]:
    for kind, (what, able) in SHARING.items():
        if kind in powers.shared:
            yield Finding(what, powers.container, able, f"its {kind} namespace is the machine's", NAMESPACES)


def _root(powers: Powers) -> Iterator[Finding]:
    process = next((process for process in powers.processes if process.is_root), None)
    if process and powers.rules_machine:
        able = "runs as root without a user namespace of its own: root in it is user 0 of the machine"
        source = "https://docs.docker.com/engine/security/userns-remap/"
        yield Finding("root", powers.container, able, f"{process.name} is user 0, as the machine counts", source)


RULES: Final[tuple[Callable[[Powers], Iterator[Finding]], ...]] = (
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


def routers(powers: Iterable[Powers]) -> list[str]:
    """Return the containers whose kernel is set to forward IPv4 and has where to: a packet can tell whether it does."""
    return [item.container for item in powers if item.forwarding and _has_where_to(item)]


def _has_where_to(powers: Powers) -> bool:
    return len(powers.networks) > 1 and "net" not in powers.shared


def _forwarding(powers: Powers, tried: Mapping[Hop, str]) -> Iterator[Finding]:
    ways = {hop: result for hop, result in sorted(tried.items()) if hop.router == powers.container}
    if not _has_where_to(powers) or not (powers.forwarding or powers.forwarding_ipv6):
        return
    arrived = [hop for hop, result in ways.items() if result == ARRIVED]
    if arrived:
        able = "forwards packets between its networks: who sits on one of them reaches the other over it"
        evidence = "; ".join(f"{_carried(hop)} arrived" for hop in arrived)
        yield Finding("routes", powers.container, able, evidence, ROUTING)
    elif ways:
        able = "is set to forward between its networks, but what it was handed did not arrive"
        evidence = "; ".join(f"{_carried(hop)} did not: {result}" for hop, result in ways.items())
        yield Finding("set-to-route", powers.container, able, f"{_set_to(powers)}; {evidence}", ROUTING)
    else:
        able = "is set to forward between its networks; whether it does was not tried"
        evidence = f"{_set_to(powers)}; it sits on {_some(powers.networks)}"
        yield Finding("may-route", powers.container, able, evidence, ROUTING)


def _carried(hop: Hop) -> str:
    return f"a packet from {hop.source}, handed to it on {hop.source_network} for {hop.target} on {hop.target_network},"


def _set_to(powers: Powers) -> str:
    families = {"IPv4": powers.forwarding, "IPv6": powers.forwarding_ipv6}
    told = ", ".join(f"{family} on {_some(links)}" for family, links in families.items() if links)
    return f"forwarding is on for {told}"


def _some(words: Iterable[str], few: int = 6) -> str:
    listed = list(words)
    more = [f"and {len(listed) - few} more"] if len(listed) > few else []
    return ", ".join([*listed[:few], *more])
