"""The Compose file of a rehearsal: the networks of a project, and an idle container for every service.

Rule: what decides who reaches whom is kept, and nothing else. Of the file's own images, commands,
volumes, secrets and variables nothing is left, so nothing of them can run. Where a thing cannot be
had twice on one machine (a name, a port, a subnet, somebody else's network), something of the
rehearsal's own stands in for it, and a note says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, Final

from cloison.compose.policy import FLOW_PATTERN
from cloison.compose.project import POLICY_KEY
from cloison.engine.labels import REHEARSAL_LABEL
from cloison.model.facts import NetworkFacts
from cloison.model.flow import EVERY_ADDRESS

BRIDGE: Final = "bridge"
BRIDGE_NAME: Final = "com.docker.network.bridge.name"
STATIC: Final = {4: "ipv4_address", 6: "ipv6_address"}
ATTACHMENT_KEYS: Final = ("aliases", "ipv4_address", "ipv6_address", "priority", "gw_priority")
"""What is kept of a service's seat on a network."""
NETWORK_KEYS: Final = ("internal", "enable_ipv4", "enable_ipv6")
NET_SYSCTL_PREFIX: Final = "net."
Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class HostEnvironment:
    """What the machine has: subnets in use, the host's addresses, and the engine's networks by name."""

    subnets: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    resolver: str = ""
    """The name server that the containers are given, the outside's; empty for the engine's choice."""
    networks: Mapping[str, NetworkFacts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A document for Compose, and what must be said about it. `left_out` is (what, why)."""

    name: str
    document: Body
    notes: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Report:
    notes: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    renumbered: dict[str, set[int]] = field(default_factory=dict)
    """By the key of a network: the versions of IP of which it lost a subnet."""


def rehearsal(document: Body, name: str, image: str, environment: HostEnvironment) -> Rehearsal:
    """Turn the resolved document of a project into that of its rehearsal, called `name`, on containers of `image`."""
    report = _Report([_headline(document["name"])])
    excluded = _excluded_services(document["services"])
    services = {key: body for key, body in document["services"].items() if key not in excluded}
    used = {network for body in services.values() for network in body.get("networks") or {}}
    networks = {
        key: _network(key, body or {}, environment, report if key in used else _Report())
        | {"name": f"{name}_{key}", "labels": {REHEARSAL_LABEL: name}}
        for key, body in (document.get("networks") or {}).items()
    }
    stand_in = {
        key: _service(key, body, environment, report) | {"image": image, "labels": {REHEARSAL_LABEL: name}}
        for key, body in services.items()
    }
    report.left_out += [(f"service {key}", why) for key, why in excluded.items()]
    generated = {"name": name, "services": stand_in, "networks": networks}
    if POLICY_KEY in document:
        generated[POLICY_KEY] = _policy(document[POLICY_KEY], excluded, report)
    return Rehearsal(name, generated, tuple(report.notes), tuple(report.left_out))


def _headline(project: str) -> str:
    return (
        f"a rehearsal of {project}: an idle container stood in for every service and listened on the ports that the "
        "file or the policy names; what else an image listens on shows only when it runs"
    )


def _excluded_services(services: Mapping[str, Body]) -> dict[str, str]:
    """Return the services that live in the namespace of a container of somebody else's, and why they are left out."""
    why = "it lives in the namespace of {}, which is no part of the file"
    found: dict[str, str] = {}
    for _ in services:  # a circle has been refused before, so no chain is longer
        for key, body in services.items():
            mode, _, owner = (body.get("network_mode") or "").partition(":")
            if mode == "container":
                found[key] = why.format(f"container {owner}")
            elif mode == "service" and owner in found:
                found[key] = found[owner]
    return found


def _network(key: str, body: Body, environment: HostEnvironment, report: _Report) -> dict[str, Any]:
    if body.get("external"):
        return _external_network(key, body.get("name") or key, environment, report)
    driver = body.get("driver") or BRIDGE
    kept = {member: body[member] for member in NETWORK_KEYS if body.get(member) is not None}
    if driver != BRIDGE:
        report.renumbered[key] = {4, 6}
        report.left_out.append((f"network {key}", f"a bridge stood in for the driver {driver}, whose walls are others"))
        return {member: value for member, value in kept.items() if member == "internal"}
    pools = _subnets(key, body.get("ipam") or {}, environment, report)
    if 6 in report.renumbered.get(key, ()):  # noqa: PLR2004  # the version of IP
        kept.pop("enable_ipv6", None)  # engines before 27 cannot choose an IPv6 subnet themselves
    return kept | {"driver_opts": _options(body.get("driver_opts") or {}), **pools}


def _external_network(key: str, name: str, environment: HostEnvironment, report: _Report) -> dict[str, Any]:
    """Return a fresh network like the one that others lend: the strangers on it cannot be rehearsed."""
    original = environment.networks.get(name)
    what = "internal " if original and original.internal else ""
    report.renumbered[key] = {4, 6}
    report.notes.append(
        f"network {key} is external: a fresh {what}network stood in for {name}, "
        "and the containers of others on it were not there"
    )
    if original is None or original.driver != BRIDGE:
        return {}
    return {"internal": original.internal, "driver_opts": _options(dict(original.options))}


def _options(options: Body) -> dict[str, str]:
    return {option: str(value) for option, value in options.items() if option != BRIDGE_NAME}


def _subnets(key: str, ipam: Body, environment: HostEnvironment, report: _Report) -> dict[str, Any]:
    """Return what stays of a network's subnets: the engine chooses another for one that is in use."""
    free = []
    for pool in ipam.get("config") or ():
        in_use = _overlapping(pool.get("subnet") or "", environment.subnets)
        if in_use:
            report.renumbered.setdefault(key, set()).add(ip_network(in_use).version)
            report.notes.append(
                f"network {key}: {pool['subnet']} is in use here ({in_use}), so another subnet stood in"
            )
        else:
            free.append(pool)
    return {"ipam": {**ipam, "config": free}} if free else {}


def _overlapping(subnet: str, in_use: Iterable[str]) -> str:
    """Return the subnet in use that `subnet` overlaps, empty when it is free, or no subnet at all."""
    try:
        wanted = ip_network(subnet, strict=False)
    except ValueError:
        return ""  # the engine will say so
    networks = (ip_network(text, strict=False) for text in in_use)
    return next((str(n) for n in networks if n.version == wanted.version and n.overlaps(wanted)), "")


def _service(key: str, body: Body, environment: HostEnvironment, report: _Report) -> dict[str, Any]:
    # The idle program ignores every signal, as the first process of a container does; Podman would wait ten seconds.
    stand_in: dict[str, Any] = {"pull_policy": "never", "restart": "no", "cap_drop": ["ALL"], "stop_signal": "SIGKILL"}
    for member in ("network_mode", "expose", "scale"):
        if body.get(member) is not None:
            stand_in[member] = body[member]
    if "network_mode" not in stand_in:
        stand_in["networks"] = {
            network: _attachment(network, attachment, report)
            for network, attachment in (body.get("networks") or {}).items()
        }
    if environment.resolver and stand_in.get("network_mode", BRIDGE) == BRIDGE:
        stand_in["dns"] = [environment.resolver]
    if (replicas := (body.get("deploy") or {}).get("replicas")) is not None:
        stand_in["deploy"] = {"replicas": replicas}
    if ports := _ports(key, body.get("ports") or (), environment, report):
        stand_in["ports"] = ports
    settings = body.get("sysctls") or {}
    if kept := {name: settings[name] for name in settings if name.startswith(NET_SYSCTL_PREFIX)}:
        stand_in["sysctls"] = kept
    return stand_in


def _attachment(network: str, attachment: Body | None, report: _Report) -> dict[str, Any] | None:
    lost = {STATIC[version] for version in report.renumbered.get(network, ())}
    return (
        {member: attachment[member] for member in ATTACHMENT_KEYS if member in attachment and member not in lost}
        if attachment
        else None
    )


def _ports(key: str, ports: Iterable[Body], environment: HostEnvironment, report: _Report) -> list[dict[str, Any]]:
    """Return the published ports with their host addresses, each on a port that the engine chooses."""
    republished: list[dict[str, Any]] = []
    for port in ports:
        published = {"target": port["target"], "protocol": port.get("protocol") or "tcp"}
        address = port.get("host_ip") or ""
        if _is_local(address, environment.addresses):
            published |= {"host_ip": address} if address else {}
        else:
            report.notes.append(
                f"{key}:{port['target']} is published on {address}, which is no address of this machine; "
                "it was published on every address instead"
            )
        if published not in republished:
            republished.append(published)
    return republished


def _is_local(address: str, addresses: Iterable[str]) -> bool:
    if address in EVERY_ADDRESS or address in addresses:
        return True
    parsed = ip_address(address)
    return parsed.is_loopback or parsed.is_unspecified


def _policy(policy: Any, excluded: Collection[str], report: _Report) -> Any:
    """Return the policy without the lines about services that are left out: they would speak about nobody."""
    if not excluded or not isinstance(policy, Mapping):
        return policy
    filtered: dict[str, Any] = {**policy}
    for key in ("allow", "tolerate"):
        if not isinstance(policy.get(key), list):
            continue
        named = [line for line in policy[key] if _mentions(line, excluded)]
        filtered[key] = [line for line in policy[key] if line not in named]
        report.notes += [
            f"{POLICY_KEY}.{key}: {_arrow(line)} was not judged, for it names a service that is left out"
            for line in named
        ]
    return filtered


def _arrow(line: Any) -> str:
    return str(line.get("flow", "") if isinstance(line, Mapping) else line)


def _mentions(line: Any, excluded: Collection[str]) -> bool:
    match = FLOW_PATTERN.match(_arrow(line))
    return match is not None and any(match[end] in excluded for end in ("source", "target"))
