"""What a proof says of the networks that carry the containers' packets to other machines.

Input: the networks that the kernel takes, and those that the file and the engine's version give. Output: `Risk` values.
Sources: https://docs.docker.com/engine/network/#connecting-to-multiple-networks,
https://github.com/containers/podman/issues/16233 (two default routes).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from cloison.findings.container_risks import Risk
from cloison.model.facts import EgressNetworks

ORDER: Final = "https://docs.docker.com/engine/network/#connecting-to-multiple-networks"
TWO_ROUTES: Final = "https://github.com/containers/podman/issues/16233"


def egress_risks(seen: Collection[EgressNetworks], predicted: Iterable[EgressNetworks]) -> Iterator[Risk]:
    """Yield a finding for each container that leaves otherwise than predicted, then for each with several ways."""
    by_file = {(item.container, item.version): item.networks for item in predicted}
    for item in sorted(seen):
        expected = by_file.get((item.container, item.version))
        if expected is not None and {*expected} != {*item.networks}:
            yield Risk(
                "egress-network",
                item.container,
                f"leaves over {_listed(item.networks)} (IPv{item.version}), by the file and the engine over "
                f"{_listed(expected)}",
                "the kernel's route to another machine, looked up in the container's network namespace",
                ORDER,
            )
    for item in sorted(seen):
        if len(item.networks) > 1:
            yield Risk(
                "two-default-routes",
                item.container,
                f"has a default route on each of {_listed(item.networks)}, so it may reach another machine now and "
                "then: one probe proves nothing",
                f"the default routes for IPv{item.version} have the same metric",
                TWO_ROUTES,
            )


def _listed(networks: Collection[str]) -> str:
    return ", ".join(networks) or "no network"
