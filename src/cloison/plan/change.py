"""Changes of a project, its policy or its engine that close or open a flow, as values that can be applied and judged.

Input: a `Situation`. Output: the `Situation` with the change; the sentence that tells a reader to make it.
Rule: a change only rewrites its input. `plan.advice` decides whether it is worth printing, by judging its result.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from cloison.compose.project import Network, Port, Project, Service
from cloison.model import flow as model_flow
from cloison.model.text import joined
from cloison.plan.synthetic_facts import Assumptions
from cloison.plan.tolerations import TolerationEntry, kept_tolerations, with_tolerations

LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True)
class Situation:
    """A project with its policy, and the engine that is assumed."""

    project: Project
    assumed: Assumptions


class Change(Protocol):
    """A change and its sentence, an imperative without a full stop."""

    @property
    def sentence(self) -> str:
        """What to do."""
        ...

    def applied(self, situation: Situation) -> Situation:
        """Return the situation with the change."""
        ...


def _with_services(situation: Situation, names: Iterable[str], edit: Callable[[Service], Service]) -> Situation:
    project = situation.project
    services = {**project.services, **{name: edit(project.services[name]) for name in names}}
    return replace(situation, project=replace(project, services=services))


def _with_network(situation: Situation, network: Network) -> Situation:
    networks = {**situation.project.networks, network.key: network}
    return replace(situation, project=replace(situation.project, networks=networks))


def new_key(project: Project, members: Sequence[str], suffix: str = "") -> str:
    """Return a key for a new network that the file does not have."""
    plain = "-".join(members) + suffix
    names = (plain, *(f"{plain}-{number}" for number in range(2, len(project.networks) + 3)))
    return next(name for name in names if name not in project.networks)


@dataclass(frozen=True, slots=True)
class MakeInternal:
    """Make networks internal, by their keys."""

    keys: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What to do."""
        return f"make {joined(self.keys)} `internal: true`"

    def applied(self, situation: Situation) -> Situation:
        """Return the situation with the change."""
        for key in self.keys:
            situation = _with_network(situation, replace(situation.project.networks[key], internal=True))
        return situation


@dataclass(frozen=True, slots=True)
class AddNetwork:
    """Attach services to a new network of their own."""

    key: str
    members: tuple[str, ...]
    internal: bool

    @property
    def sentence(self) -> str:
        """What to do."""
        kind = "an internal network" if self.internal else "a network"
        their = "their" if len(self.members) > 1 else "its"
        return f"give {joined(self.members)} {kind} of {their} own (`{self.key}`)"

    def applied(self, situation: Situation) -> Situation:
        """Return the situation with the change."""
        name = f"{situation.project.name}_{self.key}"
        situation = _with_network(situation, Network(self.key, name, internal=self.internal))
        return _with_services(
            situation, self.members, lambda body: replace(body, networks=tuple(sorted((*body.networks, name))))
        )


@dataclass(frozen=True, slots=True)
class Leave:
    """Remove a service from networks, by their keys."""

    service: str
    keys: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What to do."""
        return f"remove {joined(self.keys)} from `networks` of {self.service}"

    def applied(self, situation: Situation) -> Situation:
        """Return the situation with the change; a service without a network has `network_mode: none`."""
        left = {situation.project.networks[key].name for key in self.keys}

        def edit(body: Service) -> Service:
            networks = tuple(name for name in body.networks if name not in left)
            return replace(body, networks=networks, network_mode="" if networks else "none")

        return _with_services(situation, [self.service], edit)


@dataclass(frozen=True, slots=True)
class MovePort:
    """Publish a port, or those from it to `last`, on loopback only, or, with an empty address, not at all."""

    service: str
    target: int
    protocol: str
    address: str = ""
    last: int = 0

    @property
    def sentence(self) -> str:
        """What to do."""
        ports = f"ports {self.target}-{self.last}" if self.last else f"port {self.target}"
        port = f"{ports}{'' if self.protocol == 'tcp' else f'/{self.protocol}'}"
        if self.address:
            return f"publish {port} of {self.service} on {self.address} only"
        return f"remove {port} from `ports` of {self.service}"

    def applied(self, situation: Situation) -> Situation:
        """Return the situation with the change."""

        def edit(body: Service) -> Service:
            moved = (self._moved(port) for port in body.ports)
            return replace(body, ports=tuple(port for port in moved if port))

        return _with_services(situation, [self.service], edit)

    def _moved(self, port: Port) -> Port | None:
        if port.protocol != self.protocol or not self.target <= port.target <= max(self.last, self.target):
            return port
        return replace(port, host_address=self.address) if self.address else None


@dataclass(frozen=True, slots=True)
class Publish:
    """Publish a port of a service under the same number."""

    service: str
    target: int
    protocol: str

    @property
    def sentence(self) -> str:
        """What to do."""
        suffix = "" if self.protocol == "tcp" else f"/{self.protocol}"
        return (
            f'publish port {self.target}{suffix} of {self.service} (`ports: ["{self.target}:{self.target}{suffix}"]`)'
        )

    def applied(self, situation: Situation) -> Situation:
        """Return the situation with the change."""
        port = Port(self.target, model_flow.Protocol(self.protocol), self.target)
        return _with_services(situation, [self.service], lambda body: replace(body, ports=(*body.ports, port)))


@dataclass(frozen=True, slots=True)
class RemoveIpv6:
    """Remove IPv6 from networks, by their keys."""

    keys: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What to do."""
        return f"remove `enable_ipv6` from {joined(self.keys)}"

    def applied(self, situation: Situation) -> Situation:
        """Return the situation with the change."""
        for key in self.keys:
            situation = _with_network(situation, replace(situation.project.networks[key], ipv6=False))
        return situation


@dataclass(frozen=True, slots=True)
class UseEngine:
    """Use another version of the engine."""

    version: str

    @property
    def sentence(self) -> str:
        """What to do."""
        return f"use Docker Engine {self.version} or later (`--engine {self.version}` predicts it)"

    def applied(self, situation: Situation) -> Situation:
        """Return the situation with the change."""
        return replace(situation, assumed=replace(situation.assumed, engine=self.version))


@dataclass(frozen=True, slots=True)
class Tolerate:
    """Accept what an entry of `tolerate` covers."""

    entry: tuple[tuple[str, str], ...]
    because: str

    @property
    def sentence(self) -> str:
        """What to do, with the line to paste."""
        body = ", ".join(f"{key}: {json.dumps(text)}" for key, text in self.entry)
        return f"{self.because}: tolerate it with `- {{{body}}}` under x-cloison.tolerate"

    def applied(self, situation: Situation) -> Situation:
        """Return the situation with the change."""
        entries: list[TolerationEntry] = [*kept_tolerations(situation.project), dict(self.entry)]
        return replace(situation, project=with_tolerations(situation.project, entries))


@dataclass(frozen=True, slots=True)
class Together:
    """Several changes that only work together."""

    changes: tuple[Change, ...]

    @property
    def sentence(self) -> str:
        """What to do."""
        return ", and ".join(change.sentence for change in self.changes)

    def applied(self, situation: Situation) -> Situation:
        """Return the situation with all changes, in order."""
        for change in self.changes:
            situation = change.applied(situation)
        return situation


@dataclass(frozen=True, slots=True, eq=False)
class Replace:
    """Replace the project by another one that the report shows elsewhere, such as the proposal."""

    sentence: str
    project: Project

    def applied(self, situation: Situation) -> Situation:
        """Return the situation with the other project."""
        return replace(situation, project=self.project)
