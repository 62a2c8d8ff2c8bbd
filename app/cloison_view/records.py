"""Reads the flows of a proof or of a plan, whether the document is JSON or the prober's own structs.

Input: a mapping with the members of the document, or an object whose attributes have the same names.
Output: `Records`: the vantages and endpoints, and every flow by its position in the document.
Rule: nothing is copied before it is asked for, so a document of a hundred thousand flows is held once. A flow of a plan
has no observation: its prediction stands for it.
Source: docs/proof.schema.json and docs/plan.schema.json.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any, Final, NamedTuple

from cloison_view.labels import HOST, OUTSIDE
from cloison_view.ports import TargetPort

BOTH_VERSIONS: Final = frozenset({4, 6})
VANTAGE_MEMBERS: Final = ("place", "container")
ENDPOINT_MEMBERS: Final = ("place", "container", "kind", "protocol", "service_port", "network", "address", "port")
STATE_MEMBERS: Final = ("vantage", "endpoint", "intended", "predicted", "observed", "judgement", "drift")
PLANNED_STATE_MEMBERS: Final = ("vantage", "endpoint", "intended", "predicted", "judgement")


class Vantage(NamedTuple):
    """Where flows start; `container` is empty for `host` and `outside`."""

    place: str
    container: str


class Endpoint(NamedTuple):
    """Where flows end; `service_port` is 0 for a canary."""

    place: str
    container: str
    kind: str
    protocol: str
    service_port: int
    network: str
    address: str
    port: int
    last_port: int = 0
    """The last service port of a range of a plan, 0 for a single port."""

    @property
    def ip_version(self) -> int:
        """The version of IP of its address."""
        return 6 if ":" in self.address else 4


class State(NamedTuple):
    """What a document says of a flow, in the words of its members."""

    intended: str
    predicted: str
    observed: str
    judgement: str
    drift: bool


@dataclass(frozen=True, slots=True)
class Records:
    """The vantages, endpoints and flows of a document."""

    vantages: tuple[Vantage, ...]
    endpoints: tuple[Endpoint, ...]
    target_ports: tuple[TargetPort, ...]
    """The port of each endpoint."""
    pairs: tuple[tuple[str, int] | None, ...]
    """The protocol and the version of IP of each endpoint; None where it has no address."""
    ip_versions: tuple[frozenset[int], ...]
    """The versions of IP in which each vantage has an address; both where none is known."""
    network_labels: Mapping[str, str]
    """The name that the file gives a network, by the engine's."""
    networks: Mapping[str, tuple[str, ...]]
    """The networks of each service of the file."""
    alike: Mapping[str, tuple[str, ...]]
    """The services for which a modelled service of a plan stands."""
    tolerations: tuple[tuple[str, str], ...]
    """What the policy tolerates, and why."""
    has_policy: bool
    flows: Sequence[Any]
    is_json: bool
    is_plan: bool

    def states(self) -> Iterable[tuple[int, int, State]]:
        """Yield the vantage, the endpoint and the state of every flow, in the document's order."""
        read = _reader(PLANNED_STATE_MEMBERS if self.is_plan else STATE_MEMBERS, is_json=self.is_json)
        if self.is_plan:
            for vantage, endpoint, intended, predicted, judgement in map(read, self.flows):
                yield vantage, endpoint, State(intended, predicted, predicted, judgement, drift=False)
        else:
            for vantage, endpoint, *words in map(read, self.flows):
                yield vantage, endpoint, State._make(words)

    def value(self, position: int, member: str) -> Any:
        """Return one member of the flow at a position."""
        flow = self.flows[position]
        return flow[member] if self.is_json else getattr(flow, member)

    def cause(self, position: int) -> str | None:
        """Return the cause of a breach: `file` or `drift`; the file's in a plan, None for another judgement."""
        if self.is_plan:
            return "file" if self.value(position, "judgement") == "breach" else None
        cause: str | None = self.value(position, "cause")
        return cause

    def outcome(self, position: int) -> str:
        """Return what the probe of a flow met, or what a plan predicts of it."""
        return str(self.value(position, "predicted" if self.is_plan else "outcome"))

    def source(self, position: int) -> Vantage:
        """Return where the flow at a position starts."""
        vantage: int = self.value(position, "vantage")
        return self.vantages[vantage]

    def target(self, position: int) -> Endpoint:
        """Return where the flow at a position ends."""
        endpoint: int = self.value(position, "endpoint")
        return self.endpoints[endpoint]

    def protocol_versions(self, positions: Iterable[int]) -> set[tuple[str, int]]:
        """Return the protocols and versions of IP of flows, without those in which their source has no address."""
        ends = map(_reader(("vantage", "endpoint"), is_json=self.is_json), (self.flows[i] for i in positions))
        return {
            pair
            for vantage, endpoint in ends
            if (pair := self.pairs[endpoint]) and pair[1] in self.ip_versions[vantage]
        }


