"""Known holes of engines: which versions have them, and what must be there for them to matter.

Rule: a hole is a row of `GATES`. A version tells what its makers released; a distribution may have
mended it without another number, so no sentence claims more than that the version has the hole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from cloison.findings.container_risks import Finding
from cloison.findings.host_facts import OFF, MachineFacts
from cloison.model.facts import HOST, Container, Facts

ENGINE: Final = "engine"
"""Where such a finding is."""
DOCKER: Final = "docker"
FINAL: Final = 1 << 30
"""The last number of a version that is no preview."""
UNLESS: Final = ", unless its distribution has mended that"
Version = tuple[int, int, int, int]
"""Major, minor, patch, and the number of the preview."""
VERSION: Final = re.compile(
    r"v?(?P<major>\d+)\.(?P<minor>\d+)(?:\.(?P<patch>\d+))?(?:-(?P<stage>alpha|beta|rc)\.?(?P<number>\d*))?"
)
STAGES: Final = {"alpha": 0, "beta": 1000, "rc": 2000}
"""Previews come in this order, before the release."""


def version(text: str) -> Version | None:
    """Read a version: `28.0.1`, `26.0.0-rc3`, `20.10.24+dfsg1`, `24.0.7-0ubuntu4`; None when it is none.

    What a distribution adds is left out.
    """
    read = VERSION.match(text)
    if not read:
        return None
    preview = STAGES[read["stage"]] + int(read["number"] or 0) if read["stage"] else FINAL
    return int(read["major"]), int(read["minor"]), int(read["patch"] or 0), preview


@dataclass(frozen=True, slots=True)
class Range:
    """Versions from `first` on, before `fixed`; an empty text means no bound."""

    first: str
    fixed: str

    def holds(self, found: Version) -> bool:
        """Whether a version lies in the range."""
        first, fixed = version(self.first), version(self.fixed)
        return (first is None or first <= found) and (fixed is None or found < fixed)


@dataclass(frozen=True, slots=True)
class Situation:
    """What the conditions of holes are held against; `project` is the project's name."""

    facts: Facts
    machine: MachineFacts
    project: str

    @property
    def containers(self) -> list[Container]:
        """The project's running containers."""
        return [c for c in self.facts.containers if c.pid and c.project == self.project]


Condition = Callable[[Situation], str]
"""Returns what makes the hole matter here, empty when nothing does."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A known hole: `of` reads the version in which it is, `when` says what makes it matter."""

    what: str
    affected: Sequence[Range]
    when: Condition
    sentence: str
    source: str
    of: Callable[[Situation], str] = lambda situation: situation.facts.engine.version


def _internal(situation: Situation) -> str:
    seats = {seat.network for c in situation.containers for seat in c.attachments}
    names = sorted(n.name for n in situation.facts.networks if n.internal and n.name in seats)
    resolvers = situation.machine.resolvers
    on_loopback = [address for address in resolvers or () if _is_loopback(address)]
    if not names or (resolvers is not None and not on_loopback):
        return ""
    asked = f"the host asks {', '.join(on_loopback)}" if on_loopback else "whom the host asks could not be read"
    return f"{', '.join(names)} is internal, and {asked}"


def _loopback_doors(situation: Situation) -> str:
    doors = sorted(
        f"{door.host_address}:{door.host_port} of {container.name}"
        for container in situation.containers
        for door in container.publications
        if _is_loopback(door.host_address)
    )
    return f"published: {', '.join(doors)}" if doors else ""


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _firewalld(situation: Situation) -> str:
    return "firewalld runs" if situation.machine.firewalld else ""


def _firewalld_and_doors(situation: Situation) -> str:
    doors = any(container.publications for container in situation.containers)
    return "firewalld runs, and ports are published" if situation.machine.firewalld and doors else ""


def _firewalld_and_networks(situation: Situation) -> str:
    ordinary = sorted(n.name for n in situation.facts.networks if n.driver == "bridge" and not n.internal)
    return f"firewalld runs, and {', '.join(ordinary)} is not internal" if _firewalld(situation) and ordinary else ""


def _encrypted(situation: Situation) -> str:
    names = sorted(n.name for n in situation.facts.networks if n.driver == "overlay" and "encrypted" in dict(n.options))
    return f"{', '.join(names)} is an encrypted overlay" if names else ""


def _host_mode(situation: Situation) -> str:
    names = sorted(c.name for c in situation.containers if c.network_mode == HOST)
    return f"{', '.join(names)} lives in the host's network namespace" if names else ""


def _on_bridges(situation: Situation) -> str:
    return "containers sit on bridges of the host" if any(c.attachments for c in situation.containers) else ""


def _desktop(situation: Situation) -> str:
    """Return the version of Docker Desktop: `Docker Desktop 4.43.0 (198352)`."""
    name, _, number = situation.facts.engine.platform.partition("Desktop ")
    return number if name == "Docker " else ""


