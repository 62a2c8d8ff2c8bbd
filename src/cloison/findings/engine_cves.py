"""Known vulnerabilities and unsafe settings of container engines, and the conditions under which they apply.

Input: the engine's facts, the host's facts and the project's name. Output: `Risk` values, the worst first.
Rule: each vulnerability is a row of `VULNERABILITIES`. A distribution may backport a fix without changing the
version number, so a sentence claims only that this version is affected.
Source: https://github.com/moby/moby/security/advisories; other rows name their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from packaging.version import Version

from cloison.findings.container_risks import Risk
from cloison.findings.host_facts import OFF, DaemonFacts, HostFacts
from cloison.model.facts import Container, Facts
from cloison.model.flow import HOST
from cloison.model.version import parse_version

ENGINE: Final = "engine"
"""The place of a risk of the engine itself."""
UNLESS_BACKPORTED: Final = ", unless its distribution backported the fix"


@dataclass(frozen=True, slots=True)
class VersionRange:
    """The versions from `first` (inclusive) to `fixed` (exclusive); an empty string means no bound."""

    first: str
    fixed: str

    def contains(self, found: Version) -> bool:
        """Whether a version lies in the range."""
        first, fixed = parse_version(self.first), parse_version(self.fixed)
        return (first is None or first <= found) and (fixed is None or found < fixed)


@dataclass(frozen=True, slots=True)
class EngineContext:
    """The facts that decide whether a vulnerability applies; `project` is the project's name."""

    facts: Facts
    host: HostFacts
    daemon: DaemonFacts
    project: str

    @property
    def containers(self) -> list[Container]:
        """The project's running containers."""
        return [c for c in self.facts.containers if c.pid and c.project == self.project]


Condition = Callable[[EngineContext], str]
"""Returns the evidence that the vulnerability applies here, empty when it does not."""


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """A known vulnerability: `affected_version` returns the version to compare, `evidence_of` why it applies here."""

    what: str
    affected: Sequence[VersionRange]
    evidence_of: Condition
    sentence: str
    source: str
    affected_version: Callable[[EngineContext], str] = lambda context: context.facts.engine.version


def _internal(context: EngineContext) -> str:
    attached_networks = {attachment.network for c in context.containers for attachment in c.attachments}
    names = sorted(n.name for n in context.facts.networks if n.internal and n.name in attached_networks)
    resolvers = context.host.resolvers
    on_loopback = [address for address in resolvers or () if _is_loopback(address)]
    if not names or (resolvers is not None and not on_loopback):
        return ""
    asked = f"the host's resolver is {', '.join(on_loopback)}" if on_loopback else "the host's resolvers are unreadable"
    return f"{', '.join(names)} is internal, and {asked}"


def _loopback_published_ports(context: EngineContext) -> str:
    published = sorted(
        f"{published_port.host_address}:{published_port.host_port} of {container.name}"
        for container in context.containers
        for published_port in container.published_ports
        if _is_loopback(published_port.host_address)
    )
    return f"published: {', '.join(published)}" if published else ""


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _firewalld(context: EngineContext) -> str:
    return "firewalld is running" if context.host.firewalld else ""


def _firewalld_and_published_ports(context: EngineContext) -> str:
    published = any(container.published_ports for container in context.containers)
    return "firewalld is running, and ports are published" if context.host.firewalld and published else ""


def _firewalld_and_networks(context: EngineContext) -> str:
    ordinary = sorted(n.name for n in context.facts.networks if n.driver == "bridge" and not n.internal)
    runs = _firewalld(context)
    return f"{runs}, and {', '.join(ordinary)} is not internal" if runs and ordinary else ""


def _encrypted(context: EngineContext) -> str:
    names = sorted(n.name for n in context.facts.networks if n.driver == "overlay" and "encrypted" in dict(n.options))
    return f"{', '.join(names)} is an encrypted overlay network" if names else ""


def _host_mode(context: EngineContext) -> str:
    names = sorted(c.name for c in context.containers if c.network_mode == HOST)
    return f"{', '.join(names)} uses the host's network namespace" if names else ""


def _without_ipv6(context: EngineContext) -> str:
    """Return the networks without IPv6 whose interfaces the engine leaves with a link-local address."""
    attached = {attachment.network for c in context.containers for attachment in c.attachments}
    names = sorted(
        n.name for n in context.facts.networks if n.name in attached and not any(":" in subnet for subnet in n.subnets)
    )
    return f"{', '.join(names)} has no IPv6" if names else ""


def _on_bridges(context: EngineContext) -> str:
    return "containers are attached to bridges of the host" if any(c.attachments for c in context.containers) else ""


def _desktop(context: EngineContext) -> str:
    """Return the version of Docker Desktop: `Docker Desktop 4.43.0 (198352)`."""
    name, _, number = context.facts.engine.platform.partition("Desktop ")
    return number if name == "Docker " else ""


def _is_desktop(context: EngineContext) -> str:
    return context.facts.engine.platform


