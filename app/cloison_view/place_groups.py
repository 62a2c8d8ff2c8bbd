"""Draws services that are on the same networks as one box, where a diagram would have too many boxes to read.

Input: a `Summary` and the `Topology` of its proof. Output: both, between groups in the place of services.
Rule: a group stands for services with the same attachments. A foreign container, and a service that is attached
otherwise than the file declares, is never part of a group, because it needs a look of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from cloison_view.alike import merged
from cloison_view.labels import natural_key
from cloison_view.summary import Summary
from cloison_view.topology import ATTACHED_AS_DECLARED, Place, Topology

MAX_BOXES: Final = 24
"""A diagram of more places groups them."""


def group_places(summary: Summary, topology: Topology) -> tuple[Summary, Topology]:
    """Return the summary and the topology with a group for services on the same networks; the same for few places."""
    if len(topology.places) <= MAX_BOXES:
        return summary, topology
    alike: dict[tuple[str, ...], list[Place]] = {}
    for place in topology.places:
        is_plain = not place.is_foreign and set(place.attachments.values()) <= {ATTACHED_AS_DECLARED}
        alike.setdefault(tuple(place.attachments) if is_plain else (place.name, ""), []).append(place)
    rank = {network.name: position for position, network in enumerate(topology.networks)}
    places = sorted(map(_group, alike.values()), key=lambda place: _order(place, rank))
    labels = {name: place.name for place in places for name in place.members}
    if not labels:
        return summary, topology
    return merged(summary, labels, {}), replace(topology, places=tuple(places))


def _order(place: Place, rank: Mapping[str, int]) -> tuple[bool, int, int]:
    """Return the sort key of a box: by its last network, so that boxes of one network stand together."""
    attached = [rank[name] for name in place.attachments] or [len(rank)]
    return place.is_foreign, max(attached), min(attached)


def _group(places: list[Place]) -> Place:
    if len(places) == 1:
        return places[0]
    members = tuple(sorted((place.name for place in places), key=natural_key))
    name = f"{members[0]} and {len(members) - 1} more"
    return replace(places[0], name=name, label=name, replicas=1, members=members)
