"""A table of nftables while it is written: its sets with their elements, its chains with their rules.

Output: the text of a table as `nft -f` reads it, and the expressions that both tables of a project use.
Source: nft(8).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from cloison.enforce.layout import Layout, table_name
from cloison.model.flow import ip_version

MAX_COMMENT: Final = 120
"""NFTNL_UDATA_COMMENT_MAXLEN is 128 bytes with the final 0: libnftnl/udata.h."""
IPV4: Final = 4
ADDRESS: Final = {IPV4: "ipv4_addr", 6: "ipv6_addr"}
IP: Final = {4: "ip", 6: "ip6"}
NEIGHBORS: Final = "icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert }"
"""Neighbour discovery (RFC 4861) without router advertisements and redirects, which no container has to send."""
DROP: Final = "counter drop"


@dataclass
class NftTable:
    """A table while it is written."""

    family: str
    project: str
    sets: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    chains: list[str] = field(default_factory=list)

    def declare(self, name: str, kind: str, flags: str = "", *, counts: bool = False) -> None:
        """Declare a set; a set without elements is written, too, because a rule names it. It may count by element."""
        self.sets[name] = (f"type {kind};{f' flags {flags};' if flags else ''}{' counter;' if counts else ''}", {})

    def add(self, name: str, element: str, comment: str) -> None:
        """Add an element to a set, with its comment; the first comment of several stays."""
        self.sets[name][1].setdefault(element, comment)

    def chain(self, name: str, hook: str, priority: int, rules: Iterable[str]) -> None:
        """Add a base chain that accepts what no rule drops."""
        lines = "".join(f"    {rule}\n" for rule in rules)
        self.chains.append(
            f"  chain {name} {{\n    type filter hook {hook} priority {priority}; policy accept;\n{lines}  }}\n"
        )

    def text(self) -> str:
        """Return the table."""
        sets = "".join(self._set(name, kind, elements) for name, (kind, elements) in self.sets.items())
        return f"table {self.family} {table_name(self.project)} {{\n{sets}{''.join(self.chains)}}}\n"

    @staticmethod
    def _set(name: str, kind: str, elements: dict[str, str]) -> str:
        listed = "".join(f"      {element}{comment_of(comment)},\n" for element, comment in elements.items())
        body = f"    elements = {{\n{listed}    }}\n" if listed else ""
        return f"  set {name} {{\n    {kind}\n{body}  }}\n"


def comment_of(text: str) -> str:
    """Return a text as the comment of an element or a rule, with a space before it, cut where it is too long."""
    printable = "".join(sign if sign.isascii() and sign.isprintable() and sign != '"' else "?" for sign in text)
    short = printable if len(printable) <= MAX_COMMENT else f"{printable[: MAX_COMMENT - 3]}..."
    return f' comment "{short}"'


def declare_places(table: NftTable, layout: Layout) -> None:
    """Declare the sets of the bridges and their subnets, by which everything is closed."""
    table.declare("bridges", "ifname")
    for version, kind in ADDRESS.items():
        table.declare(f"nets{version}", kind, "interval")
    for bridge in layout.bridges:
        table.add("bridges", quoted(bridge.name), f"network {bridge.network}")
        for subnet in bridge.subnets:
            table.add(f"nets{ip_version(subnet)}", subnet, f"network {bridge.network}")


def per_version(*templates: str) -> Iterator[str]:
    """Yield rules for each version of IP, with `{ip}` and `{version}` filled in."""
    for version, ip in IP.items():
        for template in templates:
            yield template.format(ip=ip, version=version)


def quoted(name: str) -> str:
    """Return the name of an interface as nft reads it."""
    return f'"{name}"'
