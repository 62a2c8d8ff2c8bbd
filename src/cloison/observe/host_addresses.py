"""What the engine's machine itself has: its addresses, as far as they concern a project."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from cloison.linux import pyroute
from cloison.model.facts import Facts
from cloison.model.flow import LINK_LOCAL
from cloison.observe.external_host import is_external_address

BRIDGE: Final = "bridge"
"""The kind of link, in the kernel's words."""
IFF_LOWER_UP: Final = 0x10000
"""Somebody is at the other end of a link: IFF_LOWER_UP in linux/if.h."""
IFA_F_TENTATIVE: Final = 0x40
ADDRESS_STATE_FLAGS: Final = IFA_F_TENTATIVE | 0x08 | 0x04
"""IFA_F_TENTATIVE, IFA_F_DADFAILED and IFA_F_OPTIMISTIC in linux/if_addr.h: an optimistic address is used at once."""


def host_attachments(facts: Facts, *own_addresses: str) -> tuple[tuple[str, str], ...]:
    """Return the host's addresses with their networks; see `with_addresses`."""
    return with_host_addresses(facts, *own_addresses).host_attachments


def with_host_addresses(facts: Facts, *own_addresses: str) -> Facts:
    """Return the facts with the host's addresses.

    Those on bridges that have nothing to do with the project are left out, for the host answers on
    all of its addresses alike, and other people's bridges come and go. So do the segments of other
    proofs; `ours` are this proof's own. An address that lies idle is none yet.
    """
    bound = {publication.host_address for container in facts.containers for publication in container.published_ports}
    links, bridges, held, idle = _read()
    network_by_bridge = {network.link: network.name for network in facts.networks if network.link}
    addresses, link_local_addresses = set(), set()
    for address, index in held:
        link = links.get(index, "")
        if address in idle and address not in bound:
            continue
        if address.startswith(LINK_LOCAL):
            link_local_addresses |= {(network_by_bridge[link], address)} if link in network_by_bridge else set()
        elif is_external_address(address):
            addresses |= {address} & {*own_addresses}
        elif index not in bridges or address in bound or any(network.contains(address) for network in facts.networks):
            addresses.add(address)
    return replace(
        facts, host_addresses=tuple(sorted(addresses)), link_local_addresses=tuple(sorted(link_local_addresses))
    )


def _read() -> tuple[dict[int, str], set[int], list[tuple[str, int]], set[str]]:
    """Return the links' names by index, which of them are bridges, the addresses with their links, and the idle ones.

    Where nobody is on a bridge, the kernel does not even ask whether its IPv6 address is free, and has no route to it:
    what is sent there arrives nowhere, from wherever it comes (measured, Linux 6.18). A rule that translates it all the
    same is told by `leads`, which finds no address for it. An address that somebody else holds too is not idle.
    """
    with pyroute.iproute() as route:
        found = list(route.get_links())
        told = [(str(message.get("address")), message["index"], message["flags"]) for message in route.get_addr()]
    bridges = {link["index"] for link in found if link.get(("linkinfo", "kind")) == BRIDGE}
    empty = bridges & {link["index"] for link in found if not link["flags"] & IFF_LOWER_UP}
    idle = {
        address for address, index, flags in told if index in empty and flags & ADDRESS_STATE_FLAGS == IFA_F_TENTATIVE
    }
    names = {link["index"]: link.get("ifname") for link in found}
    return names, bridges, [(address, index) for address, index, _ in told], idle
