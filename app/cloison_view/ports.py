"""Names the ports of a place: a port by its number and protocol, or every port that has no entry of its own.

Output: `TargetPort`, and lists of them in words.
Rule: both canaries of a place, of TCP and of UDP, are one port: any other port, of no protocol. Names are shortened
here, never escaped: that is the renderer's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from cloison_view.labels import ANY_OTHER_PORT, HOST, MAX_NAMED, display_name, join_names

MAX_LISTED: Final = 12
"""A line names this many sources, and this many ports."""


class TargetPort(NamedTuple):
    """A port of a place; port 0, of no protocol, stands for every port that has no entry of its own.

    It is a tuple, because a large document looks hundreds of thousands of them up in mappings.
    """

    place: str
    protocol: str
    port: int
    is_every_port: bool = False
    """Whether it is the only one of its place: none of the place's ports is probed by its number."""
    last_port: int = 0
    """The last port of a range with one fate, 0 for a single port."""

    @property
    def suffix(self) -> str:
        """The protocol where it is not TCP."""
        return "" if self.protocol in ("", "tcp") else f"/{self.protocol}"

    @property
    def numbers(self) -> str:
        """The port or the range in digits, empty for every other port."""
        return f"{self.port}-{self.last_port}" if self.last_port else str(self.port or "")

    @property
    def port_label(self) -> str:
        """The port where its place is named already."""
        return f"{self.numbers or ('any' if self.is_every_port else ANY_OTHER_PORT)}{self.suffix}"

    @property
    def port_words(self) -> str:
        """The port where its place is named already, without abbreviations."""
        if self.port:
            return self.port_label
        return "any port" if self.is_every_port else "any other port"

    @property
    def label(self) -> str:
        """The place and the port in a sentence."""
        return display_name(self.place) + ("" if self.is_every_port else f":{self.port_label}")

    @property
    def policy_target(self) -> str:
        """The port in the policy language, in which a place without a port means every port."""
        return f"{self.place}:{self.numbers}{self.suffix}" if self.port else self.place


ScopedPort = tuple[str, TargetPort, str]
"""A source, a port, and the scope of the connection in words."""


def group_by_ports(
    connections: Iterable[ScopedPort], ports_of_places: Mapping[str, Sequence[TargetPort]]
) -> list[tuple[str, str]]:
    """Return connections as (sources, ports) in words: sources with the same ports share one line.

    A place whose ports are all there is named by its name alone, if `ports_of_places` has them.
    """
    ports_by_source: dict[str, list[tuple[TargetPort, str]]] = {}
    for source, port, scope in connections:
        ports_by_source.setdefault(source, []).append((port, scope))
    sources_by_ports: dict[tuple[str, ...], list[str]] = {}
    for source, held in ports_by_source.items():
        sources_by_ports.setdefault(_describe_ports(held, ports_of_places), []).append(display_name(source))
    return [(_listed(sources), _listed(words)) for words, sources in sources_by_ports.items()]


def _listed(names: Sequence[str]) -> str:
    """Return names, shortened where there are many."""
    return ", ".join(names) if len(names) <= MAX_LISTED + 1 else join_names(names, MAX_LISTED)


def _describe_ports(
    ports: Sequence[tuple[TargetPort, str]], ports_of_places: Mapping[str, Sequence[TargetPort]]
) -> tuple[str, ...]:
    """Name ports; a place by its name alone is all of its ports, as in the policy language."""
    parts: list[str] = []
    for (place, scope), group in groupby(ports, key=lambda item: (item[0].place, item[1])):
        ends = [end for end, _ in group]
        names = [display_name(place)] if len(ends) == len(ports_of_places.get(place, ())) else named_ports(ends)
        parts += [name + scope for name in names]
    return tuple(parts)


def sorted_ports(ends: Iterable[TargetPort]) -> list[TargetPort]:
    """Return the ports of one place: numbered ports first, any other port last."""
    return sorted(set(ends), key=lambda end: (end.port == 0, end.port, end.protocol, end.place))


def named_ports(ports: Sequence[TargetPort]) -> list[str]:
    """Name ports of one place; many ports of the host are counted, because the file does not open them."""
    numbered = [end for end in ports if end.port and end.place == HOST]
    if len(numbered) <= MAX_NAMED:
        return [end.label for end in ports]
    counted = f"{HOST}: {len(numbered)} ports ({join_names([end.port_label for end in numbered])})"
    return [counted, *(end.label for end in ports if end not in numbered)]
