"""Says of which part of a door something is true: over one version of IP only, over one protocol only.

Rule: a hole that is open over IPv6 alone or over UDP alone is named as such wherever it is shown. What
a place could never do (it has no IPv6 address) is no limit of its doors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cloison.model.facts import HOST, OUTSIDE, Protocol, version_of
from cloison.reports.topology import Scene, Seen

Way = tuple[str, int]
"""A protocol and a version of IP."""
ALONE: Final = " only"
USUAL: Final = frozenset({Protocol.TCP, 4})
MANY: Final = "part"
"""What stands in the matrix where a limit has no short name."""


@dataclass(frozen=True, slots=True, order=True)
class Limit:
    """The ways for which something is true, in words for a sentence and for a cell; both are empty for all of them."""

    words: str = ""
    mark: str = ""


NONE: Final = Limit()


def ways(view: Scene, flows: Iterable[Seen]) -> set[Way]:
    """Return the ways of flows, without those that their sources do not have."""
    found = [(item, version_of(item.target.address)) for item in flows if item.target.address]
    return {(item.target.protocol, version) for item, version in found if version in _tongues(view, item)}


def _tongues(view: Scene, item: Seen) -> frozenset[int]:
    """Return the versions of IP that a source has; of one without any address it is not asked."""
    if item.source.place in (HOST, OUTSIDE):
        return frozenset({4, 6})
    return view.tongues.get(item.source.container, frozenset({4, 6}))


def limit(view: Scene, part: Sequence[Seen], alike: Sequence[Seen], whole: Sequence[Seen]) -> Limit:
    """Return the limit of a `part` of a `whole` door; `alike` are its flows of the same word, whatever the cause.

    It is said to be alone where the rest of the door has another word. Where it has not, it is another
    finding's, and TCP and IPv4 need no mention.
    """
    held, every = ways(view, part), ways(view, whole)
    if not held or held == every:
        return NONE
    protocols, versions = {protocol for protocol, _ in held}, {version for _, version in held}
    all_protocols, all_versions = ({way[i] for way in every} for i in (0, 1))
    if held != {way for way in every if way[0] in protocols and way[1] in versions}:
        words, mark = f" over {' and '.join(_way(*way) for way in sorted(held))}", f"/{MANY}"
    else:
        few = [*(protocols if protocols < all_protocols else ()), *(versions if versions < all_versions else ())]
        words, mark = f" over {' '.join(map(_called, few))}", "".join(f"/{_short(item)}" for item in few)
        if held != ways(view, alike) and USUAL.issuperset(few):
            return Limit("", mark)
    return Limit(words + (ALONE if held == ways(view, alike) else ""), mark)


def _way(protocol: str, version: int) -> str:
    return f"{_called(protocol)} {_called(version)}"


def _called(item: str | int) -> str:
    return item.upper() if isinstance(item, str) else f"IPv{item}"


def _short(item: str | int) -> str:
    return item if isinstance(item, str) else f"v{item}"


def over_v6(_scene: Scene, item: Seen) -> bool:
    """Whether a flow goes to an IPv6 address."""
    return version_of(item.target.address) == 6  # noqa: PLR2004  # of IP


def over_bare_v6(scene: Scene, item: Seen) -> bool:
    """Whether it goes to one, and its source has networks with IPv6 of which none leads out."""
    spoken = {*scene.networks_v6(item.source.place)}
    return over_v6(scene, item) and bool(spoken) and spoken.isdisjoint(scene.open_networks(item.source.place))
