"""A change of networks as a Compose file that overrides the project's own: `-f compose.yaml -f proposal.yml`.

Input: a `Project`, and the same with other networks and tolerations. Output: YAML.
Rule: Compose adds the lists and mappings of a second file to those of the first, so `!override` replaces what changes
and `!reset` removes it. Both need Compose 2.24.4 or later.
Source: https://docs.docker.com/reference/compose-file/merge/
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final

from cloison.compose.policy_key import POLICY_KEY
from cloison.compose.project import Port, Project
from cloison.model.flow import SERVICE_PREFIX
from cloison.plan.port_ranges import published_ranges
from cloison.plan.tolerations import TolerationEntry, kept_tolerations

PLAIN_SCALAR: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
YAML_KEYWORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
"""Plain scalars that YAML does not read as strings: https://yaml.org/type/bool.html"""
PLAIN_TEXT: Final = re.compile(r"[A-Za-z][A-Za-z0-9 ,>/._-]*(:[0-9][0-9/a-z-]*)?")
"""Texts with blanks that YAML reads as they are: a colon stands before a port only."""
RESET: Final = "!reset null"


def override_file(before: Project, after: Project) -> str:
    """Return the file that turns one project into the other."""
    lines = [*_section("services", _services(before, after)), *_section("networks", _networks(before, after))]
    held = (before.policy or {}).get("tolerate") or []
    if (entries := kept_tolerations(after)) != held:
        lines += [f"{POLICY_KEY}:", *_tolerations(entries)]
    return "\n".join(lines) + "\n"


def _section(key: str, lines: Iterator[str]) -> list[str]:
    found = list(lines)
    return [f"{key}:", *found] if found else []


def _services(before: Project, after: Project) -> Iterator[str]:
    for name in sorted(after.services):
        lines = [*_changed_networks(before, after, name), *_changed_ports(before, after, name)]
        if lines:
            yield from (f"  {quoted(name.removeprefix(SERVICE_PREFIX))}:", *lines)


def _changed_networks(before: Project, after: Project, service: str) -> Iterator[str]:
    body, held = after.services[service], before.services[service]
    if (body.networks, body.network_mode) == (held.networks, held.network_mode):
        return
    if body.networks:
        yield f"    networks: !override {_attachments(after, service)}"
    else:
        yield f"    networks: {RESET}"
        yield "    network_mode: none"


def _changed_ports(before: Project, after: Project, service: str) -> Iterator[str]:
    ports = after.services[service].ports
    if ports != before.services[service].ports:
        yield "    ports: !override"
        yield from (f"      - {json.dumps(_port_text(*ends))}" for ends in published_ranges(ports))


def _port_text(port: Port, last: int) -> str:
    """Return a port, or those from it to `last`, in the short syntax of Compose."""
    host, target = (
        f"{first}-{first + last - port.target}" if last else first for first in (port.host_port, port.target)
    )
    address = f"[{port.host_address}]" if ":" in port.host_address else port.host_address
    return f"{address}{':' if address else ''}{host}:{target}/{port.protocol}"


def _attachments(after: Project, service: str) -> str:
    """Return the networks of a service, with the aliases and other settings of the attachments that remain."""
    body = after.services[service]
    keys = sorted(key for key, network in after.networks.items() if network.name in body.networks)
    held = {key: body.attachment_settings.get(after.networks[key].name, {}) for key in keys}
    return json.dumps(held) if any(held.values()) else f"[{', '.join(map(quoted, keys))}]"


def _networks(before: Project, after: Project) -> Iterator[str]:
    for key, network in sorted(after.networks.items()):
        held = before.networks.get(key)
        properties = {"internal": held.internal, "enable_ipv6": held.ipv6} if held else {"enable_ipv6": False}
        changed = {"internal": network.internal, "enable_ipv6": network.ipv6}
        lines = [f"    {name}: {_boolean(value)}" for name, value in changed.items() if properties.get(name) != value]
        if lines:
            yield from (f"  {quoted(key)}:", *lines)
    for key in sorted({*before.networks} - {*after.networks}):
        yield f"  {quoted(key)}: {RESET}"


def _boolean(value: bool) -> str:  # noqa: FBT001  # it is the value
    return "true" if value else "false"


def _tolerations(entries: Sequence[TolerationEntry]) -> Iterator[str]:
    yield f"  tolerate: !override{'' if entries else ' []'}"
    for entry in entries:
        yield from _entry(entry)


def _entry(entry: TolerationEntry) -> Iterator[str]:
    for i, (key, text) in enumerate(entry.items()):
        yield f"    {'- ' if i == 0 else '  '}{key}: {_scalar(text)}"


def _scalar(text: str | bool) -> str:  # noqa: FBT001  # it is the value
    """Return a value as YAML: a plain text, if it is one of the words that this program writes, else as JSON."""
    if isinstance(text, bool):
        return _boolean(text)
    is_plain = PLAIN_TEXT.fullmatch(text) and text.lower() not in YAML_KEYWORDS
    return text if is_plain else json.dumps(text)


def quoted(name: str) -> str:
    """Return a key or a name as YAML."""
    return name if PLAIN_SCALAR.fullmatch(name) and name.lower() not in YAML_KEYWORDS else json.dumps(name)
