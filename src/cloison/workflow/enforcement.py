"""Enforces a project's policy on this machine: loads the tables, keeps them true, and takes them away.

Input: an engine on this machine, a project and its policy. Output: what stands, and what could not be covered.
Rule: a layout and a policy make one text, and the text is one transaction, so at no moment is half of it in force. The
kernel keeps the tables after this process ends: what is known stays open, and what comes later stays closed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from threading import Lock
from typing import Any, Final

from cloison.compose.policy import Policy
from cloison.compose.policy import policy as read_policy
from cloison.compose.project import Project
from cloison.enforce import openings as enforce_openings
from cloison.enforce import ruleset as enforce_ruleset
from cloison.enforce.connections import AllowedConnections
from cloison.enforce.features import Features
from cloison.enforce.layout import BridgePort, Layout, table_name
from cloison.enforce.nft_table import quoted
from cloison.enforce.openings import Opening
from cloison.engine import Engine
from cloison.errors import NotProven, PolicyError
from cloison.linux import bridge_filtering, conntrack, libnftables, netns
from cloison.model.facts import Facts
from cloison.observe import bridge_ports

PROBE: Final = "table bridge cloison-probe { chain probe { type filter hook forward priority 0; %s; }; }"
"""A table that the kernel is asked about, and never gets."""
SET_PROBE: Final = "table inet cloison-probe { set probe { type ipv4_addr; counter; }; }"
"""The same about sets whose elements count."""
FILTERED: Final = "filtered"
"""A set of the table: the bridges whose filtering enforcement switched on, so that `off` undoes it."""
NON_NETWORKS: Final = frozenset({"host", "none"})
"""Networks of the engine that connect no containers."""
COUNTED: Final = frozenset({"handle", "packets", "bytes"})
"""Members of nft's JSON that change by themselves."""


@dataclass(frozen=True, slots=True)
class Enforcement:
    """What stands after a change: the layout, what the policy opens on it, and the connections that were cut."""

    layout: Layout
    openings: list[Opening]
    features: Features
    text: str
    cut: int = 0


def features() -> Features:
    """Return what this kernel can do.

    Raises NotProven if packets inside a bridge cannot be closed at all: rules that match nothing would be a lie.
    """
    found = Features(
        bridge_family=libnftables.is_accepted(PROBE % 'iifname "lo" drop'),
        bridge_conntrack=libnftables.is_accepted(PROBE % "ct state established accept"),
        bridge_name=libnftables.is_accepted(PROBE % 'meta ibrname "lo" drop'),
        bridge_filtering=bridge_filtering.is_available(),
        set_counters=libnftables.is_accepted(SET_PROBE),
    )
    if not found.can_enforce:
        raise NotProven(
            "this kernel filters no packets inside a bridge: it has neither nftables for bridges (NF_TABLES_BRIDGE) "
            "nor br_netfilter, so rules would stand and close nothing"
        )
    return found


def required_policy(project: Project) -> Policy:
    """Return the policy of a project.

    Raises PolicyError if it has none: enforcement would close everything.
    """
    found = read_policy(project)
    if found is None:
        raise PolicyError(
            "x-cloison: the file has no policy to enforce; `cloison init` drafts one, and an empty one "
            "(`x-cloison: {}`) closes everything"
        )
    return found


def require_access() -> None:
    """Raise NotProven where this process may not change the packet filter of the engine's machine."""
    from cloison.engine import connection

    with connection.engine_connection() as engine:
        if not engine.is_local():
            raise NotProven("the engine runs on another machine; run `cloison enforce` there, as root")
    if not netns.can_enter():
        raise NotProven("enforcement changes the packet filter of this machine; run it as root, for instance with sudo")


@contextmanager
def enforcer(project: Project) -> Iterator[Enforcer]:
    """Yield the enforcer of a project, for its engine on this machine.

    Raises NotProven where this process may not change the packet filter of the engine's machine.
    """
    from cloison.engine import select as engine_select

    require_access()
    with closing(engine_select.engine()) as found:
        yield Enforcer(found, project, required_policy(project))


