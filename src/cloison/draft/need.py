"""A connection that a service seems to need, and the place in the file or the observation that shows it.

Output: frozen, ordered values, and their text as rules of a policy.
Rule: a need is a candidate for `allow`; `draft.draft` keeps it only where the file lets it connect.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from cloison.compose.flow_rule import ARROW
from cloison.compose.project import Project
from cloison.model.flow import OUTSIDE, Protocol

Port = tuple[Protocol, int]


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """A connection from one place to another; `port` is 0 where no port is known, `last_port` ends a range."""

    source: str
    target: str
    protocol: Protocol = Protocol.TCP
    port: int = 0
    last_port: int = 0
    origin: str = ""
    """Where it comes from, as the comment of its line says it."""
    is_guess: bool = False
    """Whether the port is assumed: any certain need between the same places replaces it."""

    @property
    def text(self) -> str:
        """The need as a rule of a policy."""
        ports = f":{self.port_text}{_suffix(self.protocol)}" if self.port else ""
        return f"{self.source} {ARROW} {self.target}{ports}"

    @property
    def port_text(self) -> str:
        """The port or the range."""
        return f"{self.port}-{self.last_port}" if self.last_port else str(self.port)


def _suffix(protocol: Protocol) -> str:
    return "" if protocol is Protocol.TCP else f"/{protocol}"


def port_ranges(ports: Iterable[Port]) -> list[tuple[Protocol, int, int]]:
    """Return ports as (protocol, first, last of a range or 0), consecutive ports as one range."""
    ordered = sorted(set(ports))
    starts = [0, *(i for i, (a, b) in enumerate(pairwise(ordered), 1) if (a[0], a[1] + 1) != b)] if ordered else []
    spans = [ordered[start:end] for start, end in pairwise([*starts, len(ordered)])]
    return [(span[0][0], span[0][1], span[-1][1] if len(span) > 1 else 0) for span in spans]


@dataclass(frozen=True, slots=True)
class Rule:
    """A line of `allow`, and the places that it comes from."""

    text: str
    origins: tuple[str, ...]


def certain(project: Project, needs: Iterable[Need]) -> list[Need]:
    """Return the needs without guesses and unknown ports where the same places have a certain need."""
    known = sorted(set(needs))

    def pair(need: Need) -> tuple[str, str]:
        return need.source, project.owner(need.target)

    with_port = {pair(need) for need in known if need.port and not need.is_guess}
    return [need for need in known if (need.port and not need.is_guess) or pair(need) not in with_port]


def rules(needs: Iterable[Need]) -> list[Rule]:
    """Return the lines of `allow`: one for each pair of places and protocol, those from the outside first."""
    groups: dict[tuple[bool, str, str, Protocol], list[Need]] = {}
    for need in sorted(set(needs)):
        groups.setdefault((need.source != OUTSIDE, need.source, need.target, need.protocol), []).append(need)
    return [_rule(source, target, group) for (_, source, target, _), group in sorted(groups.items())]


def _rule(source: str, target: str, group: list[Need]) -> Rule:
    ports = ",".join(dict.fromkeys(need.port_text for need in group if need.port))
    text = f"{source} {ARROW} {target}{':' if ports else ''}{ports}{_suffix(group[0].protocol) if ports else ''}"
    return Rule(text, tuple(dict.fromkeys(need.origin for need in group)))