def _is_desktop(situation: Situation) -> str:
    return situation.facts.engine.platform


ADVISORY: Final = "https://github.com/moby/moby/security/advisories/{}"
GATES: Final = (
    Gate(
        "CVE-2025-9074",
        (Range("", "4.44.3"),),
        _is_desktop,
        "any container reaches the engine itself, which is as good as root on the machine",
        "https://docs.docker.com/security/security-announcements/",
        _desktop,
    ),
    Gate(
        "CVE-2020-15257",
        (Range("", "19.03.14"),),
        _host_mode,
        "root in a container on the host's network may start others with every power, if containerd is as old",
        "https://github.com/containerd/containerd/security/advisories/GHSA-36xw-fx78-c5r4",
    ),
    Gate(
        "CVE-2024-29018",
        (Range("", "23.0.11"), Range("24.0.0", "25.0.5"), Range("26.0.0-alpha", "26.0.0-rc3")),
        _internal,
        "an internal network lets data out: names that its containers ask for are asked by the host",
        ADVISORY.format("GHSA-mq39-4gv4-mvpx"),
    ),
    Gate(
        "loopback-published",
        (Range("", "28.0.0"),),
        _loopback_doors,
        "a port published on loopback answers a neighbour on the host's own segment too",
        "https://github.com/moby/moby/pull/49325",
    ),
    Gate(
        "CVE-2025-54388",
        (Range("28.2.0", "28.3.3"),),
        _firewalld_and_doors,
        "a reload of firewalld opens ports that are published on loopback to other machines",
        ADVISORY.format("GHSA-x4rx-4gw3-53p4"),
    ),
    Gate(
        "CVE-2025-54410",
        (Range("", "25.0.13"), Range("26.0.0-alpha", "28.0.0")),
        _firewalld_and_networks,
        "a reload of firewalld takes the walls between networks away",
        ADVISORY.format("GHSA-4vq8-7jfc-9cvp"),
    ),
    Gate(
        "CVE-2023-28841",
        (Range("1.12.0", "20.10.24"), Range("23.0.0", "23.0.3")),
        _encrypted,
        "an encrypted overlay may send what it carries in the clear, and take what nobody signed",
        ADVISORY.format("GHSA-33pg-m6jh-5237"),
    ),
    Gate(
        "CVE-2020-13401",
        (Range("", "19.03.11"),),
        _on_bridges,
        "a container may tell the host where IPv6 goes, with router advertisements of its own",
        "https://nvd.nist.gov/vuln/detail/CVE-2020-13401",
    ),
)
"""The worst first."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of the daemon that takes walls away, whatever the version; `when` returns its evidence."""

    what: str
    when: Callable[[MachineFacts], str]
    sentence: str
    source: str


def _told(name: str, value: str) -> Callable[[MachineFacts], str]:
    return lambda machine: f"its daemon was told {name}={value}" if machine.flag(name) == value else ""


PACKETS: Final = "https://docs.docker.com/engine/network/packet-filtering-firewalls/"
PUBLISHING: Final = "https://docs.docker.com/engine/network/port-publishing/"
SETTINGS: Final = (
    Setting("no-rules", _told("iptables", OFF), "makes no IPv4 rules: every wall is the host's", PACKETS),
    Setting("no-rules-ipv6", _told("ip6tables", OFF), "makes no IPv6 rules: every wall is the host's", PACKETS),
    Setting(
        "direct-routing",
        _told("allow-direct-routing", "true"),
        "lets other machines reach published ports at the containers' own addresses",
        PUBLISHING,
    ),
    Setting(
        "no-raw-rules",
        lambda machine: "DOCKER_INSECURE_NO_IPTABLES_RAW=1 is set" if machine.raw_rules is False else "",
        "does not keep other machines from the containers' own addresses",
        PUBLISHING,
    ),
)


def findings(situation: Situation) -> list[Finding]:
    """Return the holes that the engine's version has and that matter here, then what it was told to leave open."""
    settings = [
        Finding(setting.what, ENGINE, setting.sentence, evidence, setting.source)
        for setting in SETTINGS
        if (evidence := setting.when(situation.machine))
    ]
    return ([*_holes(situation)] if situation.facts.engine.name == DOCKER else []) + settings


def _holes(situation: Situation) -> list[Finding]:
    if version(situation.facts.engine.version) is None:
        told = f'its version reads "{situation.facts.engine.version}"'
        return [Finding("version", ENGINE, "may have any known hole: its version says nothing", told, PACKETS)]
    found = []
    for gate in GATES:
        number = version(gate.of(situation))
        why = gate.when(situation)
        if number and why and any(part.holds(number) for part in gate.affected):
            evidence = f"version {gate.of(situation)}; {why}"
            found.append(Finding(gate.what, ENGINE, gate.sentence + UNLESS, evidence, gate.source))
    return found