def read_records(document: Any) -> Records:
    """Return the records of a proof or a plan: a mapping of its JSON members, or a struct."""
    is_json = isinstance(document, Mapping)
    member = _json_member if is_json else getattr
    vantages = tuple(
        map(Vantage._make, map(_reader(VANTAGE_MEMBERS, is_json=is_json), member(document, "vantages", ())))
    )
    read_end = _reader(ENDPOINT_MEMBERS, is_json=is_json)
    endpoints = tuple(
        Endpoint._make((*read_end(end), member(end, "last_port", 0))) for end in member(document, "endpoints", ())
    )
    project, policy = member(document, "project", None), member(document, "policy", None)
    return Records(
        vantages,
        endpoints,
        _target_ports(endpoints),
        tuple((end.protocol, end.ip_version) if end.address else None for end in endpoints),
        _ip_versions(vantages, endpoints),
        {
            member(part, "name", ""): member(part, "key", "")
            for part in (member(project, "networks", ()) if project else ())
        },
        {
            member(part, "name", ""): tuple(sorted(member(part, "networks", ())))
            for part in (member(project, "services", ()) if project else ())
        },
        {
            name: tuple(member(service, "service", "") for service in member(part, "services", ()))
            for part in member(document, "alike", ())
            for name in member(part, "modelled", ())
        },
        tuple(
            (member(part, "what", ""), member(part, "why", ""))
            for part in (member(policy, "tolerate", ()) if policy else ())
        ),
        policy is not None,
        member(document, "flows", ()),
        is_json=is_json,
        is_plan=member(document, "assumed", None) is not None,
    )


def _target_ports(endpoints: Iterable[Endpoint]) -> tuple[TargetPort, ...]:
    found = list(endpoints)
    numbered = {end.place for end in found if end.service_port}
    return tuple(
        TargetPort(
            end.place,
            end.protocol if end.service_port else "",
            end.service_port,
            end.place not in numbered,
            end.last_port,
        )
        for end in found
    )


def _ip_versions(vantages: Iterable[Vantage], endpoints: Iterable[Endpoint]) -> tuple[frozenset[int], ...]:
    """Return the versions of IP in which the container of each vantage has an address on a network."""
    found: dict[str, set[int]] = {}
    for end in endpoints:
        if end.container and end.network and end.address:
            found.setdefault(end.container, set()).add(end.ip_version)
    return tuple(
        BOTH_VERSIONS if start.place in (HOST, OUTSIDE) else frozenset(found.get(start.container, BOTH_VERSIONS))
        for start in vantages
    )


def _json_member(part: Mapping[str, Any], name: str, default: Any) -> Any:
    return part.get(name, default)


def _reader(names: tuple[str, ...], *, is_json: bool) -> Callable[[Any], tuple[Any, ...]]:
    """Return a function that reads these members of a part of the document."""
    return itemgetter(*names) if is_json else attrgetter(*names)
