"""What a policy opens on the bridges of a project: one `Opening` for each pair of ends and each port.

Input: the policy and the layout. Output: the openings, with the rule of the policy that each comes from.
Rule: only `allow`, and tolerations with `keep: true`, open anything. A toleration without it says what is accepted
while nothing can close it, and enforcement can.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cloison.compose.flow_rule import PolicyRule
from cloison.compose.policy import Policy, Toleration
from cloison.compose.project import Project
from cloison.enforce.layout import BridgePort, Layout
from cloison.model.flow import HOST, OUTSIDE

EVERY_PROTOCOL: Final = ""


class Way(StrEnum):
    """Between which ends packets go; on each side of the bridge another hook of the kernel sees them."""

    BETWEEN = "between"
    INBOUND = "inbound"
    OUTBOUND = "outbound"
    TO_HOST = "to host"
    FROM_HOST = "from host"


@dataclass(frozen=True, slots=True)
class Opening:
    """A connection that may begin. `source` and `target` are None for the host and the outside; see `way`."""

    way: Way
    source: BridgePort | None
    target: BridgePort | None
    protocol: str
    """tcp, udp or sctp; empty for every protocol and port."""
    port: int
    last_port: int
    """The last port of a range, 0 for a single port."""
    reason: str
    """The position and the text of the rule, such as `x-cloison.allow[0]: app -> db:3306`."""

    @property
    def is_range(self) -> bool:
        """Whether it is about several ports, and not about all."""
        return bool(self.last_port)


def openings(project: Project, policy: Policy, layout: Layout) -> list[Opening]:
    """Return the openings, in the order of the policy; the first of several that are equal stays."""
    found = [opening for rule in policy.allow for opening in _of_rule(rule, layout)]
    for toleration in policy.tolerate:
        if toleration.keep:
            found += _of_toleration(project, toleration, layout)
    unique = {(o.way, o.source, o.target, o.protocol, o.port, o.last_port): o for o in reversed(found)}
    return list(reversed(unique.values()))


def _of_toleration(project: Project, toleration: Toleration, layout: Layout) -> Iterator[Opening]:
    if toleration.rule:
        yield from _of_rule(toleration.rule, layout)
        return
    name = project.networks[toleration.network].name
    members = [port for port in layout.ports if layout.network(port.bridge) == name]
    reason = f"{toleration.where}: {toleration.text}"
    for source in members:
        for target in members:
            if source.container != target.container:
                yield Opening(Way.BETWEEN, source, target, EVERY_PROTOCOL, 0, 0, reason)


def _of_rule(rule: PolicyRule, layout: Layout) -> Iterator[Opening]:
    for source in _ends(rule.source, layout):
        for target in _ends(rule.target, layout):
            way = _way(source, target)
            if way and not _is_within(source, target) and _is_via(rule, source, layout):
                protocol = EVERY_PROTOCOL if rule.port is None else rule.protocol.value
                yield Opening(
                    way,
                    source if isinstance(source, BridgePort) else None,
                    target if isinstance(target, BridgePort) else None,
                    protocol,
                    rule.port or 0,
                    rule.last_port,
                    f"{rule.where}: {rule.text}",
                )


def _ends(place: str, layout: Layout) -> Iterable[BridgePort | str]:
    """Return the ports of a place, or the word for the host or the outside."""
    if place in (HOST, OUTSIDE):
        return (place,)
    if place in layout.host_services:
        return (HOST,)
    return [port for port in layout.ports if port.is_at(place)]


def _way(source: BridgePort | str, target: BridgePort | str) -> Way | None:
    """Return how packets go from one end to the other, None where no bridge of the project carries them."""
    if isinstance(source, BridgePort):
        if isinstance(target, BridgePort):
            return Way.BETWEEN
        return Way.OUTBOUND if target == OUTSIDE else Way.TO_HOST
    if isinstance(target, BridgePort):
        return Way.INBOUND if source == OUTSIDE else Way.FROM_HOST
    return None


def _is_within(source: BridgePort | str, target: BridgePort | str) -> bool:
    """Whether both ends are ports of one container."""
    both = isinstance(source, BridgePort) and isinstance(target, BridgePort)
    return both and source.container == target.container  # type: ignore[union-attr]


def _is_via(rule: PolicyRule, source: BridgePort | str, layout: Layout) -> bool:
    """Whether a rule's network, if it demands one, is that of the port."""
    return not rule.via or (isinstance(source, BridgePort) and layout.network(source.bridge) == rule.via)
