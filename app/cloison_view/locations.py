"""Sums up the addresses at which the flows of one connection end, as the end of a sentence.

Input: `Records` and positions of flows. Output: for example ` at 198.18.0.2 on back`.
Rule: addresses are listed by network, under the name that the file gives it. A link-local IPv6 address (RFC 4291,
section 2.5.6) is not spelled out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from cloison_view.labels import join_names
from cloison_view.records import Endpoint, Records

LINK_LOCAL: Final = "fe80:"


def where(records: Records, flows: Iterable[int]) -> str:
    """Return where flows end, by network."""
    targets = {records.value(position, "endpoint") for position in flows}
    ends = sorted({(_location(records, end), _address(end)) for end in (records.endpoints[i] for i in targets)})
    locations = {
        location: [address for _, address in group if address] for location, group in groupby(ends, key=lambda e: e[0])
    }
    held = [location.format(join_names(addresses)) for location, addresses in locations.items() if addresses]
    lost = [location.format("no address") for location, addresses in locations.items() if not addresses]
    return (f" at {_join(held)}" if held else "") + (f", which has {_join(lost)}" if lost else "")


def _join(locations: Sequence[str]) -> str:
    """Join locations, each of which may be a list of addresses."""
    return (" and " if len(locations) == 2 else "; ").join(locations)  # noqa: PLR2004  # a pair


def _address(end: Endpoint) -> str:
    return "its link-local address" if end.address.startswith(LINK_LOCAL) else end.address


def _location(records: Records, end: Endpoint) -> str:
    """Return the location of an endpoint, with a blank for its addresses."""
    if end.kind == "published":
        # A port that the engine chooses has no number before it is chosen.
        last = end.port + end.last_port - end.service_port
        number = f"ports {end.port}-{last}" if end.last_port else f"port {end.port}"
        return f"{number} of the host ({{}})" if end.port else "a port of the host ({})"
    if not end.network:
        return "{}"
    # A brace in a network's name is no blank.
    return "{} on " + (records.network_labels.get(end.network) or end.network).replace("{", "{{").replace("}", "}}")
