"""What a kernel can do for enforcement, as far as the rules depend on it.

Rule: a feature counts when the kernel accepts a rule that uses it, never by its version.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Features:
    """What the kernel can do: see `linux.packet_filter`, which asks it."""

    bridge_family: bool
    """NF_TABLES_BRIDGE: packets inside a bridge can be filtered by their ports."""
    bridge_conntrack: bool
    """NF_CONNTRACK_BRIDGE: replies are told from new connections inside a bridge."""
    bridge_name: bool
    """NFT_BRIDGE_META: a rule can name the bridge of a packet (`ibrname`)."""
    bridge_filtering: bool
    """br_netfilter: packets inside a bridge can pass the chains of the IP families, with connection tracking."""
    set_counters: bool = False
    """Each element of a set can count its packets (kernel 5.7), which tells the connections that are used."""

    @property
    def can_enforce(self) -> bool:
        """Whether packets between two ports of a bridge can be closed at all."""
        return self.bridge_family or self.bridge_filtering

    @property
    def sentences(self) -> list[str]:
        """How packets inside a bridge are told apart here, and what is weaker than on other kernels."""
        found = ["inside a bridge, a sender is known by its port, hardware address and address together"]
        if not self.bridge_family:
            found = ["inside a bridge, a sender is known by its address alone: the kernel has no NF_TABLES_BRIDGE"]
        if not (self.bridge_conntrack or self.bridge_filtering):
            found.append("replies over UDP are known by their port: the kernel tracks no connections inside a bridge")
        return found
