"""Reads the addresses of the host that a project can reach.

Input: the facts of the engine. Output: the facts with host addresses, from RTM_GETLINK and RTM_GETADDR.
Rule: addresses on bridges of other projects, on segments of other proofs, and on bridges without a port are left out.
Source: linux/if_addr.h.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from cloison.linux import interfaces
from cloison.model.facts import Facts
from cloison.model.flow import LINK_LOCAL
from cloison.observe.external_host import is_external_address

BRIDGE: Final = "bridge"
"""The value of IFLA_INFO_KIND for a bridge."""
IFA_F_TENTATIVE: Final = 0x40
ADDRESS_STATE_FLAGS: Final = IFA_F_TENTATIVE | 0x08 | 0x04
"""IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_OPTIMISTIC of linux/if_addr.h; an optimistic address is used at once."""


def host_attachments(facts: Facts, *own_addresses: str) -> tuple[tuple[str, str], ...]:
    """Return the host's addresses with their networks; see `with_host_addresses`."""
    return with_host_addresses(facts, *own_addresses).host_attachments


def with_host_addresses(facts: Facts, *own_addresses: str) -> Facts:
    """Return the facts with the host's addresses; `own_addresses` are the host's on the segment of this proof.

    Addresses on bridges of other projects are left out: the host answers on all of its addresses alike, and such
    bridges appear and disappear during a proof. So are segments of other proofs, and idle addresses (see `_read`).
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
    """Return interface names by ifindex, the ifindexes of bridges, addresses with their ifindex, and idle addresses.

    An IPv6 address of a bridge without a port is idle: it stays tentative, because duplicate address detection does not
    start, and the kernel has no route to it, so no packet reaches it (measured, Linux 6.18). `redirects` reports a
    DNAT rule for such an address. An address for which duplicate address detection failed is not idle.
    """
    found, held = interfaces.of_this_namespace(), interfaces.address_flags()
    bridges = {interface.index for interface in found if interface.kind == BRIDGE}
    empty = bridges & {interface.index for interface in found if not interface.has_carrier}
    idle = {
        address for address, index, flags in held if index in empty and flags & ADDRESS_STATE_FLAGS == IFA_F_TENTATIVE
    }
    names = {interface.index: interface.name for interface in found}
    return names, bridges, [(address, index) for address, index, _ in held], idle
