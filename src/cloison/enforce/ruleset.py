"""The tables of nftables that enforce a policy, as the text that `nft -f` reads.

Input: the bridges, the openings, what the kernel can do. Output: one transaction that replaces the project's tables.

    table bridge cloison_NAME       packets inside a bridge
      chain source                  a port sends with its own addresses only, so an address proves who sends
      chain inside                  what is allowed by (port, port, address, protocol, port number), then drop by place
      chain delivered               packets from the host reach an address only at the port that has it
      chain received                packets of a port reach the host itself, and no device on top of the bridge
    table inet cloison_NAME         packets that are routed, and those of the host itself
      chain routed, to_host, from_host

Rules: what is closed is closed by place (a bridge, a subnet), and needs nobody to be in time; what is open is an
element of a set, which counts its packets where the kernel can. A drop is final wherever it stands, and an accept never
is, so nothing here opens what the engine's rules close. Each element and each rule has the policy's rule that it comes
from as its comment.
Source: nft(8), https://wiki.nftables.org/wiki-nftables/index.php/Netfilter_hooks; the priorities of the engine's own
chains are 0 (filter) and -100 (DNAT), so the chains here see a published port's own address and come first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from cloison.enforce.bridge_table import bridge
from cloison.enforce.features import Features
from cloison.enforce.inet_table import inet
from cloison.enforce.layout import Layout, table_name
from cloison.enforce.openings import Opening

FAMILIES: Final = ("bridge", "inet")


def remove(project: str, families: Iterable[str] = FAMILIES) -> str:
    """Return the transaction that removes a project's tables, whether they exist or not."""
    names = [f"{family} {table_name(project)}" for family in families]
    return "".join(f"add table {name}\ndelete table {name}\n" for name in names)


def ruleset(layout: Layout, openings: Sequence[Opening], features: Features) -> str:
    """Return the transaction that replaces the project's tables by those of the policy."""
    tables = [inet(layout, openings, counts=features.set_counters)]
    if features.bridge_family:
        tables.insert(0, bridge(layout, openings, features))
    return remove(layout.project) + "".join(tables)
