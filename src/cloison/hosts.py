"""What the engine's machine itself has: its addresses, as far as they concern a project."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pyroute2 import IPRoute

from cloison.model import LINK_LOCAL, Facts
from cloison.outside import is_of_a_segment

BRIDGE: Final = "bridge"
"""The kind of link, in the kernel's words."""


def host_seats(facts: Facts, *ours: str) -> tuple[tuple[str, str], ...]:
    """Return the host's addresses with their networks; see `with_addresses`."""
    return with_addresses(facts, *ours).host_seats


def with_addresses(facts: Facts, *ours: str) -> Facts:
    """Return the facts with the host's addresses.

    Those on bridges that have nothing to do with the project are left out, for the host answers on
    all of its addresses alike, and other people's bridges come and go. So do the segments of other
    proofs; `ours` are this proof's own.
    """
    bound = {door.host_address for container in facts.containers for door in container.publications}
    links, bridges, held = _read()
    near = {network.link: network.name for network in facts.networks if network.link}
    addresses, link_locals = set(), set()
    for address, index in held:
        link = links.get(index, "")
        if address.startswith(LINK_LOCAL):
            link_locals |= {(near[link], address)} if link in near else set()
        elif is_of_a_segment(address):
            addresses |= {address} & {*ours}
        elif index not in bridges or address in bound or any(network.holds(address) for network in facts.networks):
            addresses.add(address)
    return replace(facts, host_addresses=tuple(sorted(addresses)), link_locals=tuple(sorted(link_locals)))


def _read() -> tuple[dict[int, str], set[int], list[tuple[str, int]]]:
    """Return the links' names by index, which of them are bridges, and the addresses with their links."""
    with IPRoute() as route:
        found = list(route.get_links())
        held = [(str(message.get("address")), message["index"]) for message in route.get_addr()]
    bridges = {link["index"] for link in found if link.get(("linkinfo", "kind")) == BRIDGE}
    return {link["index"]: link.get("ifname") for link in found}, bridges, held