@dataclass
class Enforcer:
    """Enforces one policy on one project."""

    engine: Engine
    project: Project
    policy: Policy
    features: Features = field(default_factory=features)
    _facts: Facts | None = field(default=None, repr=False)
    text: str = ""
    """The rules that this object loaded last, empty before."""
    loaded: str = field(default="", repr=False)
    """The whole of that transaction, which also remembers the bridges whose filtering was switched on."""
    _loading: Lock = field(default_factory=Lock, repr=False)
    """Held while rules are loaded, so that `text` is what stands for whoever holds it."""

    _known: frozenset[BridgePort] = field(default=frozenset(), repr=False)
    """The ports that the rules of the last time know."""

    def plan(self, *, again: bool = True) -> Enforcement:
        """Return what would stand; without `again` the networks are the known ones, as far as they are enough."""
        self._facts = facts = self._read(again=again)
        layout = bridge_ports.layout(facts, self.project)
        found = enforce_openings.openings(self.project, self.policy, layout)
        return Enforcement(layout, found, self.features, enforce_ruleset.ruleset(layout, found, self.features))

    def plan_closed(self) -> Enforcement:
        """Return what closes the networks and opens nothing: no port of now exists after the machine has started."""
        layout = replace(self.plan().layout, ports=())
        return Enforcement(layout, [], self.features, enforce_ruleset.ruleset(layout, [], self.features))

    def _read(self, *, again: bool) -> Facts:
        names = frozenset(network.name for network in self.project.networks.values())
        if self._facts and not again:
            containers = self.engine.containers(self.project.name, names)
            known = {network.name for network in self._facts.networks}
            if {
                attachment.network for c in containers if c.pid for attachment in c.attachments
            } <= known | NON_NETWORKS:
                return replace(self._facts, containers=containers)
        return self.engine.facts(self.project.name, names)

    def apply(self, *, again: bool = True) -> Enforcement:
        """Bring the tables in line with the containers of now; nothing is changed where they are.

        Raises NotProven if the kernel refuses the rules, or the engine does not answer.
        """
        wanted = self.plan(again=again)
        if wanted.text == self.text:
            return wanted
        text = wanted.text
        if self.features.bridge_filtering:
            switched = self._switch_filtering(wanted.layout)
            text += _remember(self.project.name, switched)
        with self._loading:
            self._load(text)
            is_first, self.text, self.loaded = not self.text, wanted.text, text
        if self._facts:
            bridge_ports.send_announcements(self._facts, set(wanted.layout.ports) - self._known)
            self._known = frozenset(wanted.layout.ports)
        if not is_first:
            return wanted  # what was allowed before is still, so nothing has to be cut
        return replace(wanted, cut=conntrack.cut(AllowedConnections(wanted.layout, wanted.openings).has))

    def _switch_filtering(self, layout: Layout) -> list[str]:
        """Let packets inside the project's bridges pass the chains of the IP families; return those changed so."""
        before = filtered(self.project.name)
        changed = [bridge.name for bridge in layout.bridges if not bridge_filtering.is_on(bridge.name)]
        bridge_filtering.switch(changed, on=True)
        names = {bridge.name for bridge in layout.bridges}
        return sorted((before & names) | {*changed})

    def reload(self, text: str) -> bool:
        """Load the rules of the last time again, without the engine: it may be away when somebody removes them.

        Return whether it was done: not if other rules than `text` have been loaded meanwhile.
        Raises NotProven if the kernel refuses them.
        """
        with self._loading:
            if text != self.text:
                return False
            self._load(self.loaded)
            return True

    def _load(self, text: str) -> None:
        try:
            libnftables.run(text)
        except OSError as error:
            raise NotProven(f"the kernel refused the rules of {self.project.name}: {error}") from error

    def forget(self) -> None:
        """Load the rules at the next `apply` whatever stands."""
        self.text = ""

    def differences(self) -> list[str]:
        """Return what differs between the tables that stand and those of the policy, as sentences; none if nothing."""
        return standing_differs(self.project.name, self.plan().text)