ADVISORY: Final = "https://github.com/moby/moby/security/advisories/{}"
VULNERABILITIES: Final = (
    Vulnerability(
        "CVE-2025-9074",
        (VersionRange("", "4.44.3"),),
        _is_desktop,
        "lets any container reach the engine's API, which is equivalent to root on the host",
        "https://docs.docker.com/security/security-announcements/",
        _desktop,
    ),
    Vulnerability(
        "CVE-2020-15257",
        (VersionRange("", "19.03.14"),),
        _host_mode,
        "lets root in a container on the host's network start privileged containers, if containerd is as old",
        "https://github.com/containerd/containerd/security/advisories/GHSA-36xw-fx78-c5r4",
    ),
    Vulnerability(
        "CVE-2024-29018",
        (VersionRange("", "23.0.11"), VersionRange("24.0.0", "25.0.5"), VersionRange("26.0.0-alpha", "26.0.0-rc3")),
        _internal,
        "leaks data from internal networks: the host resolves the names that their containers look up",
        ADVISORY.format("GHSA-mq39-4gv4-mvpx"),
    ),
    Vulnerability(
        "loopback-published",
        (VersionRange("", "28.0.0"),),
        _loopback_published_ports,
        "exposes ports published on loopback to other machines on the host's link",
        "https://github.com/moby/moby/pull/49325",
    ),
    Vulnerability(
        "CVE-2025-54388",
        (VersionRange("28.2.0", "28.3.3"),),
        _firewalld_and_published_ports,
        "exposes ports published on loopback to other machines after firewalld reloads",
        ADVISORY.format("GHSA-x4rx-4gw3-53p4"),
    ),
    Vulnerability(
        "CVE-2025-54410",
        (VersionRange("", "25.0.13"), VersionRange("26.0.0-alpha", "28.0.0")),
        _firewalld_and_networks,
        "loses the isolation between networks when firewalld reloads",
        ADVISORY.format("GHSA-4vq8-7jfc-9cvp"),
    ),
    Vulnerability(
        "CVE-2023-28841",
        (VersionRange("1.12.0", "20.10.24"), VersionRange("23.0.0", "23.0.3")),
        _encrypted,
        "may send the traffic of an encrypted overlay network in clear text, and accept unauthenticated packets",
        ADVISORY.format("GHSA-33pg-m6jh-5237"),
    ),
    Vulnerability(
        "CVE-2024-32473",
        (VersionRange("26.0.0", "26.0.2"),),
        _without_ipv6,
        "leaves IPv6 on in networks without IPv6: members reach each other over link-local addresses without a rule",
        ADVISORY.format("GHSA-x84c-p2g9-rqv9"),
    ),
    Vulnerability(
        "CVE-2020-13401",
        (VersionRange("", "19.03.11"),),
        _on_bridges,
        "lets a container redirect the host's IPv6 traffic with its own router advertisements",
        "https://nvd.nist.gov/vuln/detail/CVE-2020-13401",
    ),
)
"""The worst first."""


@dataclass(frozen=True, slots=True)
class DaemonSetting:
    """A setting of the daemon that removes isolation in every version; `evidence_of` returns its evidence."""

    what: str
    evidence_of: Callable[[DaemonFacts], str]
    sentence: str
    source: str


def _daemon_flag(name: str, value: str) -> Callable[[DaemonFacts], str]:
    return lambda daemon: f"its daemon runs with {name}={value}" if daemon.flag(name) == value else ""


PACKETS: Final = "https://docs.docker.com/engine/network/packet-filtering-firewalls/"
PUBLISHING: Final = "https://docs.docker.com/engine/network/port-publishing/"
SETTINGS: Final = (
    DaemonSetting("no-rules", _daemon_flag("iptables", OFF), "sets no IPv4 rules: only the host filters", PACKETS),
    DaemonSetting(
        "no-rules-ipv6", _daemon_flag("ip6tables", OFF), "sets no IPv6 rules: only the host filters", PACKETS
    ),
    DaemonSetting(
        "direct-routing",
        _daemon_flag("allow-direct-routing", "true"),
        "lets other machines reach published ports at the containers' own addresses",
        PUBLISHING,
    ),
    DaemonSetting(
        "no-raw-rules",
        lambda daemon: "DOCKER_INSECURE_NO_IPTABLES_RAW=1 is set" if daemon.raw_table_allowed is False else "",
        "does not block other machines from the containers' own addresses",
        PUBLISHING,
    ),
)


def risks(context: EngineContext, vulnerabilities: Sequence[Vulnerability] = VULNERABILITIES) -> list[Risk]:
    """Return the `vulnerabilities` of the engine's version that apply here, then the unsafe settings of the daemon."""
    settings = [
        Risk(setting.what, ENGINE, setting.sentence, evidence, setting.source)
        for setting in SETTINGS
        if (evidence := setting.evidence_of(context.daemon))
    ]
    return [*_affecting(context, vulnerabilities), *settings]


def _affecting(context: EngineContext, vulnerabilities: Sequence[Vulnerability]) -> list[Risk]:
    if vulnerabilities and parse_version(context.facts.engine.version) is None:
        version_evidence = f'its version reads "{context.facts.engine.version}"'
        return [
            Risk(
                "version",
                ENGINE,
                "may have any known vulnerability: its version cannot be parsed",
                version_evidence,
                PACKETS,
            )
        ]
    found = []
    for vulnerability in vulnerabilities:
        number = parse_version(vulnerability.affected_version(context))
        why = vulnerability.evidence_of(context)
        if number and why and any(part.contains(number) for part in vulnerability.affected):
            evidence = f"version {vulnerability.affected_version(context)}; {why}"
            found.append(
                Risk(
                    vulnerability.what,
                    ENGINE,
                    vulnerability.sentence + UNLESS_BACKPORTED,
                    evidence,
                    vulnerability.source,
                )
            )
    return found
