"""Sums up the addresses at which the flows of one connection end, as the end of a sentence.

Input: `Records` and positions of flows. Output: for example ` at 198.18.0.2 on back`.
Rule: addresses are listed by network, under the name that the file gives it. A link-local IPv6 address (RFC 4291,
section 2.5.6) is not spelled out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final

from cloison_view.labels import join_names
from cloison_view.records import Endpoint, Records

LINK_LOCAL: Final = "fe80:"
PUBLISHED: Final = "published"
MIN_RANGE: Final = 3
"""The fewest ports that are named as a range."""


def where(records: Records, flows: Iterable[int]) -> str:
    """Return where flows end, by network."""
    targets = [records.endpoints[i] for i in {records.value(position, "endpoint") for position in flows}]
    ranges = _host_ranges(targets)
    ends = sorted({(_location(records, end, ranges), _address(end)) for end in targets})
    locations = {
        location: [address for _, address in group if address] for location, group in groupby(ends, key=lambda e: e[0])
    }
    held = [location.format(join_names(addresses)) for location, addresses in locations.items() if addresses]
    lost = [location.format("no address") for location, addresses in locations.items() if not addresses]
    return (f" at {_join(held)}" if held else "") + (f", which has {_join(lost)}" if lost else "")


def _host_ranges(targets: Iterable[Endpoint]) -> dict[int, tuple[int, int]]:
    """Return the range of the ports of the host to which each port belongs: neighbours with the same addresses."""
    addresses: dict[tuple[int, int], set[str]] = {}
    for end in targets:
        if end.kind == PUBLISHED and end.port:
            last = end.port + max(end.last_port - end.service_port, 0)
            addresses.setdefault((end.port, last), set()).add(end.address)
    runs: list[list[tuple[int, int]]] = []
    for span in sorted(addresses):
        before = runs[-1][-1] if runs else None
        if before and before[1] + 1 == span[0] and addresses[before] == addresses[span]:
            runs[-1].append(span)
        else:
            runs.append([span])
    long_runs = [run for run in runs if run[-1][1] - run[0][0] + 1 >= MIN_RANGE]
    return {span[0]: (run[0][0], run[-1][1]) for run in long_runs for span in run}


def _join(locations: Sequence[str]) -> str:
    """Join locations, each of which may be a list of addresses."""
    return (" and " if len(locations) == 2 else "; ").join(locations)  # noqa: PLR2004  # a pair


def _address(end: Endpoint) -> str:
    return "its link-local address" if end.address.startswith(LINK_LOCAL) else end.address


def _location(records: Records, end: Endpoint, ranges: Mapping[int, tuple[int, int]]) -> str:
    """Return the location of an endpoint, with a blank for its addresses."""
    if end.kind == PUBLISHED:
        # A port that the engine chooses has no number before it is chosen.
        first, last = ranges.get(end.port, (end.port, end.port))
        number = f"ports {first}-{last}" if first != last else f"port {first}"
        return f"{number} of the host ({{}})" if end.port else "a port of the host ({})"
    if not end.network:
        return "{}"
    # A brace in a network's name is no blank.
    return "{} on " + (records.network_labels.get(end.network) or end.network).replace("{", "{{").replace("}", "}}")
