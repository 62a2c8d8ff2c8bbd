"""Names rules of the host that no packet is asked by, and rules in both backends of iptables.

Output: risks of the host. Rule: the rules are read from the kernel without a program.
Sources: https://docs.docker.com/engine/network/firewall-iptables/, https://github.com/moby/moby/issues/48568,
https://wiki.nftables.org/wiki-nftables/index.php/Moving_from_iptables_to_nftables
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cloison.engine.select import unreached_rules
from cloison.findings.container_risks import Risk
from cloison.linux import iptables_chains
from cloison.linux.iptables_chains import Chains
from cloison.observe.dropped_packets import unreached_drops
from cloison.observe.observer import ProbeSession

HOST_PLACE: Final = "the host"
UNREACHED: Final = "https://docs.docker.com/engine/network/firewall-iptables/"
BACKENDS: Final = "https://wiki.nftables.org/wiki-nftables/index.php/Moving_from_iptables_to_nftables"


def unreached(session: ProbeSession) -> list[Risk]:
    """Return a risk for each chain with rules that would close flows, and that the kernel asks for no such packet."""
    sentences = [*unreached_rules(), *unreached_drops(session)]
    able = "has rules that would close flows, and the kernel never asks them"
    return [Risk("unreached-rules", HOST_PLACE, able, sentence, UNREACHED) for sentence in sentences]


def two_backends() -> list[Risk]:
    """Return a risk if both backends of iptables have rules of the table `filter`."""
    return backend_risks(iptables_chains.read_by_backend())


def backend_risks(by_backend: Mapping[str, Chains]) -> list[Risk]:
    """Return a risk if several backends have chains with rules in the table `filter`."""
    held = {
        backend: sorted({name for (_, table, name), rules in chains.items() if table == "filter" and _has_rules(rules)})
        for backend, chains in by_backend.items()
    }
    held = {backend: names for backend, names in held.items() if names}
    if len(held) < 2:  # noqa: PLR2004  # both
        return []
    evidence = "; ".join(f"{backend}: {', '.join(names)}" for backend, names in sorted(held.items()))
    able = "has rules in both backends of iptables: a packet passes both, and what one accepts the other may drop"
    return [Risk("two-backends", HOST_PLACE, able, evidence, BACKENDS)]


def _has_rules(rules: tuple[iptables_chains.ChainRule, ...]) -> bool:
    """Whether a chain has a rule that drops, rejects or jumps; a legacy chain always has the rule of its policy."""
    return any(rule.jump for rule in rules)
