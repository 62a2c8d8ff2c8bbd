"""Orders probes so that few neighbor entries are needed at a time: see `linux.neighbor_table`.

Input: numbered probes. Output: the same probes, those into one network after each other.
Rule: the order is random where it does not matter, so that a second try puts other probes at the end of a burst.
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
"""Namespaces that are probed together: the neighbor entries of two such groups fit into half a table."""


def send_order(pending: Sequence[NumberedProbe]) -> list[NumberedProbe]:
    """Return the probes in order of network, group of senders, and group of targets.

    Only containers on a network have its members as neighbors; on a large network, one group probes another at a time.
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
        """Return one number: a hundred thousand tuples would use a tenth of a proof's memory."""
        probe = item[1]
        members = groups[probe.network]
        source, target = members.get(probe.sockets, 0), members[probe.target]
        group_rank = (networks[probe.network] * group_count + source) * group_count + target
        return group_rank * len(socket_ranks) + socket_ranks[probe.sockets] + random_keys[probe.address]

    return sorted(pending, key=sort_key)


def _random_ranks(things: Iterable[T]) -> dict[T, int]:
    """Return a random rank, from 0, for each distinct thing."""
    found = [*{*things}]
    random.shuffle(found)
    return {thing: rank for rank, thing in enumerate(found)}
