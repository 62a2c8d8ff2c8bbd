"""Derives the Compose document of a rehearsal: a project's networks, and an idle container for every service.

Input: the resolved document of the project, and the host's subnets, addresses and networks. Output: a `Rehearsal`.
Rule: only keys that decide which flows are open are kept. Images, commands, volumes, secrets and variables are left
out, so no program of the project can run. A resource that cannot exist twice on one machine (a name, a host port, a
subnet, an external network) is replaced, and a note says so.
Source: https://docs.docker.com/reference/compose-file/.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, Final

from cloison.compose.flow_rule import without_places
from cloison.compose.policy_key import POLICY_KEY
from cloison.engine.labels import REHEARSAL_LABEL
from cloison.model.facts import NetworkFacts
from cloison.model.flow import EVERY_ADDRESS, SERVICE_PREFIX, Protocol
from cloison.rehearse.start_order import dependencies

BRIDGE: Final = "bridge"
BRIDGE_NAME: Final = "com.docker.network.bridge.name"
STATIC: Final = {4: "ipv4_address", 6: "ipv6_address"}
ATTACHMENT_KEYS: Final = ("aliases", "ipv4_address", "ipv6_address", "priority", "gw_priority")
"""The keys of a service's network attachment that are kept."""
NETWORK_KEYS: Final = ("internal", "enable_ipv4", "enable_ipv6")
NET_SYSCTL_PREFIX: Final = "net."
Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class HostEnvironment:
    """The host's subnets in use, its addresses, and the engine's networks by name."""

    subnets: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    resolver: str = ""
    """The name server of the containers: the external host's address, or empty for the engine's choice."""
    networks: Mapping[str, NetworkFacts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A Compose document, notes about replaced parts, and parts that are left out as (part, reason)."""

    name: str
    document: Body
    notes: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Report:
    notes: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    renumbered: dict[str, set[int]] = field(default_factory=dict)
    """The IP versions for which a network lost its subnet, by the key of the network."""


def rehearsal(document: Body, name: str, image: str, environment: HostEnvironment) -> Rehearsal:
    """Return the rehearsal called `name` of a project's resolved document; its containers run `image`."""
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
    for key, waits in dependencies(services, stand_in).items():
        stand_in[key]["depends_on"] = waits
    report.left_out += [(f"service {key}", why) for key, why in excluded.items()]
    generated = {"name": name, "services": stand_in, "networks": networks}
    if POLICY_KEY in document:
        generated[POLICY_KEY] = _policy(document[POLICY_KEY], excluded, report)
    return Rehearsal(name, generated, tuple(report.notes), tuple(report.left_out))


def _headline(project: str) -> str:
    return (
        f"a rehearsal of {project}: an idle container stood in for every service, with the ports that the file or the "
        "policy names; other ports of an image are known only when it runs"
    )


def _excluded_services(services: Mapping[str, Body]) -> dict[str, str]:
    """Return the services that share the namespace of a foreign container, with the reason why they are left out."""
    why = "it shares the network namespace of {}, which is not part of the file"
    found: dict[str, str] = {}
    for _ in services:  # `compose.project` has rejected circles, so no chain of services is longer
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
        report.left_out.append(
            (f"network {key}", f"a bridge stood in for the driver {driver}, which isolates in another way")
        )
        return {member: value for member, value in kept.items() if member == "internal"}
    pools = _subnets(key, body.get("ipam") or {}, environment, report)
    if 6 in report.renumbered.get(key, ()):  # noqa: PLR2004  # the version of IP
        kept.pop("enable_ipv6", None)  # engines before 27 cannot choose an IPv6 subnet themselves
    return kept | {"driver_opts": _options(body.get("driver_opts") or {}), **pools}


def _external_network(key: str, name: str, environment: HostEnvironment, report: _Report) -> dict[str, Any]:
    """Return a new network with the options of an external one; foreign containers on it are not rehearsed.

    What stands in for a network that is not there, or that is no bridge, is not what the project will have: nothing on
    it is proven.
    """
    report.renumbered[key] = {4, 6}
    original = environment.networks.get(name)
    if original is None or original.driver != BRIDGE:
        what = (
            f"this engine has no network {name}: whether it is internal, or a bridge, is not known"
            if original is None
            else f"a bridge stood in for {name}, whose driver {original.driver} isolates in another way"
        )
        report.left_out.append((f"network {key}", f"it is external, and {what}"))
        return {}
    what = "internal " if original.internal else ""
    report.notes.append(
        f"network {key} is external: a new {what}network stood in for {name}, "
        "without the foreign containers that are on it"
    )
    return {"internal": original.internal, "driver_opts": _options(dict(original.options))}


def _options(options: Body) -> dict[str, str]:
    return {option: str(value) for option, value in options.items() if option != BRIDGE_NAME}


def _subnets(key: str, ipam: Body, environment: HostEnvironment, report: _Report) -> dict[str, Any]:
    """Return the subnets of a network that are not in use; for the others the engine chooses."""
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
    """Return the subnet in use that `subnet` overlaps, empty if there is none or `subnet` is invalid."""
    try:
        wanted = ip_network(subnet, strict=False)
    except ValueError:
        return ""  # the engine reports it
    networks = (ip_network(text, strict=False) for text in in_use)
    return next((str(n) for n in networks if n.version == wanted.version and n.overlaps(wanted)), "")


def _service(key: str, body: Body, environment: HostEnvironment, report: _Report) -> dict[str, Any]:
    # Process 1 of a PID namespace ignores signals without a handler, SIGTERM too; Podman would wait ten seconds.
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
    # SCTP is not probed, and not every kernel has it: a port that is exposed only is still named as not probed.
    if unprobed := [
        f"{p['target']}/{Protocol.SCTP}" for p in body.get("ports") or () if p.get("protocol") == Protocol.SCTP
    ]:
        stand_in["expose"] = [*(body.get("expose") or ()), *unprobed]
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
    """Return the published ports with their host addresses; the engine chooses each host port."""
    republished: list[dict[str, Any]] = []
    for port in ports:
        if port.get("protocol") == Protocol.SCTP:
            continue
        published = {"target": port["target"], "protocol": port.get("protocol") or "tcp"}
        address = port.get("host_ip") or ""
        if _is_local(address, environment.addresses):
            published |= {"host_ip": address} if address else {}
        else:
            report.notes.append(
                f"{key}:{port['target']} is published on {address}, which is not an address of this machine; "
                "the rehearsal published it on every address"
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
    """Return the policy without the services that are left out, and without the rules that name no other."""
    if not excluded or not isinstance(policy, Mapping):
        return policy
    filtered, names = {**policy}, {*excluded, *(SERVICE_PREFIX + name for name in excluded)}
    if isinstance(policy.get("groups"), Mapping):
        members = {
            name: [member for member in group if member not in names] if isinstance(group, list) else group
            for name, group in policy["groups"].items()
        }
        filtered["groups"] = {name: group for name, group in members.items() if group or not policy["groups"][name]}
        names |= {name for name in members if name not in filtered["groups"]}
    for key in ("allow", "tolerate"):
        if isinstance(policy.get(key), list):
            lines = [(line, _without(line, names)) for line in policy[key]]
            filtered[key] = [kept for _, kept in lines if kept is not None]
            report.notes += [
                f"{POLICY_KEY}.{key}: {_arrow(line)} "
                + ("was judged without the" if kept else "was not judged, because it names a")
                + f" service{'s that are' if kept else ' that is'} left out"
                for line, kept in lines
                if kept != line
            ]
    return filtered


def _arrow(line: Any) -> Any:
    return line.get("flow") if isinstance(line, Mapping) else line


def _without(line: Any, names: Collection[str]) -> Any:
    """Return an entry without these names, None where it names no other."""
    text = _arrow(line)
    if not isinstance(text, str) or (kept := without_places(text, names)) == text:
        return line
    if not kept:
        return None
    return {**line, "flow": kept} if isinstance(line, Mapping) else kept
