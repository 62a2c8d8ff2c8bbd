"""The rules of whalewall as needs: the labels `whalewall.enabled` and `whalewall.rules` of services.

Input: a project, and the resolved document that it was made from. Output: `Imported`.
Rule: whalewall closes a service with `whalewall.enabled` but for its own rules and the `output` rules of others that
name it; it says nothing about a service without.
Source: https://github.com/capnspacehook/whalewall/blob/main/README.md, read at 027e448; later releases call `ip` and
`port` `ips` and `dst_ports`, and `allowed` `allow`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final

from cloison.compose.project import Project
from cloison.draft.declared_needs import is_loopback
from cloison.draft.imported import Imported, service_of
from cloison.draft.need import Need
from cloison.errors import FileError
from cloison.model.flow import HOST, OUTSIDE, Protocol, service_place
from cloison.model.text import printable_line

ENABLED: Final = "whalewall.enabled"
RULES: Final = "whalewall.rules"
PROTOCOLS: Final = {"tcp": Protocol.TCP, "udp": Protocol.UDP}
DNS_PORT: Final = 53
PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
ANY_CLIENT: Final = "{origin}: whalewall lets {addresses} in; a policy cannot limit the outside by address"
ANY_TARGET: Final = (
    "{origin}: whalewall allows {what}; a policy has no addresses and ports of the outside, so all are allowed"
)
PRIVATE: Final = (
    "{origin}: {address} is a private address, which a policy cannot name; allow a service, host or outside"
)
NAMES: Final = "{origin}: port 53 is left out, because the engine's own server answers questions about names"
NO_CONTAINER: Final = '{origin}: the file has no service or container "{name}"'
NO_PORT: Final = "{origin}: it has no protocol and port that a policy could name"
NO_COUNTERPART: Final = "{origin}: logging, chains and queues have no counterpart"


def imported(project: Project, document: Mapping[str, Any]) -> Imported:
    """Return what the labels of a project say.

    Raises FileError for a label that is not what whalewall reads.
    """
    found = _Reader(project, document)
    for key, body in sorted(document["services"].items()):
        labels = body.get("labels") or {}
        if str(labels.get(ENABLED, "")).lower() == "true":
            found.services.add(service_place(key))
            origin = f"services.{key}.labels.{RULES}"
            found.read(service_place(key), _rules(labels.get(RULES), origin), origin)
    return Imported(tuple(found.needs), tuple(dict.fromkeys(found.sentences)), frozenset(found.services))


def _rules(text: Any, origin: str) -> Mapping[str, Any]:
    from ruamel.yaml import YAML  # noqa: PLC0415  # slow, and only this import needs it
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    try:
        found = YAML(typ="safe", pure=True).load(str(text or ""))
    except (YAMLError, ValueError, RecursionError) as error:
        raise FileError(f"{origin}: this is no YAML: {printable_line(str(error))}") from error
    if not isinstance(found or {}, Mapping):
        raise FileError(f"{origin}: expected a mapping with mapped_ports and output")
    return found or {}


@dataclass
class _Reader:
    """Collects the needs and the sentences of one project."""

    project: Project
    document: Mapping[str, Any]
    needs: list[Need] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    services: set[str] = field(default_factory=set)

    def read(self, place: str, rules: Mapping[str, Any], origin: str) -> None:
        """Add the rules of one service."""
        mapped = _mapping(rules.get("mapped_ports"), f"{origin}.mapped_ports")
        for name, source in (("external", OUTSIDE), ("localhost", HOST)):
            where = f"{origin}.mapped_ports.{name}"
            body = _mapping(mapped.get(name), where)
            self._say_what_is_lost(body, where)
            if body.get("allow") or body.get("allowed"):
                self._mapped(place, source, body, where)
        output = rules.get("output") or []
        if not isinstance(output, list):
            raise FileError(f"{origin}.output: expected a list of rules")
        for number, entry in enumerate(output):
            where = f"{origin}.output[{number}]"
            body = _mapping(entry, where)
            self._say_what_is_lost(body, where)
            self._output(place, body, where)

    def _say_what_is_lost(self, body: Mapping[str, Any], where: str) -> None:
        if body.get("log_prefix") or body.get("verdict"):
            self.sentences.append(NO_COUNTERPART.format(origin=where))

    def _mapped(self, place: str, source: str, body: Mapping[str, Any], where: str) -> None:
        for port in self.project.services[place].ports:
            if source == HOST or not is_loopback(port):
                self.needs.append(Need(source, place, Protocol(port.protocol), port.target, origin=where))
        if addresses := _listed(body, "ip", "ips"):
            self.sentences.append(ANY_CLIENT.format(origin=where, addresses=", ".join(addresses)))

    def _output(self, place: str, body: Mapping[str, Any], where: str) -> None:
        protocol = PROTOCOLS.get(str(body.get("proto", "")))
        ports = [int(text) for text in _listed(body, "port", "dst_ports") if PORT.fullmatch(text)]
        if protocol is None or not ports:
            self.sentences.append(NO_PORT.format(origin=where))
        elif name := body.get("container"):
            target = service_of(self.project, self.document, str(name))
            if target:
                self.needs += [Need(place, target, protocol, port, origin=where) for port in ports]
            else:
                self.sentences.append(NO_CONTAINER.format(origin=where, name=name))
        elif ports == [DNS_PORT]:
            self.sentences.append(NAMES.format(origin=where))
        else:
            self._to_outside(place, body, where, f"{protocol} to port {', '.join(map(str, ports))}")

    def _to_outside(self, place: str, body: Mapping[str, Any], where: str, what: str) -> None:
        addresses = _listed(body, "ip", "ips")
        private = [address for address in addresses if _is_private(address)]
        self.sentences += [PRIVATE.format(origin=where, address=address) for address in private]
        public = [address for address in addresses if address not in private]
        if public or not addresses:
            of = f" of {', '.join(public)}" if public else ""
            self.needs.append(Need(place, OUTSIDE, origin=where))
            self.sentences.append(ANY_TARGET.format(origin=where, what=what + of))


def _mapping(body: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(body or {}, Mapping):
        raise FileError(f"{where}: expected a mapping")
    return body or {}


def _listed(body: Mapping[str, Any], one: str, many: str) -> list[str]:
    """Return the texts of a member, which is one value or has a list beside it."""
    values = body.get(many) or body.get(one) or []
    return [str(value) for value in (values if isinstance(values, list) else [values])]


def _is_private(text: str) -> bool:
    """Whether an address, or the first one of a network or a range, is private."""
    first = text.partition("/")[0].partition("-")[0].strip()
    try:
        return ip_address(first).is_private
    except ValueError:
        return False
