"""Folds networks: the services on a network share one box, where a box for each of them is more than a reader wants.

Input: the `Topology` of a proof. Output: the views of its picture. The first is shown at first; each other one differs
from it in one network, or in all of them.
Rule: a foreign container, and a service that is attached otherwise than the file declares, never shares a box, because
it needs a look of its own. A small picture is unfolded at first. In a large one services on the same networks share a
box at first, so a service that connects networks is still told from those that do not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from cloison_view.labels import natural_key
from cloison_view.topology import ATTACHED_AS_DECLARED, Place, Topology

MAX_BOXES: Final = 24
"""A picture of more places is folded at first."""
MAX_UNFOLDED: Final = 60
"""A picture of more places has no view in which each of them has a box of its own."""
MAX_SINGLE: Final = 16
"""Where more networks can be folded, none has a view of its own: the page would hold too many pictures."""

Networks = frozenset[str]
Key = tuple[str, ...] | None
"""The networks by which places share a box; None for a place that has one of its own."""


@dataclass(frozen=True, slots=True)
class FoldedView:
    """One view of a picture."""

    topology: Topology
    folded: Networks
    """The networks that are folded."""
    labels: Mapping[str, str]
    """The box of each place that shares one."""
    toggles: Mapping[str, int] = field(default_factory=dict)
    """The number of the view to which the control of a network leads."""
    other: int | None = None
    """The number of the view to which the control of all networks leads, None where there is none."""


def folded_views(topology: Topology) -> list[FoldedView]:
    """Return the views of a picture; a single one where no network can be folded."""
    views = _views_of_many(topology) if len(topology.places) > MAX_BOXES else _views_of_few(topology)
    every = frozenset[str]().union(*(view.folded for view in views))
    return [replace(view, toggles=_toggles(views, view, every), other=_other(views, view)) for view in views]


def _views_of_few(topology: Topology) -> list[FoldedView]:
    """Return the unfolded picture, one for each network that is folded, and one with all of them folded."""
    members = Counter(name for place in topology.places if _is_plain(place) for name in place.attachments)
    every = frozenset(name for name, number in members.items() if number > 1)
    sets = dict.fromkeys([frozenset[str](), *_singles(every), every])
    titles: dict[Key, str] = {(network.name,): network.label for network in topology.networks}
    return [_fold(topology, folded, _first_in(folded), titles) for folded in sets]


def _views_of_many(topology: Topology) -> list[FoldedView]:
    """Return the folded picture, one for each network that is unfolded, and one with all of them unfolded."""
    sharing = Counter(tuple(place.attachments) for place in topology.places if _is_plain(place))
    every = frozenset(name for attached, number in sharing.items() if number > 1 for name in attached)
    sets = dict.fromkeys([every, *(every - single for single in _singles(every))])
    if len(topology.places) <= MAX_UNFOLDED:
        sets[frozenset()] = None
    return [_sorted(_fold(topology, folded, _same_networks(every - folded), {})) for folded in sets]


def _singles(every: Networks) -> list[Networks]:
    return [frozenset({name}) for name in sorted(every)] if len(every) <= MAX_SINGLE else []


def _first_in(folded: Networks) -> Callable[[Place], Key]:
    """Return the key of places of which those on a folded network share a box: that of the first such network."""
    return lambda place: next(((name,) for name in place.attachments if name in folded), None)


def _same_networks(unfolded: Networks) -> Callable[[Place], Key]:
    """Return the key of places that share a box if they are on the same networks, none of them unfolded."""
    return lambda place: None if unfolded & place.attachments.keys() else tuple(place.attachments)


def _is_plain(place: Place) -> bool:
    return not place.is_foreign and set(place.attachments.values()) <= {ATTACHED_AS_DECLARED}


def _fold(topology: Topology, folded: Networks, key: Callable[[Place], Key], titles: Mapping[Key, str]) -> FoldedView:
    """Return a view in which places with the same key share a box; `titles` are the networks that name the box."""
    groups: dict[tuple[Key, str], list[Place]] = {}
    for place in topology.places:
        shared = key(place) if _is_plain(place) else None
        groups.setdefault((shared, place.name if shared is None else ""), []).append(place)
    rank = _rank(topology)
    boxes = tuple(_box(places, titles.get(shared, ""), rank) for (shared, _), places in groups.items())
    labels = {name: box.name for box in boxes for name in box.members}
    return FoldedView(replace(topology, places=boxes), folded, labels)


def _box(places: list[Place], title: str, rank: Mapping[str, int]) -> Place:
    """Return the box of places that share one; it is attached to the networks of all of them."""
    if len(places) == 1:
        return places[0]
    members = tuple(sorted((place.name for place in places), key=natural_key))
    attached = {name for place in places for name in place.attachments}
    attachments = dict.fromkeys(sorted(attached, key=rank.__getitem__), ATTACHED_AS_DECLARED)
    name = f"{members[0]} and {len(members) - 1} more"
    return Place(name, f"{len(members)} services of {title}" if title else name, 1, attachments, members)


def _rank(topology: Topology) -> dict[str, int]:
    return {network.name: position for position, network in enumerate(topology.networks)}


def _sorted(view: FoldedView) -> FoldedView:
    """Return a view whose boxes of one network stand together: sorted by their last network."""
    rank = _rank(view.topology)

    def order(box: Place) -> tuple[bool, int, int]:
        attached = [rank[name] for name in box.attachments] or [len(rank)]
        return box.is_foreign, max(attached), min(attached)

    return replace(view, topology=replace(view.topology, places=tuple(sorted(view.topology.places, key=order))))


def _toggles(views: list[FoldedView], view: FoldedView, every: Networks) -> dict[str, int]:
    """Return for each network the view that differs in it, and in no other where there is such a view."""
    numbers = {known.folded: number for number, known in enumerate(views)}
    found: dict[str, int] = {}
    for name in every if len(every) <= MAX_SINGLE else ():
        wanted = [view.folded ^ {name}, views[0].folded ^ {name}, views[0].folded]
        found[name] = next(
            numbers[folded] for folded in wanted if folded in numbers and (name in folded) != (name in view.folded)
        )
    return found


def _other(views: list[FoldedView], view: FoldedView) -> int | None:
    """Return the view with every network folded where this one is the first and has none folded, or the reverse."""
    if view is not views[0]:
        return 0
    last = len(views) - 1
    return last if last and not (views[0].folded & views[last].folded) else None
