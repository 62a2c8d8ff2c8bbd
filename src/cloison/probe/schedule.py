"""In which order probes are sent, so that few neighbours are needed at a time: see `neighbours`.

Rule: what need not be in order is left to chance. Whatever a burst does to its last ones, it does to others next time.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from cloison.probe.probe import Probe
from cloison.probe.sockets import ProbeSockets

T = TypeVar("T")
NumberedProbe = tuple[int, Probe]
GROUP_SIZE: Final = 24
"""Posts that are asked about together: the neighbours of so many, and of so many others, fit into half a table."""


def send_order(pending: Sequence[NumberedProbe]) -> list[NumberedProbe]:
    """Return the shots into a network after each other.

    Only those who sit on it themselves have its members for neighbours; of a large one, some ask some at a time.
    """
    socket_ranks, networks = (
        _random_ranks(probe.sockets for _, probe in pending),
        _random_ranks(probe.network for _, probe in pending),
    )
    random_keys: dict[str, float] = defaultdict(random.random)
    groups: dict[str, dict[ProbeSockets | None, int]] = defaultdict(dict)
    for _, probe in pending:
        members = groups[probe.network]
        members.setdefault(probe.target, len(members) // GROUP_SIZE)
    group_count = 1 + max((len(members) // GROUP_SIZE for members in groups.values()), default=0)

    def sort_key(item: NumberedProbe) -> float:
        """Return one number, as a hundred thousand tuples would take a tenth of a proof's memory."""
        probe = item[1]
        members = groups[probe.network]
        source, target = members.get(probe.sockets, 0), members[probe.target]
        group_rank = (networks[probe.network] * group_count + source) * group_count + target
        return group_rank * len(socket_ranks) + socket_ranks[probe.sockets] + random_keys[probe.address]

    return sorted(pending, key=sort_key)


def _random_ranks(things: Iterable[T]) -> dict[T, int]:
    """Return a place for each of some things, by chance."""
    found = [*{*things}]
    random.shuffle(found)
    return {thing: sort_key for sort_key, thing in enumerate(found)}