def standing_differs(project: str, text: str) -> list[str]:
    """Return what differs between the tables that stand and those of a text, as sentences; none if nothing."""
    stands = standing(project)
    if not stands:  # known at once, and after a flush every millisecond counts
        return [f"nothing is enforced: the tables {table_name(project)} do not exist"]
    return [*_differences(_loaded_apart(text), stands)]


def filtered(project: str) -> set[str]:
    """Return the bridges for which enforcement switched the filtering of bridges on."""
    objects = libnftables.table("inet", table_name(project)) or []
    found = (entry["set"] for entry in objects if "set" in entry)
    return {str(element) for entry in found if entry["name"] == FILTERED for element in entry.get("elem", ())}


def _remember(project: str, bridges: Collection[str]) -> str:
    """Return the commands that store the names of bridges in the table."""
    where = f"inet {table_name(project)} {FILTERED}"
    elements = f"add element {where} {{ {', '.join(map(quoted, bridges))} }}\n" if bridges else ""
    return f"add set {where} {{ type ifname; }}\n{elements}"


def off(project: str) -> bool:
    """Take away what enforces a project, and return whether there was anything.

    Raises NotProven if the kernel refuses.
    """
    was_there = bool(standing(project))
    bridge_filtering.switch(filtered(project), on=False)
    try:
        libnftables.run(enforce_ruleset.remove(project, _families()))
    except OSError as error:
        raise NotProven(f"the kernel refused to remove the rules of {project}: {error}") from error
    return was_there


def _families() -> list[str]:
    return [f for f in enforce_ruleset.FAMILIES if f != "bridge" or libnftables.is_accepted(PROBE % "accept")]


def standing(project: str) -> dict[str, list[dict[str, Any]]]:
    """Return the objects of the tables that stand, by family."""
    tables = {family: libnftables.table(family, table_name(project)) for family in enforce_ruleset.FAMILIES}
    return {family: objects for family, objects in tables.items() if objects is not None}


@lru_cache(maxsize=4)
def _loaded_apart(text: str) -> dict[str, list[dict[str, Any]]]:
    """Return the objects of a text as the kernel lists them: it is loaded into an empty namespace of its own.

    They are kept, because the end of a namespace takes the kernel longer than all else that a comparison needs.
    """
    descriptor = netns.new()
    try:
        with netns.inside(descriptor):
            libnftables.run(text)
            name = next(line.split()[-1] for line in text.splitlines() if line.startswith("add table"))
            tables = {family: libnftables.table(family, name) for family in enforce_ruleset.FAMILIES}
            return {family: objects for family, objects in tables.items() if objects is not None}
    finally:
        os.close(descriptor)


def _differences(wanted: dict[str, list[dict[str, Any]]], stands: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    for family, objects in wanted.items():
        if family not in stands:
            yield f"the table for {family} is missing"
            continue
        expected, found = (_by_name(listed) for listed in (objects, stands[family]))
        for kind, name in sorted(expected.keys() | found.keys()):
            if name != FILTERED and expected.get((kind, name)) != found.get((kind, name)):
                yield f"{kind} {name} ({family}) is not what the policy and the running containers need"


def _by_name(objects: list[dict[str, Any]]) -> dict[tuple[str, str], list[str]]:
    """Return the objects of a table by kind and name, without what changes by itself; rules belong to their chain."""
    found: dict[tuple[str, str], list[str]] = {}
    for entry in objects:
        for kind, body in entry.items():
            if kind in ("set", "chain", "rule"):
                name = body["chain"] if kind == "rule" else body["name"]
                stripped = _stripped(body)
                if kind == "set":
                    stripped["elem"] = sorted(
                        json.dumps(element, sort_keys=True) for element in stripped.get("elem", ())
                    )
                found.setdefault((kind, name), []).append(json.dumps(stripped, sort_keys=True))
    return found


def _stripped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _stripped(inner) for key, inner in value.items() if key not in COUNTED}
    return [*map(_stripped, value)] if isinstance(value, list) else value
