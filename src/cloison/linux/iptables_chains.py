"""Reads the chains of iptables from the kernel, of both of its backends, without a program.

Input: the calling thread's network namespace. Output: the rules of each chain, as far as an engine's settings show.
Rule: chains of iptables-nft are those of the families ip and ip6; a chain of both backends has the rules of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from cloison.linux import legacy_iptables, netfilter, nftables
from cloison.linux.nftables import Chain, Expression

VERSIONS: Final = {2: 4, 10: 6}
"""The version of IP by NFPROTO_IPV4 and NFPROTO_IPV6."""
DESTINATION_OFFSETS: Final = {4: 16, 6: 24}
"""The offset of the destination address in the header of IP, by its version."""
NETWORK_HEADER: Final = 1
"""NFT_PAYLOAD_NETWORK_HEADER."""
NF_DROP: Final = 0
DROP: Final = "DROP"
REJECT: Final = "REJECT"


class ChainRule(NamedTuple):
    """A rule: DROP, REJECT or the chain to which it jumps (empty: something else).

    `has_destination` says whether it has a condition on the destination address.
    """

    jump: str
    has_destination: bool


Chains = Mapping[tuple[int, str, str], tuple[ChainRule, ...]]
"""Rules by version of IP, table and chain."""


def read() -> Chains:
    """Return the rules of every chain.

    Raises OSError when the kernel refuses.
    """
    found: dict[tuple[int, str, str], tuple[ChainRule, ...]] = {}
    for chains in read_by_backend().values():
        for key, rules in chains.items():
            found[key] = (*found.get(key, ()), *rules)
    return found


def read_by_backend() -> dict[str, Chains]:
    """Return the rules of every chain by the backend of iptables that has it.

    Raises OSError when the kernel refuses.
    """
    return {"nft": dict(_of_nft(nftables.read().chains)), "legacy": dict(_of_legacy())}


def _of_nft(chains: Iterable[Chain]) -> Iterator[tuple[tuple[int, str, str], tuple[ChainRule, ...]]]:
    for chain in chains:
        if version := VERSIONS.get(chain.family):
            rules = tuple(_nft_rule(version, rule) for rule in chain.rules)
            yield (version, chain.table, chain.name), rules


def _nft_rule(version: int, rule: Iterable[Expression]) -> ChainRule:
    jump, has_destination = "", False
    for expression in rule:
        if expression.name == "immediate":
            data = expression.data(2)
            jump = data.chain or (DROP if data.verdict == NF_DROP else "")
        is_reject = expression.name == "reject" or (expression.name == "target" and expression.text(1) == REJECT)
        jump = REJECT if is_reject else jump
        has_destination |= (
            expression.name == "payload"
            and DESTINATION_OFFSETS[version] == expression.number(3)
            and (expression.number(2) == NETWORK_HEADER)
        )
    return ChainRule(jump, has_destination)


def _of_legacy() -> Iterator[tuple[tuple[int, str, str], tuple[ChainRule, ...]]]:
    for version in legacy_iptables.PROGRAMS:
        for table in netfilter.legacy_tables(version):
            hooks, rules = netfilter.legacy_table(version, table)
            for name, held in legacy_iptables.chains(hooks, rules, version).items():
                yield (version, table, name), tuple(ChainRule(jump, destination) for jump, destination in held)
