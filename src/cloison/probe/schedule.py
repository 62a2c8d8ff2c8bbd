"""In which order probes are sent, so that few neighbours are needed at a time: see `neighbours`.

Rule: what need not be in order is left to chance. Whatever a burst does to its last ones, it does to others next time.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from cloison.probe.probe import Shot
from cloison.probe.sockets import Post

T = TypeVar("T")
Numbered = tuple[int, Shot]
COMPANY: Final = 24
"""Posts that are asked about together: the neighbours of so many, and of so many others, fit into half a table."""


def ordered(waiting: Sequence[Numbered]) -> list[Numbered]:
    """Return the shots into a network after each other.

    Only those who sit on it themselves have its members for neighbours; of a large one, some ask some at a time.
    """
    posts, networks = _ranks(shot.post for _, shot in waiting), _ranks(shot.network for _, shot in waiting)
    dice: dict[str, float] = defaultdict(random.random)
    companies: dict[str, dict[Post | None, int]] = defaultdict(dict)
    for _, shot in waiting:
        seated = companies[shot.network]
        seated.setdefault(shot.target, len(seated) // COMPANY)
    most = 1 + max((len(seated) // COMPANY for seated in companies.values()), default=0)

    def place(item: Numbered) -> float:
        """Return one number, as a hundred thousand tuples would take a tenth of a proof's memory."""
        shot = item[1]
        seated = companies[shot.network]
        source, target = seated.get(shot.post, 0), seated[shot.target]
        company = (networks[shot.network] * most + source) * most + target
        return company * len(posts) + posts[shot.post] + dice[shot.address]

    return sorted(waiting, key=place)


def _ranks(things: Iterable[T]) -> dict[T, int]:
    """Return a place for each of some things, by chance."""
    found = [*{*things}]
    random.shuffle(found)
    return {thing: place for place, thing in enumerate(found)}
